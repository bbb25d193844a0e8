"""A state as a value: its canonical form, isolated copies, what changed, and how changes merge.

One structure carries all of it: a `Snapshot`, an immutable picture of a state whose leaves are the
state's own immutable values. A fresh copy is restored from it; what a node changed is found by
comparing the live state with it, where unchanged leaves are recognised by identity; two snapshots
differ where they are not the same object; and a digest is computed once per part. Many models of
one class are shown as columns (rows.py, columns.py): the same picture, read and written in bulk.
"""

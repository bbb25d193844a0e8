"""Stores of runs: one set of SQL texts, run by one writer thread on SQLite or PostgreSQL.

`base` is what a store does, `statements` how it is said in SQL, `transactions` how many jobs share
a transaction, `writer` the thread that runs them, `sqlite` and `postgres` what differs. `memory` is
the same without a thread.
"""

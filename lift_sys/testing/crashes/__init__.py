"""Killing a run in every place where it could be killed, and seeing that it goes on.

`points` says where runs are killed, `processes` does it, `rehearsal` is what happens in the process
that is killed or goes on, `judging` compares, `stage` plays the runs one after the other, and
`asserting` is the assertion that uses them.
"""

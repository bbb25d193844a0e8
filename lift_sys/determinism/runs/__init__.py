"""Repeats of a target: what is run, how often, and what each run came to, as values.

A target makes a run; a run has an outcome, which votes, and a trace of its steps; the sample holds them
all. What counts as equal is said by `views`; what the differences mean is for `comparison`.
"""

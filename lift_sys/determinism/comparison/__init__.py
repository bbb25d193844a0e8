"""What repeats show beside each other: fields, steps, the first divergence, and the two verdicts.

Before editing: nothing here runs anything. It reads a sample, and `reporting` says what it found.
"""

"""The report of a check: put together, completed by causes, and told as data, text and one line to paste.

Before editing: a report is data only. How it looks in a browser is for `rendering`.
"""

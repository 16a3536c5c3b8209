"""Tracking: the record of every run in MLflow, a mirror of the files that the run wrote.

No other package imports MLflow, and this one does so late, since it takes a second.
"""

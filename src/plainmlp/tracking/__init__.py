"""Tracking: the record of every run in MLflow, a mirror of the files that the run wrote.

The only package that imports MLflow, and it does so late: MLflow takes a second to import.
"""

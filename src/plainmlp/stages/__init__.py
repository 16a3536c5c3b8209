"""The stages of the pipeline, one a module: plain functions from configuration and arrays to values.

They know no path, no Hydra, no DVC and no MLflow.
"""

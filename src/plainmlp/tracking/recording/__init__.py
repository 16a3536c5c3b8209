"""Recording: how the files of a run get into MLflow, also if training and evaluation are two processes."""

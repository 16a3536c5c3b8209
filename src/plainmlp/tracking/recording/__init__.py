"""Recording: how the files of a run get into MLflow, also where training and evaluation are two processes."""

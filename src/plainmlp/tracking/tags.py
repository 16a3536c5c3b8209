"""The tags by which runs are found again."""

PROCESS_TAG = "plainmlp.process"  # who writes a run, to tell one that goes on from one whose process was killed
FAILURE_TAG = "failure"  # why a run failed
SWEEP_TAG = "sweep_id"
PARENT_TAG = "mlflow.parentRunId"  # by which MLflow's pages show a run below another
MODEL_TAG = "mlflow.log-model.history"  # where MLflow's pages look for the models of a run

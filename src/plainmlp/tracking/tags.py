"""The tags by which runs are found again and shown."""

# a run, and the interrupted one whose training it goes on with
CONTINUES_TAG, CONTINUED_TAG = "continues", "continued_by"
PROCESS_TAG = "plainmlp.process"  # who writes a run, to tell one that goes on from one whose process was killed
FAILURE_TAG = "failure"  # why a run failed
# the end of a run whose process can say nothing any more
KILLED, KILLED_REASON = "KILLED", "its process was killed"
POINT_TAG = "point_id"
SWEEP_TAG = "sweep_id"
CHECKOUT_TAG = "plainmlp.checkout"  # which checkout runs a sweep; another one has a run of its own for the same sweep
PRUNED_TAG = "pruned"  # after which epochs a search went on without a point
PARENT_TAG = "mlflow.parentRunId"  # by which MLflow's pages show a run below another
MODEL_TAG = "mlflow.log-model.history"  # where MLflow's pages look for the models of a run
NOTE_TAG = "mlflow.note.content"  # the description that MLflow's pages show, and let anyone edit
SHORTENED_TAG = "parameters_shortened"  # which parameters MLflow does not hold whole
COMMIT_TAG = "mlflow.source.git.commit"  # by which MLflow's pages show the version of the code
EXPERIMENT_TAG = "dvc.experiment"  # which of `dvc exp show` computed a run
RESTORED_TAG = "training_restored"  # DVC had the model: another process trained it, perhaps on another machine
MANIFEST_TAG = "manifest_digest"  # SHA-256 of the artifact manifest.json, which lists all that the run wrote
RECORD_TAG = "plainmlp.record"  # which run in the outbox it is, or was

"""Add the model that MLflow loads to a point of a sweep; the sweep's best point has it from the start."""

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser

HELP = """Add the model to a run that this checkout recorded, so that MLflow loads it as runs:/<run id>/model.

  python pipelines/model.py 3f2a...            a point of a sweep; for a sweep's own run, its best point
  python pipelines/model.py 3f2a... tracking.uri=sqlite:////data/mlflow.db

To compute a run again that another checkout recorded: python pipelines/repro.py run=3f2a..."""


def main(beginning: str, overrides: list[str]) -> None:
    """Find the run, add its model unless it has one, say how to load it."""
    from plainmlp.exports.sources import recorded_data
    from plainmlp.sweeps.recorded import find_run
    from plainmlp.tracking.children import add_model

    store, run_id = find_run(beginning, overrides, ROOT)
    address = add_model(store, run_id, lambda: recorded_data(store, run_id, ROOT))
    print(f'mlflow.pyfunc.load_model("{address}").predict(dataframe)')


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("run_id", help="the run in MLflow, or the beginning of its id")
    run_script(parser, lambda given: main(given.run_id, given.overrides))

"""Let a point of a sweep carry the model that MLflow loads; the best of a sweep does from the start."""

import argparse
import sys

from _checkout import ROOT
from plainmlp.system.command import run_command

HELP = """Add the model to a run that this checkout recorded, so that MLflow loads it as runs:/<run id>/model.

  python pipelines/model.py 3f2a...            a point of a sweep; of a sweep's own run its best point
  python pipelines/model.py 3f2a... tracking.uri=sqlite:////data/mlflow.db

A run that another checkout recorded is made here again by: python pipelines/repro.py run=3f2a..."""


def main(beginning: str, overrides: list[str]) -> None:
    """Find the run, add its model unless it has one, say how to load it."""
    from plainmlp.exports.sources import recorded_data
    from plainmlp.sweeps.recorded import find_run
    from plainmlp.tracking.children import add_model

    store, run_id = find_run(beginning, overrides, ROOT)
    address = add_model(store, run_id, lambda: recorded_data(store, run_id, ROOT))
    print(f'mlflow.pyfunc.load_model("{address}").predict(dataframe)')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_id", help="the run in MLflow, or the beginning of its id")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="an override, such as tracking.uri=...")
    arguments = parser.parse_intermixed_args()
    sys.exit(run_command(lambda: main(arguments.run_id, arguments.overrides)))

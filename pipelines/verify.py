"""Verification: execute a tracked run again, compare it bit for bit, and write the verdict on the run."""

import argparse
import sys
from typing import TYPE_CHECKING

from _checkout import ROOT
from plainmlp.system.command import run_command

if TYPE_CHECKING:
    from plainmlp.proof.comparison import Verdict
    from plainmlp.tracking.store import Store

HELP = """Execute a tracked run again, compare data, weights, every epoch, metrics and predictions bit for bit.

  python pipelines/verify.py 3f2a...                        a single run, a run of dvc repro, or a point of a sweep
  python pipelines/verify.py --sweep 77b0... --sample 5     five points of a sweep, drawn by --seed
  python pipelines/verify.py 3f2a... tracking.uri=sqlite:////data/mlflow.db

If the code that decides results has changed since, the run's commit and its recorded changes are checked out in a
temporary worktree. The verdict, its tags `verify.*` and a report go to the run.

exit code: 0 identical, 4 different, 3 equal within tolerance (other backends than numpy alone); 2 if the run cannot be executed again"""


def main(arguments: argparse.Namespace) -> None:
    """Find the runs, verify each, end with the worst verdict."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.proof.report import publish_sample
    from plainmlp.proof.verification import draw_points
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.store import Store

    tracking = parse(compose(ROOT / "conf", arguments.overrides)).tracking
    store = Store(tracking_address(tracking, ROOT), tracking.experiment, wait_seconds=tracking.wait_seconds)
    if not arguments.sweep:
        sys.exit(verify_and_publish(store, arguments.run_id, is_here=arguments.here).exit_code)
    run_ids = draw_points(store, arguments.run_id, arguments.sample, arguments.seed)
    verdicts = {run_id: verify_and_publish(store, run_id, is_here=arguments.here) for run_id in run_ids}
    sys.exit(publish_sample(store, arguments.run_id, verdicts).exit_code)


def verify_and_publish(store: "Store", run_id: str, *, is_here: bool) -> "Verdict":
    """Verify a run, show the verdict and write it on the run."""
    from plainmlp.proof.report import publish_verification, show
    from plainmlp.proof.verification import verify
    from plainmlp.tracking.provenance.repository import read_repository

    repository = read_repository(ROOT)
    verification = verify(store, run_id, ROOT, is_here=is_here)
    show(verification)
    publish_verification(store, verification, repository.commit if repository else "none")
    return verification.judgement.verdict


def positive(text: str) -> int:
    """Return a number of points; argparse says what is wrong with another text."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_id", help="the run in MLflow")
    parser.add_argument("--sweep", action="store_true", help="the run is a sweep's parent: verify some of its points")
    parser.add_argument("--sample", type=positive, default=5, help="how many points of the sweep (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the points (default: 0)")
    parser.add_argument("--here", action="store_true", help="use the code of this checkout, also where it has changed")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="an override, such as tracking.uri=...")
    parsed = parser.parse_intermixed_args()
    sys.exit(run_command(lambda: main(parsed)))

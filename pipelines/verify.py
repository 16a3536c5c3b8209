"""Verification: execute a tracked run again, compare it bit for bit, and write the verdict on the run."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser
from plainmlp.system.errors import InputError

if TYPE_CHECKING:
    from plainmlp.proof.verification import Terms
    from plainmlp.tracking.store import Store

HELP = """Execute a tracked run again, compare data, weights, every epoch, metrics and predictions bit for bit.

  python pipelines/verify.py 3f2a...                        a single run, a run of dvc repro, or a point of a sweep
  python pipelines/verify.py --sweep 77b0... --sample 5     a sweep's leaderboard, and five points, drawn by --seed
  python pipelines/verify.py 3f2a... tracking.uri=sqlite:////data/mlflow.db

If the code that decides results has changed since, the run's commit and its recorded changes are checked out in a
temporary worktree. Code that is not this checkout's own is shown, and executed only with --run-recorded-code. The
verdict is written on the run: tags `verify.*` and a report.

exit code: 0 identical, 5 identical as far as it was compared, 3 equal within tolerance (only for backends other than
numpy), 4 different; 2 if the run cannot be executed again, or its code is not allowed to run"""


def main(arguments: argparse.Namespace) -> None:
    """Find the runs, verify each, end with the worst verdict."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.proof.report import verify_and_publish
    from plainmlp.proof.verification import Terms
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.store import Store
    from plainmlp.tracking.stored_runs import whole_run_id

    if arguments.allowed_signers is not None and not arguments.allowed_signers.is_file():
        message = f"--allowed-signers {arguments.allowed_signers}: there is no such file"
        raise InputError(message)
    tracking = parse(compose(ROOT / "conf", arguments.overrides)).tracking
    store = Store(tracking_address(tracking, ROOT), tracking.experiment, wait_seconds=tracking.wait_seconds)
    terms = Terms(
        is_here=arguments.here,
        is_allowed=arguments.run_recorded_code,
        allowed_signers=arguments.allowed_signers,
        seconds=arguments.time_limit,
        is_quiet=arguments.json,
        **({"memory": int(arguments.memory_limit * 1e9)} if arguments.memory_limit else {}),
    )
    arguments.run_id = whole_run_id(store, arguments.run_id)
    if arguments.sweep:
        record = verify_sweep(store, arguments, terms)
    else:
        _, record = verify_and_publish(store, arguments.run_id, ROOT, terms)
    if arguments.json:
        print(json.dumps(record, indent=2))
    sys.exit(record["exit_code"])


def verify_sweep(store: "Store", arguments: argparse.Namespace, terms: "Terms") -> dict[str, Any]:
    """Verify a sweep's leaderboard and a sample of its points; return the report for programs."""
    from plainmlp.proof.report import publish_sweep, show, verify_and_publish
    from plainmlp.proof.sweep import draw_points, judge_sweep

    run_id = arguments.run_id
    drawn = draw_points(store, run_id, arguments.sample, arguments.seed)
    judgement = judge_sweep(store, run_id, ROOT, terms.allowed_signers)
    verified = [verify_and_publish(store, point, ROOT, terms, is_point=True)[0] for point in drawn]
    record = publish_sweep(store, run_id, judgement, verified)
    if not terms.is_quiet:
        show(f"{run_id}, the sweep's own run", judgement, record["summary"])
    return record


def positive(text: str) -> int:
    """Return a number above zero; argparse says what is wrong with another text."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("run_id", help="the run in MLflow, or the beginning of its id")
    parser.add_argument(
        "--sweep", action="store_true", help="the run is a sweep's parent: verify its leaderboard and some points"
    )
    parser.add_argument("--sample", type=positive, default=5, help="how many points of the sweep (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the points (default: 0)")
    parser.add_argument("--here", action="store_true", help="use the code of this checkout, even if it has changed")
    parser.add_argument(
        "--run-recorded-code", action="store_true", help="execute code of a record that is not this checkout's own"
    )
    parser.add_argument(
        "--allowed-signers",
        type=Path,
        metavar="FILE",
        help="signers, one of whom must have signed the record (man ssh-keygen)",
    )
    parser.add_argument("--time-limit", type=positive, default=3600, metavar="SECONDS", help="default: 3600")
    parser.add_argument("--memory-limit", type=positive, metavar="GIGABYTES", help="default: what the machine has")
    parser.add_argument("--json", action="store_true", help="print a report for programs, and nothing else")
    run_script(parser, main)

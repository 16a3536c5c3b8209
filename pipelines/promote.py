"""Promotion: verify a run, register its model under a name, and point an alias to it, or back to the version before."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from _checkout import ROOT
from plainmlp.system.command import run_command, script_parser

if TYPE_CHECKING:
    from plainmlp.config.schema import TrackingSection
    from plainmlp.tracking.registry import Entry
    from plainmlp.tracking.store import Store

HELP = """Register the model of a run in MLflow if pipelines/verify.py finds it identical, and point an alias to it.

  python pipelines/promote.py 3f2a... --name digits --alias champion
  python pipelines/promote.py 3f2a... --name digits --alias champion --to https://mlflow.example.org
  python pipelines/promote.py --back --name digits --alias champion        the alias points to the version before

Then: mlflow.pyfunc.load_model("models:/digits@champion"), or mlflow models serve (docs/models.md). The run may be a
single one, a point of a sweep with its model, or a sweep's own run for its best point. Another registry gets a copy.

exit code: 0 registered; 2 for a mistake; otherwise that of verify.py, if the run is not identical and not registered"""


def main(arguments: argparse.Namespace) -> None:
    """Check the arguments, verify, register; or move an alias back."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.registry import Entry, move_back

    entry = Entry(arguments.name, arguments.alias)
    tracking = parse(compose(ROOT / "conf", arguments.overrides)).tracking
    store = opened(tracking_address(tracking, ROOT), tracking)
    target = store if arguments.to is None else opened(arguments.to, tracking, "--to")
    if arguments.back:
        version, tags = move_back(target, entry)
        print(f"{entry.name} version {version} is {entry.alias} again; verified: {tags.get('verified', 'unknown')}")
    else:
        promote(store, target, entry, arguments)


def opened(address: str, tracking: "TrackingSection", key: str = "tracking.uri") -> "Store":
    """Return the store at an address, with its registry; `key` is where the user gave the address."""
    from plainmlp.system.errors import InputError
    from plainmlp.tracking.store import Store

    try:
        return Store(address, tracking.experiment, wait_seconds=tracking.wait_seconds)
    except InputError as error:
        raise InputError(str(error).replace("tracking.uri", key, 1)) from error


def promote(store: "Store", target: "Store", entry: "Entry", arguments: argparse.Namespace) -> None:
    """Verify a run, end with the exit code of a verdict other than identical, register its model, and say how to use it."""
    from plainmlp.config.code import digest_result_code
    from plainmlp.proof.report import verify_and_publish
    from plainmlp.proof.verification import Terms
    from plainmlp.sweeps.ranking.leaderboard import best_run
    from plainmlp.tracking.credentials import without_credentials
    from plainmlp.tracking.registry import read_promoted, register
    from plainmlp.tracking.stored_runs import whole_run_id

    run = read_promoted(store, best_run(store, whole_run_id(store, arguments.run_id)))
    tags = {"verified": "no"}
    if not arguments.unverified:
        terms = Terms(is_allowed=arguments.run_recorded_code)
        verification, record = verify_and_publish(store, run.run_id, ROOT, terms)
        if record["exit_code"]:
            sys.stderr.write(f"error: not registered: {record['summary']}\n")
            sys.exit(record["exit_code"])
        tags = {"verified": verification.judgement.text, "verified_code": verification.code}
        tags |= {"verified_by": digest_result_code()}  # the code that judged
    version = register(store, run, target, entry, tags)
    print(f"{entry.name} version {version} is {entry.alias}; verified: {tags['verified']}")
    print(f"tracking   {without_credentials(target.address)}")
    print(f'load       mlflow.pyfunc.load_model("{entry.address}")')
    print(f"serve      mlflow models serve -m '{entry.address}' --env-manager local")
    print(f"back       python pipelines/promote.py --back --name {entry.name} --alias {entry.alias}")


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments; argparse ends the command for a mistake."""
    parser = script_parser(HELP)
    parser.add_argument("run_id", nargs="?", help="the run in MLflow, or the beginning of its id")
    parser.add_argument("--name", required=True, help="of the registered model, which is created if necessary")
    parser.add_argument("--alias", required=True, help="the alias that points to the version, such as champion")
    parser.add_argument("--to", metavar="TRACKING_URI", help="a registry other than the run's store")
    parser.add_argument("--back", action="store_true", help="let the alias point to the version before")
    parser.add_argument("--unverified", action="store_true", help="do not verify; a tag of the version says so")
    parser.add_argument(
        "--run-recorded-code", action="store_true", help="execute code of a record that is not this checkout's own"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="an override, such as tracking.uri=...")
    arguments = parser.parse_intermixed_args(words)
    if arguments.run_id is not None and "=" in arguments.run_id:  # --back takes overrides alone
        arguments.overrides, arguments.run_id = [arguments.run_id, *arguments.overrides], None
    if arguments.back != (arguments.run_id is None):
        parser.error("give the id of a run, or --back without one")
    return arguments


if __name__ == "__main__":
    parsed = read_arguments()
    sys.exit(run_command(lambda: main(parsed)))

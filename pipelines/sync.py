"""Publish the runs that were saved on disk while MLflow could not be reached, each once."""

import argparse

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser

HELP = """Publish the runs that wait in .plainmlp/outbox: those that MLflow missed, and those of processes that were killed.

Each goes to its own store and leaves the outbox. If a sync is interrupted, run it again: it publishes nothing twice.

  python pipelines/sync.py
  MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... python pipelines/sync.py tracking.uri=https://mlflow.example.org

With tracking.uri= runs that no store has yet go there, wherever they belonged. To see which runs wait, and discard one:

  python pipelines/sync.py --list
  python pipelines/sync.py --discard record-3f2a...

A run that was killed on another machine stays RUNNING in MLflow, since nobody here can know. To list those, and end one:

  python pipelines/sync.py --running
  python pipelines/sync.py --end 3f2a..."""


def main(arguments: argparse.Namespace) -> None:
    """Do what the arguments ask for: discard, end, list or publish."""
    if arguments.list or arguments.discard:
        manage_waiting(arguments.discard)
    elif arguments.running or arguments.end:
        manage_running(arguments.overrides, arguments.end)
    else:
        publish_waiting(arguments.overrides)


def publish_waiting(overrides: list[str]) -> None:
    """Publish all waiting runs, and print the id of each."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.system.errors import InputError
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.outbox import Outbox
    from plainmlp.tracking.publication import publish

    tracking = parse(compose(ROOT / "conf", overrides)).tracking
    outbox = Outbox(ROOT)
    n_published, refused = 0, []
    with outbox.publishing():
        is_redirected = any(override.startswith("tracking.uri=") for override in overrides)
        address = tracking_address(tracking, ROOT)
        for published in publish(outbox, address, tracking.wait_seconds, is_redirected=is_redirected):
            if published.refusal:
                refused.append(f"not published: MLflow rejected {published.header.record_id} ({published.refusal})")
            else:
                n_published += 1
                print(f"{published.header.name}  {published.run_id or 'skipped: its point already has a finished run'}")
    print(f"{n_published} published")
    if refused:
        raise InputError("; ".join(refused))


def manage_waiting(discarded: list[str]) -> None:
    """Discard waiting runs for good, then list the others with the store that each belongs to."""
    from plainmlp.system.errors import InputError
    from plainmlp.tracking.outbox import Outbox

    outbox = Outbox(ROOT)
    for record_id in discarded:
        held = {header.record_id: header for header in outbox.headers()}
        if record_id not in held:
            message = f"--discard {record_id}: no such run is waiting (allowed: {', '.join(held) or 'none, since no run is waiting'})"
            raise InputError(message)
        if outbox.is_being_written(held[record_id]):
            message = f"--discard {record_id}: a process still writes this run; end that first"
            raise InputError(message)
        outbox.remove(record_id)
    headers = outbox.headers()
    lines = (f"{header.record_id}  {header.name}  for {header.address}, {header.experiment}" for header in headers)
    print("\n".join([*lines, f"{len(headers)} waiting"]))


def manage_running(overrides: list[str], ended: list[str]) -> None:
    """End runs as KILLED, then list those that are RUNNING on other machines."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.store import Store
    from plainmlp.tracking.stored_runs import end_elsewhere, running_elsewhere

    tracking = parse(compose(ROOT / "conf", overrides)).tracking
    store = Store(tracking_address(tracking, ROOT), tracking.experiment, None, tracking.wait_seconds)
    for run_id in ended:
        end_elsewhere(store, run_id)
    lines = running_elsewhere(store)
    print("\n".join([*lines, f"{len(lines)} running on other machines"]))


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("--running", action="store_true", help="list the runs that are RUNNING on other machines")
    parser.add_argument("--end", metavar="RUN_ID", action="append", default=[], help="end such a run as KILLED")
    parser.add_argument("--list", action="store_true", help="list the waiting runs")
    parser.add_argument("--discard", metavar="RECORD_ID", action="append", default=[], help="discard a waiting run")
    run_script(parser, main)

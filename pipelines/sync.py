"""Publish the runs that were saved on disk while MLflow could not be reached, each once."""

import argparse
import sys

from _checkout import ROOT
from plainmlp.system.command import run_command

HELP = """Publish the runs that wait in .plainmlp/outbox: those that MLflow missed, and those of processes that were killed.

Each goes to its own store and leaves the outbox. If a sync is interrupted, run it again: it publishes nothing twice.

  python pipelines/sync.py
  python pipelines/sync.py tracking.uri=https://user:password@mlflow.example.org"""


def main(overrides: list[str]) -> None:
    """Publish all runs that wait, and print the id of each."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.system.errors import InputError
    from plainmlp.tracking.database import tracking_address
    from plainmlp.tracking.outbox import Outbox
    from plainmlp.tracking.publication import publish

    tracking = parse(compose(ROOT / "conf", overrides)).tracking
    outbox = Outbox(ROOT)
    n_published, refused = 0, []
    with outbox.publishing():
        for published in publish(outbox, tracking_address(tracking, ROOT), tracking.wait_seconds):
            if published.refusal:
                refused.append(f"not published: MLflow rejected {published.header.record_id} ({published.refusal})")
            else:
                n_published += 1
                print(f"{published.header.name}  {published.run_id or 'skipped: its point already has a finished run'}")
    print(f"{n_published} published")
    if refused:
        raise InputError("; ".join(refused))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="an override, such as tracking.uri=...")
    arguments = parser.parse_args()
    sys.exit(run_command(lambda: main(arguments.overrides)))

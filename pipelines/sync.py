"""Publish what was saved on disk while MLflow could not be reached: every run once."""

import argparse
import sys

from _checkout import ROOT
from plainmlp.system.command import run_command

HELP = """Publish the runs that MLflow has missed, from .plainmlp/outbox, and remove them there.

Each goes to where it belongs. Run an interrupted sync again to continue; nothing is published twice.

  python pipelines/sync.py
  python pipelines/sync.py tracking.uri=https://user:password@mlflow.example.org"""


def main(overrides: list[str]) -> None:
    """Publish all records, and name the run of each."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.system.errors import InputError
    from plainmlp.tracking.database import tracking_address
    from plainmlp.tracking.outbox import Outbox
    from plainmlp.tracking.publication import publish, publishing

    tracking = parse(compose(ROOT / "conf", overrides)).tracking
    outbox = Outbox(ROOT)
    n_published, refused = 0, []
    with publishing(outbox):
        for published in publish(outbox, tracking_address(tracking, ROOT), tracking.wait_seconds):
            if published.refusal:
                refused.append(f"not published: MLflow rejected {published.record.record_id} ({published.refusal})")
            else:
                n_published += 1
                print(f"{published.record.name}  {published.run_id or 'skipped: its point already has a finished run'}")
    print(f"{n_published} published")
    if refused:
        raise InputError("; ".join(refused))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="an override, such as tracking.uri=...")
    arguments = parser.parse_args()
    sys.exit(run_command(lambda: main(arguments.overrides)))

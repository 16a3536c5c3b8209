"""The golden file: what each case comes to, on every processor and in both forms."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from portable.places import ROOT, Outcome

GOLDEN = ROOT / "tests" / "portability" / "golden.json"
RENEW = "python benchmarks/portability.py --renew"
Digests = Mapping[str, Mapping[str, str]]


def read_golden(path: Path = GOLDEN) -> Digests:
    """Return the digests of each case."""
    golden: Digests = json.loads(path.read_text(encoding="utf-8"))
    return golden


def write_golden(outcomes: Iterable[Outcome], path: Path = GOLDEN) -> None:
    """Write the digests of each case."""
    digests = {outcome.case: outcome.digests for outcome in outcomes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8", newline="\n")


def different_parts(digests: Mapping[str, str], golden: Mapping[str, str]) -> list[str]:
    """Return the names of what differs from the golden file, in the order in which the parts come about."""
    return [name for name in {**golden, **digests} if digests.get(name) != golden.get(name)]

"""Run the chain as on several processors, compiled and plain, and compare every bit with the golden file.

Where all are equal, it writes docs/portability.md. ``--core`` takes the narrowest processor, and the most different one
in its plain form alone, and writes no page; ``--renew`` writes the golden file from the plain form on this machine.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from _checkout import ROOT
from portable.arm import Unavailable, laying_seconds
from portable.cases import CASES, write_cases
from portable.clones import CASE, repeat_job
from portable.functions import FUNCTIONS_CASE
from portable.golden import GOLDEN, RENEW, read_golden, write_golden
from portable.places import ARM, HERE, Outcome, Place, arm_place, compile_beforehand, narrow_places, run_chain
from portable.report import PAGE, make_rows, page, show

Processors = dict[str, dict[str, str]]
CORE = ["--cases", *CASES, FUNCTIONS_CASE]


def check_places(
    places: Sequence[Place], folder: Path, options: Sequence[str], processors: Processors
) -> Iterator[Outcome]:
    """Yield what each case comes to in each place and form; note what each place says of its processor."""
    for place in places:
        print(f"{place.name} ...", flush=True)
        if place.variables and "compiled" in place.forms:
            compile_beforehand(place)
        processors[place.name], outcomes = run_chain(place, folder, options)
        yield from outcomes


def check_jobs(places: Sequence[Place]) -> Iterator[Outcome]:
    """Yield what the main job comes to in a fresh clone in each place."""
    for place in places:
        print(f"{CASE} in a fresh clone, {place.name} ...", flush=True)
        yield repeat_job(place)


def lay(forms: Sequence[str]) -> list[Place]:
    """Return 64-bit ARM with the forms to run there, where it can be had; say why where not."""
    print("64-bit ARM is laid where it is not there yet ...", flush=True)
    try:
        return [arm_place(tuple(forms))]
    except Unavailable as reason:
        print(f"64-bit ARM is not checked: {reason}")
        return []


def check(folder: Path, *, core: bool) -> int:
    """Run all, print the table and return the exit code."""
    processors: Processors = {}
    here, options = Place(HERE), CORE if core else []
    outcomes = list(check_places([here], folder, options, processors))
    narrow = narrow_places(processors[HERE])
    arm = lay(["plain"] if core else ["plain", "compiled"])
    outcomes += check_places([*(narrow[-1:] if core else narrow), *arm], folder, options, processors)
    jobs = [] if core else list(check_jobs([here, *narrow]))
    rows = make_rows([*outcomes, *jobs], read_golden())
    show(rows)
    is_equal = not any(row.different for row in rows)
    print(
        "every bit is as recorded" if is_equal else f"where other bits are meant: {RENEW}, and for dvc.lock make repro"
    )
    if is_equal and arm and not core:
        PAGE.write_text(page(rows, processors, laying_seconds(ARM), RENEW), encoding="utf-8", newline="\n")
        print(f"page: {PAGE.relative_to(ROOT)}")
    return 0 if is_equal else 1


def renew(folder: Path) -> int:
    """Write the golden file."""
    _, outcomes = run_chain(Place(HERE), folder, ["--forms", "plain"])
    write_golden(outcomes)
    print(
        f"{GOLDEN.relative_to(ROOT)} has what {len(outcomes)} cases come to on this machine; check it with make portability"
    )
    return 0


def main() -> int:
    """Check, or renew the golden file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", action="store_true", help="two processors beside this one, and no clones")
    parser.add_argument("--renew", action="store_true", help="write the golden file, where a change of bits is meant")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(folder)
        try:
            return renew(folder) if arguments.renew else check(folder, core=arguments.core)
        except RuntimeError as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    sys.exit(main())

"""The report of a check: a table on the terminal, and docs/portability.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from _performance import machine
from portable.cases import CASES
from portable.golden import Digests, different_parts
from portable.places import ROOT, Outcome

PAGE = ROOT / "docs" / "portability.md"
HEADS = ("where", "form", "cases", "equal", "seconds")
TEXT = """# The same bits on every processor

`make portability` runs short versions of the whole chain (fetch, split, train, evaluate) and compares the SHA-256 of whatever each
part of it gives with the golden file [tests/portability/golden.json](../tests/portability/golden.json): the data, the split, what
was fitted to it, the initial weights, the state after each epoch, the history, the final weights, and the bytes of `predictions.csv`,
`metrics.json` and `intervals.json`. One golden file holds for every processor, and for both forms of the training: plain NumPy
(`training.compiled=false`) and compiled (`true`). The cases:

- {cases}: the chain;
- `functions`: the elementary functions of a million numbers of either dtype, random bit patterns among them. NaN is compared as
  NaN, since processors write it with different bits;
- `figures`: the pictures of `clusters`, byte by byte, drawn once;
- `make repro`: the main job in a fresh clone of the last commit. Equal means that git finds nothing changed afterwards, and
  `dvc.lock` has the digests of weights, history, predictions and figures.

`make test` checks the golden file on the machine that it runs on. Where other bits are meant, `{renew}` renews it.

## What was run

On {machine}.

{rows}

What the libraries said of their processor:

{processors}

On x86-64, variables make the libraries take the processor for an older one. Some say nothing of a name that they do not know, so
each is asked: NumPy has to report the instruction sets, OpenBLAS its kernels, and a loop that Numba compiles must have registers of
that width. `SSE` also has glibc do without fused multiply-adds, which shows in the digest of sines under `libm`.

64-bit ARM is a Python of Debian's and the wheels for that processor, run by qemu's emulation. They are unpacked into
`.plainmlp/portability`, or the folder that `PLAINMLP_PORTABILITY` names, which took {laying:.0f} s; nothing is installed. Where they
cannot be had, a line says so and the rest is checked.
"""


@dataclass(frozen=True)
class Row:
    """What the cases came to in one place and form."""

    place: str
    form: str
    cases: int
    different: Mapping[str, Sequence[str]]  # of each case that differs, the parts that do
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        equal = "all" if not self.different else f"{self.cases - len(self.different)} of {self.cases}"
        return self.place, self.form, str(self.cases), equal, f"{self.seconds:.1f}"

    def remarks(self) -> list[str]:
        """Return a line for each case that differs: its first part that does, and how many do."""
        lines = []
        for case, parts in self.different.items():
            more = "" if len(parts) == 1 else f" and {len(parts) - 1} of the parts after it"
            lines.append(f"{self.place}, {self.form}: {case} differs in {parts[0]}{more}")
        return lines


def make_rows(outcomes: Iterable[Outcome], golden: Digests) -> list[Row]:
    """Return a row for each place and form, in the order in which they ran."""
    rows = []
    for (place, form), group in groupby(outcomes, key=lambda outcome: (outcome.place, outcome.form)):
        members = list(group)
        parts = {member.case: different_parts(member.digests, golden.get(member.case, {})) for member in members}
        different = {case: names for case, names in parts.items() if names}
        rows.append(Row(place, form, len(members), different, sum(member.seconds for member in members)))
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table, and a line for each case that differs."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADS)
    for row in rows:
        table.add_row(*row.cells(), style="red" if row.different else None)
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        for remark in row.remarks():
            console.print(remark, markup=False, soft_wrap=True)


def page(rows: Iterable[Row], processors: Mapping[str, Mapping[str, str]], laying: float, renew: str) -> str:
    """Return the page."""
    lines = [_line(HEADS), "|---|---|--:|---|--:|", *(_line(row.cells()) for row in rows)]
    libraries = list(next(iter(processors.values())))
    seen = [_line(("where", *libraries)), "|---" * (len(libraries) + 1) + "|"]
    seen += [_line((place, *found.values())) for place, found in processors.items()]
    cases = ", ".join(f"`{name}`" for name in CASES)
    return TEXT.format(
        rows="\n".join(lines), processors="\n".join(seen), laying=laying, cases=cases, renew=renew, machine=machine()
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

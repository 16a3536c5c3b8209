"""The verdict on a run: what was compared, each outcome, and the conclusion."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

FINGERPRINT = "numerics."  # begins the tags that describe a machine
SHOWN_PACKAGES = 5
INPUTS = {"code", "data", "split", "point"}  # of a training; the other aspects are its results
SUMMARIZED = {"weights", "predictions"}  # quoted in the summary of rounding differences


class Agreement(StrEnum):
    """The outcome of comparing an aspect."""

    EQUAL = "equal"
    ROUNDED = "equal within tolerance"
    DIFFERENT = "different"
    UNKNOWN = "not compared"


@dataclass(frozen=True)
class Aspect:
    """One thing that was compared, with a note of where or by how much it differs."""

    name: str
    agreement: Agreement
    detail: str
    note: str = ""

    def __str__(self) -> str:
        """Return what was compared and how it differs."""
        return f"{self.detail}, {self.note}" if self.note else self.detail


class Verdict(Enum):
    """The outcome of executing a run again, from the best to the worst, with the exit code of the command."""

    IDENTICAL = ("identical", 0)
    TOLERATED = ("equal within tolerance", 3)
    INCOMPLETE = ("compared in part", 5)
    DIFFERENT = ("different", 4)

    def __init__(self, text: str, exit_code: int) -> None:
        self.text, self.exit_code = text, exit_code

    @classmethod
    def worst(cls, verdicts: Iterable["Verdict"]) -> "Verdict":
        """Return the worst of some verdicts."""
        return max(verdicts, key=list(cls).index)


@dataclass(frozen=True)
class EnvironmentDiff:
    """The differences between the environments of a run and its re-execution, as ``name then, here now``."""

    numerics: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the differences in a few words; empty if there are none."""
        more = len(self.packages) - SHOWN_PACKAGES
        packages = [*self.packages[:SHOWN_PACKAGES], *([f"{more} more"] if more > 0 else [])]
        parts = (("numerics", self.numerics), ("packages", packages))
        return " and ".join(f"other {name} ({'; '.join(texts)})" for name, texts in parts if texts)


@dataclass(frozen=True)
class Judgement:
    """The grounds of a verdict: what was compared, in the order of a training, and where the record was altered.

    The remark names the code with which the run was executed again, if it was not this checkout's.
    """

    aspects: tuple[Aspect, ...]
    alterations: tuple[str, ...] = ()
    environment: EnvironmentDiff = EnvironmentDiff()
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return the verdict: any alteration makes a run different."""
        if self.alterations or self._with(Agreement.DIFFERENT):
            return Verdict.DIFFERENT
        if self._with(Agreement.UNKNOWN):
            return Verdict.INCOMPLETE
        return Verdict.TOLERATED if self._with(Agreement.ROUNDED) else Verdict.IDENTICAL

    @property
    def text(self) -> str:
        """Return the verdict with the remark, such as ``identical (with the code of 0123456789ab)``."""
        return f"{self.verdict.text} ({self.remark})" if self.remark else self.verdict.text

    def summarize(self) -> str:
        """Return the verdict and the most important reasons, in one line."""
        unknown = [f"{aspect.name} ({aspect})" for aspect in self._with(Agreement.UNKNOWN)]
        grounds = [
            *self._differences(),
            *self._rounding(),
            *([f"not compared: {', '.join(unknown)}"] if unknown else []),
        ]
        return f"{self.text}: {'; '.join(grounds)}" if grounds else self.text

    def _with(self, agreement: Agreement) -> list[Aspect]:
        return [aspect for aspect in self.aspects if aspect.agreement is agreement]

    def _rounding(self) -> list[str]:
        """Return the differences by rounding and between the environments, unless more than that differs."""
        rounded = self._with(Agreement.ROUNDED)
        if not rounded or self.verdict is Verdict.DIFFERENT:
            return []
        shown = [aspect for aspect in rounded if aspect.name in SUMMARIZED] or rounded[:1]
        environment = str(self.environment)
        return [*(f"{a.name}: {a}" for a in shown), *([f"with {environment}"] if environment else [])]

    def _differences(self) -> list[str]:
        """Return the first alteration, the first input that differs, and the first result."""
        different = self._with(Agreement.DIFFERENT)
        inputs = [aspect for aspect in different if aspect.name in INPUTS]
        results = [aspect for aspect in different if aspect.name not in INPUTS]
        return [*self.alterations[:1], *(f"{a.name}: {a}" for a in (*inputs[:1], *results[:1]))]


def compare_environments(
    recorded: Mapping[str, str], again: Mapping[str, str], packages: str | None, packages_here: str
) -> EnvironmentDiff:
    """Compare the numerics in the tags of a run and its re-execution, and the packages, a line ``name==version`` each."""
    numerics = tuple(
        f"{key.removeprefix(FINGERPRINT)} {recorded[key]}, here {again[key]}"
        for key in sorted(recorded.keys() & again.keys())
        if key.startswith(FINGERPRINT) and recorded[key] != again[key]
    )
    if packages is None:
        return EnvironmentDiff(numerics)
    then, now = (dict(line.split("==", 1) for line in text.splitlines()) for text in (packages, packages_here))
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return EnvironmentDiff(numerics, tuple(f"{name} {then.get(name)}, here {now.get(name)}" for name in names))

"""The verdict on a run: whether its re-execution gave the same bits, the same but for rounding, or something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from plainmlp.proof.aspects import Aspect, Outcome

FINGERPRINT = "numerics."  # how the tags begin that describe a machine
SHOWN_PACKAGES = 5
GIVEN = {"code", "data", "split", "point"}  # what a training begins from; the rest are its results
TELLING = {"weights", "predictions"}  # what the summary of a rounding quotes


class Verdict(Enum):
    """What came of executing a run again, with the exit code of the command that asked."""

    IDENTICAL = ("identical", 0)
    TOLERATED = ("equal within tolerance", 3)
    DIFFERENT = ("different", 4)

    def __init__(self, text: str, exit_code: int) -> None:
        self.text, self.exit_code = text, exit_code


@dataclass(frozen=True)
class Surroundings:
    """What differs of that which a re-execution stands on.

    Parameters
    ----------
    numerics : tuple of str
        Of the fingerprint, as ``field then, here now``.
    packages : tuple of str
        Of the installed packages, as ``name version, here version``.
    """

    numerics: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return what differs, in a few words; empty where nothing does."""
        more = len(self.packages) - SHOWN_PACKAGES
        packages = [*self.packages[:SHOWN_PACKAGES], *([f"{more} more"] if more > 0 else [])]
        parts = (("numerics", self.numerics), ("packages", packages))
        return " and ".join(f"other {name} ({'; '.join(texts)})" for name, texts in parts if texts)


@dataclass(frozen=True)
class Judgement:
    """A verdict and its grounds.

    Parameters
    ----------
    verdict : Verdict
    aspects : tuple of Aspect
        In the order in which a run comes about.
    alterations : tuple of str
        What in the record contradicts the rest of it.
    surroundings : Surroundings
    """

    verdict: Verdict
    aspects: tuple[Aspect, ...]
    alterations: tuple[str, ...]
    surroundings: Surroundings

    def summarize(self) -> str:
        """Return the verdict with what matters most, in one line."""
        unknown = ", ".join(aspect.name for aspect in self.aspects if aspect.outcome is Outcome.UNKNOWN)
        remark = f" (not compared: {unknown})" if unknown else ""
        if self.verdict is Verdict.IDENTICAL:
            return f"{self.verdict.text}{remark}"
        grounds = self._rounding() if self.verdict is Verdict.TOLERATED else self._differences()
        return f"{self.verdict.text}{remark}: {'; '.join(grounds)}"

    def _rounding(self) -> list[str]:
        """Return how far rounding has gone, and what is other here than where the run was made."""
        rounded = [aspect for aspect in self.aspects if aspect.outcome is Outcome.ROUNDED]
        shown = [aspect for aspect in rounded if aspect.name in TELLING] or rounded[:1]
        others = self.surroundings.describe()
        return [*(f"{a.name}: {a.full_detail}" for a in shown), *([f"with {others}"] if others else [])]

    def _differences(self) -> list[str]:
        """Return what was altered and what differs first, of what is given and of the results."""
        different = [aspect for aspect in self.aspects if aspect.outcome is Outcome.DIFFERENT]
        given = [aspect for aspect in different if aspect.name in GIVEN]
        results = [aspect for aspect in different if aspect.name not in GIVEN]
        return [*self.alterations[:1], *(f"{a.name}: {a.full_detail}" for a in (*given[:1], *results[:1]))]


def judge(aspects: Sequence[Aspect], alterations: Sequence[str], surroundings: Surroundings) -> Judgement:
    """Judge a comparison.

    Parameters
    ----------
    aspects : sequence of Aspect
        As `plainmlp.proof.comparison.compare` returns them.
    alterations : sequence of str
    surroundings : Surroundings
    """
    outcomes = {aspect.outcome for aspect in aspects}
    if alterations or Outcome.DIFFERENT in outcomes:
        verdict = Verdict.DIFFERENT
    else:
        verdict = Verdict.TOLERATED if Outcome.ROUNDED in outcomes else Verdict.IDENTICAL
    return Judgement(verdict, tuple(aspects), tuple(alterations), surroundings)


def find_surroundings(
    recorded: Mapping[str, str], again: Mapping[str, str], packages: str | None, packages_here: str
) -> Surroundings:
    """Return what differs of numerics and packages, as far as the run tells.

    Parameters
    ----------
    recorded, again : mapping of str to str
        The tags of the run and of its re-execution.
    packages, packages_here : str
        A line ``name==version`` each; None where the run has none.
    """
    numerics = tuple(
        f"{key.removeprefix(FINGERPRINT)} {recorded[key]}, here {again[key]}"
        for key in sorted(recorded.keys() & again.keys())
        if key.startswith(FINGERPRINT) and recorded[key] != again[key]
    )
    if packages is None:
        return Surroundings(numerics)
    then, now = (dict(line.split("==", 1) for line in text.splitlines()) for text in (packages, packages_here))
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return Surroundings(numerics, tuple(f"{name} {then.get(name)}, here {now.get(name)}" for name in names))

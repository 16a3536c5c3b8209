"""The verdict on a run: whether its re-execution gave the same bits, the same but for rounding, or something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from plainmlp.proof.aspects import Aspect, Outcome

FINGERPRINT = "numerics."  # how the tags begin that say what can change the last bits
SHOWN_PACKAGES = 5
CAUSES = {
    "code": "the code that ran is not the run's",
    "data": "the data has changed since the run",
    "split": "the data is parted in another way, by another version of a library",
    "point": "the configuration, or the file of model.weights, is not what it was",
    "training": "the training failed here, and did not in the run",
}
MADE_BY_TRAINING = {"initial weights", "epochs"}
TELLING = {"epochs", "weights", "predictions"}  # what the summary of a rounding quotes


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
    cause : str
        The likely one; empty where nothing differs.
    """

    verdict: Verdict
    aspects: tuple[Aspect, ...]
    alterations: tuple[str, ...]
    surroundings: Surroundings
    cause: str

    def summarize(self) -> str:
        """Return the verdict with what matters most, in one line."""
        unknown = ", ".join(aspect.name for aspect in self.aspects if aspect.outcome is Outcome.UNKNOWN)
        remark = f" (not compared: {unknown})" if unknown else ""
        if self.verdict is Verdict.IDENTICAL:
            return f"{self.verdict.text}{remark}"
        grounds = self._rounding() if self.verdict is Verdict.TOLERATED else self._differences()
        return f"{self.verdict.text}{remark}: {'; '.join(grounds)}; likely cause: {self.cause}"

    def _rounding(self) -> list[str]:
        """Return how far rounding has gone."""
        rounded = [f"{a.name}: {a.full_detail}" for a in self.aspects if a.outcome is Outcome.ROUNDED]
        return [text for text in rounded if text.partition(":")[0] in TELLING] or rounded[:1]

    def _differences(self) -> list[str]:
        """Return what was altered and what differs first, of the causes and of the results."""
        different = [f"{a.name}: {a.full_detail}" for a in self.aspects if a.outcome is Outcome.DIFFERENT]
        causes = [text for text in different if text.partition(":")[0] in CAUSES]
        results = [text for text in different if text not in causes]
        return [*self.alterations[:1], *causes[:1], *results[:1]]


def judge(aspects: Sequence[Aspect], alterations: Sequence[str], surroundings: Surroundings) -> Judgement:
    """Judge a comparison.

    Parameters
    ----------
    aspects : sequence of Aspect
        As `plainmlp.proof.comparison.compare` returns them.
    alterations : sequence of str
    surroundings : Surroundings
    """
    settled = settle(aspects, has_other_surroundings=bool(surroundings.describe()))
    outcomes = {aspect.outcome for aspect in settled}
    if alterations or Outcome.DIFFERENT in outcomes:
        verdict = Verdict.DIFFERENT
    else:
        verdict = Verdict.TOLERATED if Outcome.ROUNDED in outcomes else Verdict.IDENTICAL
    cause = "" if verdict is Verdict.IDENTICAL else _likely_cause(settled, alterations, surroundings.describe())
    return Judgement(verdict, tuple(settled), tuple(alterations), surroundings, cause)


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


def settle(aspects: Sequence[Aspect], *, has_other_surroundings: bool) -> list[Aspect]:
    """Turn what was taken for rounding but cannot be that into a difference.

    Parameters
    ----------
    aspects : sequence of Aspect
    has_other_surroundings : bool
        Whether numerics or packages are others than the run's.

    Notes
    -----
    Rounding shows in the states of a training before it shows in what is made of them. Where all digests of the states
    are equal the stored weights cannot differ; where the weights do not differ and the surroundings are the same,
    neither can the digests, the curves, the metrics or the predictions.
    """
    outcomes = {aspect.name: aspect.outcome for aspect in aspects}
    epochs, weights = outcomes.get("epochs"), outcomes.get("weights")
    anywhere = weights is Outcome.ROUNDED or has_other_surroundings
    possible = {"epochs": anywhere and weights is not Outcome.DIFFERENT, "weights": epochs is not Outcome.EQUAL}
    return [
        replace(aspect, outcome=Outcome.DIFFERENT)
        if aspect.outcome is Outcome.ROUNDED and not possible.get(aspect.name, anywhere)
        else aspect
        for aspect in aspects
    ]


def _likely_cause(aspects: Sequence[Aspect], alterations: Sequence[str], surroundings: str) -> str:
    """Return in a few words why a re-execution came out otherwise."""
    different = [aspect.name for aspect in aspects if aspect.outcome is Outcome.DIFFERENT]
    if alterations:
        return "the record was altered after the run"
    if different and different[0] in CAUSES:
        return CAUSES[different[0]]
    if surroundings:
        return surroundings if different else f"rounding, with {surroundings}"
    if not different or different[0] in MADE_BY_TRAINING:
        return "not known, as code, data, configuration and numerics are the same"
    return "the record was altered after the run, as all that comes before is equal"

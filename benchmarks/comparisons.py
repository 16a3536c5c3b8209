"""Simulate sweeps to see how often ways to compare settings call one worse that is not, and how often one that is."""

import argparse
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import studentized_range, t

from _checkout import ROOT
from _performance import write_section
from plainmlp.nn.randomness import generator
from plainmlp.sweeps.ranking.comparison import LEVEL, compare_with_best

PAGE = ROOT / "docs" / "definitions.md"
TITLE = "## What is worse"
SWEEPS = 1000
SETTINGS, SEEDS = (6, 16, 48), (3, 5, 10)
SPREAD = 3.0  # of a quarter of the settings, as a multiple of the others'
DIFFERENCES = (1.0, 2.0)  # in standard deviations
TEXT = """\
A leaderboard picks the best setting by the same scores that it then compares with the others; tests that ignore this find differences
where there are none. Ours (`sweeps/ranking/comparison.py`) removes what a seed does to all settings alike, measures the lead
of the best in standard errors, and counts in how many of 9,999 simulated sweeps, with as many settings and seeds and no true
differences, the best leads another setting by as much. Settings that are worse by this measure are set aside, and the rest is compared
again.

**What the level means**: if all settings are in truth equally good, 5 % of sweeps call one of them worse. This is exact for normal
scores of equal spread; the table below has 3 to 7 % if a quarter of the settings spread three times as much, or if scores are as
coarse as their spread (an accuracy over few samples). It covers the seeds only: other data can give another ranking. With three
seeds and many settings only large differences are found; more seeds find more.

`python benchmarks/comparisons.py` simulates {sweeps:,} sweeps for each line. *Errs*: the share of sweeps of equal settings in which
any is called worse, with equal spread / with unequal spread / with coarse scores. *Finds*: if one setting is better than all
others by 1 / by 2 standard deviations, the share of the others that are called worse.
"""

Scores = NDArray[np.float64]
Found = NDArray[np.bool_]


def paired(scores: Scores) -> Found:
    """Compare each row with the first by a paired t-test, corrected by Holm (1979), the pick forgotten."""
    return _holm(_paired(scores[:1] - scores[1:]))


def all_pairs(scores: Scores) -> Found:
    """Compare all pairs of rows by a paired t-test, corrected by Holm (1979)."""
    first, second = np.triu_indices(len(scores), 1)
    return _holm(_paired(scores[first] - scores[second]))[: len(scores) - 1]  # those of the first row


def _paired(differences: Scores) -> Scores:
    n = differences.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):  # of scores that all agree
        statistics = np.abs(differences.mean(axis=1)) / differences.std(axis=1, ddof=1) * np.sqrt(n)
    p_values: Scores = 2 * t.sf(statistics, n - 1)
    return np.where(np.isnan(p_values), 1.0, p_values)


def _holm(p_values: Scores) -> Found:
    order = np.argsort(p_values)
    is_small = p_values[order] * np.arange(len(order), 0, -1) < LEVEL
    found = np.zeros(len(order), dtype=bool)
    found[order] = np.logical_and.accumulate(is_small)
    return found


def studentized(scores: Scores) -> Found:
    """Compare all pairs by Tukey's studentized range (1953), with one spread for all rows."""
    n_rows, n_seeds = scores.shape
    residuals = scores - scores.mean(axis=1, keepdims=True)
    residuals -= residuals.mean(axis=0)
    freedom = (n_rows - 1) * (n_seeds - 1)
    error = np.sqrt((residuals**2).sum() / freedom / n_seeds)
    means = scores.mean(axis=1)
    return np.asarray(means[0] - means[1:] > _range(n_rows, freedom) * error)


@cache
def _range(n_rows: int, freedom: int) -> float:
    return float(studentized_range.isf(LEVEL, n_rows, freedom))


def ours(scores: Scores) -> Found:
    """Compare as leaderboards do."""
    p_values = compare_with_best([{str(seed): score for seed, score in enumerate(row)} for row in scores.tolist()])
    return np.array([p_value is not None and p_value < LEVEL for p_value in p_values])


METHODS: dict[str, Callable[[Scores], Found]] = {
    "leaderboards": ours,
    "all pairs, Holm": all_pairs,
    "studentized range": studentized,
    "with the best, Holm": paired,
}


def simulated(kind: str, n_settings: int, n_seeds: int, n_sweeps: int) -> Iterator[Scores]:
    """Yield the scores of sweeps, the best row first; `kind` is a key of `CASES`."""
    draws = generator(0, f"{kind} {n_settings} {n_seeds}")
    means, spread, step = CASES[kind](n_settings)
    for _ in range(n_sweeps):
        scores = means[:, np.newaxis] + spread[:, np.newaxis] * draws.standard_normal((n_settings, n_seeds))
        scores = np.round(scores / step) * step if step else scores
        yield scores[np.argsort(-scores.mean(axis=1), kind="stable")]


def _one_better(difference: float) -> "Case":
    return lambda n: (np.where(np.arange(n) == 0, difference, 0.0), np.ones(n), 0.0)


# the true means, the spreads and the step of the scores; 0 for any
Case = Callable[[int], tuple[Scores, Scores, float]]
CASES: dict[str, Case] = {
    "equal": lambda n: (np.zeros(n), np.ones(n), 0.0),
    "unequal spread": lambda n: (np.zeros(n), np.where(np.arange(n) < max(2, n // 4), SPREAD, 1.0), 0.0),
    "coarse": lambda n: (np.zeros(n), np.ones(n), 1.0),
    **{f"{size:g}": _one_better(size) for size in DIFFERENCES},
}


def share(kind: str, n_settings: int, n_seeds: int, n_sweeps: int, method: Callable[[Scores], Found]) -> float:
    """Return the share of sweeps with an error or, where one setting is better, of the others that are found."""
    found = [method(scores) for scores in simulated(kind, n_settings, n_seeds, n_sweeps)]
    return float(np.mean(found) if kind in map("{:g}".format, DIFFERENCES) else np.mean([each.any() for each in found]))


def lines(n_sweeps: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"| settings | seeds | {' | '.join(f'{name}: errs, % | finds, %' for name in METHODS)} |"
    yield "|--:|--:|" + "--:|" * 2 * len(METHODS)
    for n_settings in SETTINGS:
        for n_seeds in SEEDS:
            cells = []
            for method in METHODS.values():
                percent = [f"{100 * share(kind, n_settings, n_seeds, n_sweeps, method):.0f}" for kind in CASES]
                cells += [" / ".join(percent[:3]), " / ".join(percent[3:])]
            yield f"| {n_settings} | {n_seeds} | {' | '.join(cells)} |"


def main(n_sweeps: int, page: Path) -> None:
    """Print the table and, where it is not cut short, write its section."""
    table = []
    for line in lines(n_sweeps):
        print(line, flush=True)
        table.append(line)
    if n_sweeps == SWEEPS:
        write_section(TITLE, "\n".join([TITLE, "", TEXT.format(sweeps=SWEEPS), *table]) + "\n", page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=SWEEPS, help=f"another number than {SWEEPS}; writes nothing")
    main(parser.parse_args().sweeps, PAGE)

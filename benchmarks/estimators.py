"""Time grid searches with scikit-learn's own perceptrons and with ours, side by side on the same settings."""

import argparse
import time
import warnings
from collections.abc import Sequence
from statistics import median
from typing import Any

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neural_network import MLPClassifier as Reference
from threadpoolctl import threadpool_limits

from _checkout import ROOT  # noqa: F401  the package of this checkout is to be imported
from _performance import machine, write_section
from plainmlp import MLPClassifier

TITLE = "## Grid searches in scikit-learn"
ROUNDS = 3
GRID = {"hidden_layer_sizes": [(32,), (100,), (64, 32)], "learning_rate_init": [0.001, 0.003]}
SETTINGS: dict[str, dict[str, Any]] = {
    "batches of 32": {"batch_size": 32},
    "batches of 32, early stopping": {"batch_size": 32, "early_stopping": True, "n_iter_no_change": 20},
    "the default batches of 200": {},
}
DTYPES = ("float32", "float64")


def search(estimator: Any, inputs: Any, classes: Any) -> tuple[float, float]:
    """Search the grid on one core, and return the seconds of the processor and the best accuracy."""
    found = GridSearchCV(estimator, GRID, cv=3)
    with threadpool_limits(1):
        start = time.process_time()
        found.fit(inputs, classes)
        return time.process_time() - start, float(found.best_score_)


def row(name: str, dtype: str, rounds: int) -> str:
    """Return the line of some settings: seconds of both, turn by turn, and the median of their ratios."""
    pixels, classes = load_digits(return_X_y=True)
    inputs = (pixels / 16).astype(dtype)
    given = {"max_iter": 20, "n_iter_no_change": 20, "random_state": 0, **SETTINGS[name]}
    turns = [[search(kind(**given), inputs, classes) for kind in (MLPClassifier, Reference)] for _ in range(rounds)]
    ours, theirs = (median(turn[place][0] for turn in turns) for place in (0, 1))
    ratio = median(other[0] / own[0] for own, other in turns)
    own_score, other_score = (score for _, score in turns[0])
    return f"| {name} | {dtype} | {ours:.2f} | {theirs:.2f} | {ratio:.1f} | {own_score:.3f} | {other_score:.3f} |"


def section(rows: Sequence[str]) -> str:
    """Return the section of docs/performance.md."""
    text = (
        f"`GridSearchCV` over {GRID}, 3 folds: {3 * len(ParameterGrid(GRID)) + 1} fits of 20 iterations on all\n"
        "digits, with `plainmlp.MLPClassifier` and with scikit-learn's own on the same settings, turn by turn on one core\n"
        f"after a warm-up (`make bench`, {machine()}). Seconds are those of the processor; scores are the best mean accuracy."
    )
    head = ["| settings | dtype | ours, s | scikit-learn, s | times as fast | our score | its score |"]
    return "\n".join([TITLE, "", text, "", *head, "|---|---|--:|--:|--:|--:|--:|", *rows]) + "\n"


def main() -> None:
    """Measure, print the rows and, where none is cut short, write their section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"another number than {ROUNDS}; writes nothing")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # that all iterations were made is what is wanted
    row(next(iter(SETTINGS)), DTYPES[0], 1)
    rows = []
    for name in SETTINGS:
        for dtype in DTYPES:
            rows.append(row(name, dtype, arguments.rounds))
            print(rows[-1], flush=True)
    if arguments.rounds == ROUNDS:
        write_section(TITLE, section(rows))


if __name__ == "__main__":
    main()

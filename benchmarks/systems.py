"""The published systems, trained here: docs/systems.md puts what they came to beside what was published."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from _performance import machine

from _checkout import ROOT
from plainmlp.config import compose, parse
from plainmlp.construction import draw_parameters
from plainmlp.data.arrays import Splits
from plainmlp.errors import InputError
from plainmlp.evaluation import evaluate_outputs
from plainmlp.figures import draw_figures
from plainmlp.figures.canvas import FigureData
from plainmlp.inputs import found_inputs
from plainmlp.model import Model, Trained
from plainmlp.schema import Config
from plainmlp.stages.evaluate import measure, predict
from plainmlp.stages.fetch import fetch
from plainmlp.stages.split import split
from plainmlp.stages.stack import Fitted, Task, train_stack
from plainmlp.sweeps.statistics import summarize

PAGE = ROOT / "docs" / "systems.md"
IMAGES = ROOT / "docs" / "images"
SMALL_DIGITS = ROOT.parent / "shared" / "data" / "mnist-8k"
LAST_START = 10_000 * 100 % (13_500 - 100)  # of the batch of the published last step
EXERCISES = (
    "activations",
    "biases",
    "layer_sizes",
    "batch_sizes",
    "optimizers",
    "sincos_initial_weights",
    "sincos_activations",
    "sincos_losses",
    "sincos_small",
)
OPENML = "the 70,000 digits of OpenML"


@dataclass(frozen=True, eq=False)
class System:
    """A named experiment, trained from several seeds as one stack."""

    name: str
    config: Config
    splits: Splits
    trained: tuple[Trained, ...]
    times: list[float] = field(default_factory=list)  # seconds after each epoch

    def test(self, metric: str) -> list[float]:
        """Return a metric of the test part, one value a seed."""
        return [measure(self.splits, predict(each.model, self.splits, 1))["test"][metric] for each in self.trained]

    def dead(self) -> list[list[str]]:
        """Return the names of the dead outputs, one list a seed."""
        return [each.model.dead_outputs(each.model.predict(self.splits.test.features)) for each in self.trained]

    def costs(self) -> tuple[list[float], list[float]]:
        """Return the sum of squares in the first batch before the training and in the last one after it, by seed."""
        size = self.config.training.batch_size
        features, targets = self.splits.train.features, self.splits.train.targets
        starts, ends = [], []
        for seed, each in enumerate(self.trained):
            start = _untrained(each.model, self.config, seed).predict(features[:size])
            starts.append(float(((start - targets[:size]) ** 2).sum()))
            ends.append(float(((each.model.predict(features[-size:]) - targets[-size:]) ** 2).sum()))
        return starts, ends


def _untrained(model: Model, config: Config, seed: int) -> Model:
    """Return a model with the weights that its training began from."""
    parameters = draw_parameters(model.architecture, config.model, seed, config.training.dtype)
    return Model(model.architecture, parameters, model.preparation, model.description)


def train_system(name: str, n_seeds: int, *overrides: str) -> System:
    """Train an experiment from the seeds 0, 1, 2 ... and say how long that took."""
    config = found_inputs(parse(compose(ROOT / "conf", [f"experiment={name}", *overrides])), ROOT)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    times: list[float] = []
    start = time.perf_counter()
    tasks = [
        Task(
            seed,
            config.model,
            config.optimizer,
            config.training,
            () if seed else (lambda epoch, metrics: times.append(time.perf_counter() - start),),
        )
        for seed in range(n_seeds)
    ]
    outcomes = train_stack(tasks, splits)
    trained = tuple(outcome.trained for outcome in outcomes if isinstance(outcome, Fitted))
    if len(trained) < n_seeds:
        sys.exit(f"error: {n_seeds - len(trained)} of {n_seeds} trainings of {name} failed")
    print(f"{name}: {n_seeds} seeds, {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return System(name, config, splits, trained, times)


def digits_source(folder: Path | None) -> tuple[str, list[str]]:
    """Return which digits are at hand, in words and as overrides: a given folder, OpenML, or the small set."""
    if folder is None:
        try:
            fetch(parse(compose(ROOT / "conf", ["dataset=mnist"])).dataset)
        except InputError as error:
            print(f"{error}; taking {SMALL_DIGITS}", file=sys.stderr)
            folder = SMALL_DIGITS
        else:
            return OPENML, []
    return f"the digits of {folder.name}", [f"dataset.path={folder.resolve()}"]


def pictures(system: System, names: Iterable[str]) -> list[str]:
    """Draw figures of the first seed into docs/images; return the lines that show them."""
    first = system.trained[0]
    outputs = first.model.predict(system.splits.test.features)
    parts = (system.splits.train, system.splits.test)
    data = FigureData(system.splits.description, first.history, *parts, outputs, first.model.predict)
    with TemporaryDirectory() as folder:
        drawn = {path.stem: path for path in draw_figures(data, Path(folder))}
        for name in names:
            copy(drawn[name], IMAGES / f"{system.name}_{name}.png")
    return [f"![{system.name}: {name.replace('_', ' ')}](images/{system.name}_{name}.png)" for name in names]


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 2) -> str:
    """Return mean and 95 % interval of values over seeds."""
    summary = summarize([scale * value for value in values])
    if summary.interval is None:
        return f"{summary.mean:.{digits}f}"
    low, high = summary.interval
    return f"{summary.mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f}), {summary.n} seeds"


def row(*cells: str) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def batch_loss(model: Model, system: System, start: int) -> float:
    """Return the mean cross-entropy of the batch that starts at a row of the train part."""
    rows = slice(start, start + int(system.config.training.batch_size))
    targets = system.splits.train.targets[rows]
    probabilities = model.predict(system.splits.train.features[rows])
    return evaluate_outputs("classification", targets, probabilities, n_classes=probabilities.shape[1])["log_loss"]


def clusters_rows(published: System, ordinary: System, minibatch: System) -> list[str]:
    """Return what the three clusters came to."""
    losses = published.trained[0].history["train_loss"]
    ends = [batch_loss(each.model, minibatch, LAST_START) for each in minibatch.trained]
    starts = [
        batch_loss(_untrained(each.model, minibatch.config, seed), minibatch, 0)
        for seed, each in enumerate(minibatch.trained)
    ]
    return [
        row("`clusters_published`", "loss at step 0", "2.97031571897", f"{losses[0]:.11f}"),
        row("", "loss at step 5,000", "0.227432713332", f"{losses[-1]:.12f}"),
        row("", "test accuracy, %", "96.4", spread(published.test("accuracy"), 100)),
        row("`clusters`", "test accuracy, %", "", spread(ordinary.test("accuracy"), 100)),
        row("`clusters_minibatch`", "test accuracy, %", "96.27", spread(minibatch.test("accuracy"), 100)),
        row("", "loss of the batch of step 0", "10.42", spread(starts)),
        row("", "loss of the batch of step 10,000", "0.1036", spread(ends, digits=3)),
    ]


def digits_rows(per_sample: System, tuned: System) -> list[str]:
    """Return what the handwritten digits came to."""
    published = "0 to 95, depending on the weights"
    return [
        row("`mnist_per_sample`", "test accuracy, %", published, spread(per_sample.test("accuracy"), 100)),
        row("`mnist`", "test accuracy, %", "", spread(tuned.test("accuracy"), 100)),
    ]


def sincos_rows(published: System, linear: System) -> list[str]:
    """Return what sine and cosine came to."""
    dead = published.dead()
    starts, ends = published.costs()
    alive = [end for end, names in zip(ends, dead, strict=True) if not names]
    lost = [end for end, names in zip(ends, dead, strict=True) if names]
    errors = linear.test("largest_error")
    converged = sum(error < 0.05 for error in errors)
    return [
        row("`sincos_published`", "seeds with a dead output", "", f"{len(lost)} of {len(dead)}"),
        row("", "cost of the first batch", "", spread(starts)),
        row("", "cost of the last batch, nothing dead", "", f"{min(alive):.3f} to {max(alive):.3f}"),
        row("", "cost of the last batch, dead output", "", f"{min(lost):.1f} to {max(lost):.1f}"),
        row("`sincos`", "largest error", "", f"{spread(errors, digits=3)}; largest {max(errors):.3f}"),
        row("", "seeds with an error below 0.05", "", f"{converged} of {len(errors)}"),
    ]


def epochs_table(system: System) -> list[str]:
    """Return validation accuracy and time after each epoch."""
    accuracy = system.trained[0].history["validation_accuracy"]
    lines = [row("epoch", "validation accuracy, %", "seconds"), "|--:|--:|--:|"]
    pairs = enumerate(zip(accuracy, system.times, strict=True))
    return lines + [row(str(epoch), f"{100 * value:.2f}", f"{seconds:.1f}") for epoch, (value, seconds) in pairs]


def exercises_table() -> list[str]:
    """Return the grids that answer what the published texts leave to the reader, each with its first line."""
    lines = [row("`python pipelines/run.py ...`", "what it compares"), "|---|---|"]
    for name in EXERCISES:
        first = (ROOT / "conf" / "sweep" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
        lines.append(row(f"`sweep={name}`", first.removeprefix("# ").rstrip(".")))
    return lines


def page(rows: Sequence[str], source: str, epochs: Sequence[str], images: Sequence[str]) -> str:
    """Return docs/systems.md."""
    text = (
        f"What was published, and what the same recipes come to here; mean over the seeds and its 95 % interval. The "
        f"MNIST figures are of {source}. Measured by `make systems` on {machine()}. A cost is the sum of squares in a "
        "batch of 32; a dead output is zero for every input. `clusters_minibatch` goes on for 10,050 steps, the 10,001 "
        "published ones to the end of their last round."
    )
    head = ["| experiment | figure | published | measured |", "|---|---|--:|--:|"]
    parts = ["# The published systems", "", text, "", *head, *rows, "", "`mnist_per_sample`, epoch by epoch:", ""]
    exercises = ["The exercises that the texts leave to the reader are grids:", "", *exercises_table()]
    return (
        "\n".join([*parts, *epochs, "", *exercises, "", *(line for image in images for line in (image, ""))]).rstrip()
        + "\n"
    )


def main() -> None:
    """Train every system, and write the page with its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of IDX files; without it OpenML's MNIST, or the small set")
    source, digits = digits_source(parser.parse_args().data)
    published, ordinary = train_system("clusters_published", 1), train_system("clusters", 10)
    minibatch = train_system("clusters_minibatch", 10)
    per_sample, tuned = train_system("mnist_per_sample", 1, *digits), train_system("mnist", 1, *digits)
    dying, linear = train_system("sincos_published", 50), train_system("sincos", 50)
    rows = clusters_rows(published, ordinary, minibatch) + digits_rows(per_sample, tuned) + sincos_rows(dying, linear)
    images = pictures(published, ("data", "decision_regions")) + pictures(per_sample, ("learning_curves",))
    images += pictures(dying, ("fitted_curves",)) + pictures(linear, ("fitted_curves", "learning_curves"))
    PAGE.write_text(page(rows, source, epochs_table(per_sample), images), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

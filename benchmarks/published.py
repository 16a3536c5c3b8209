"""The published systems, trained: what each named experiment comes to from one seed or from many."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from _checkout import ROOT
from plainmlp.composition.compose import compose, parse
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.evaluation.evaluate import measure, predict
from plainmlp.evaluation.figures.canvas import FigureData
from plainmlp.evaluation.figures.table import draw_figures
from plainmlp.evaluation.scores import evaluate_outputs
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.training.construction import build_architecture, draw_parameters
from plainmlp.training.model import Model, Trained
from plainmlp.training.train import train

IMAGES = ROOT / "docs" / "images"
SMALL_DIGITS = ROOT.parent / "shared" / "data" / "mnist-8k"


@dataclass(frozen=True, eq=False)
class System:
    """A named experiment, trained from several seeds."""

    name: str
    config: Config
    splits: Splits
    trained: tuple[Trained, ...]
    times: list[float] = field(default_factory=list)  # seconds after each epoch

    def test(self, metric: str) -> list[float]:
        """Return a metric of the test part, one value a seed."""
        return [measure(self.splits, predict(each.model, self.splits))["test"][metric] for each in self.trained]

    @property
    def n_samples(self) -> int:
        """Return how many samples all parts have."""
        return sum(map(len, self.splits.parts().values()))

    def dead(self) -> list[list[str]]:
        """Return the names of the dead outputs, one list a seed."""
        return [each.model.dead_outputs(each.model.predict(self.splits.test.features)) for each in self.trained]

    def steps(self, metric: str, row: int) -> list[float]:
        """Return what a step that was kept began from (0 for the first, -1 for the last), one value a seed."""
        return [each.steps[metric][row] for each in self.trained]

    def first_losses(self, n_draws: int) -> list[float]:
        """Return the loss of the first batch for each of many draws of the initial weights."""
        architecture, size = build_architecture(self.splits, self.config.model), int(self.config.training.batch_size)
        train, losses = self.splits.train, []
        for seed in range(n_draws):
            parameters = draw_parameters(architecture, self.config.model, seed, self.config.training.dtype)
            model = Model(architecture, parameters, self.splits.preparation, self.splits.description)
            outputs = model.predict(train.features[:size])
            found = evaluate_outputs(self.splits.description, train.targets[:size], outputs)
            losses.append(found["log_loss"])
        return losses


def train_system(name: str, n_seeds: int, *overrides: str) -> System:
    """Train an experiment from the seeds 0, 1, 2 ... and say how long that took."""
    config = found_inputs(parse(compose(ROOT / "conf", [f"experiment={name}", *overrides])), ROOT)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    times: list[float] = []
    start = time.perf_counter()

    def trained(seed: int) -> Trained:
        watchers = [] if seed else [lambda epoch, metrics: times.append(time.perf_counter() - start)]
        sections = (config.model, config.optimizer, config.training)
        return train(splits, seed, *sections, watchers=watchers, backend=config.backend.name)

    try:
        found = tuple(trained(seed) for seed in range(n_seeds))
    except TrainingError as error:
        sys.exit(f"error: {name}: {error}")
    print(f"{name}: {n_seeds} seeds, {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return System(name, config, splits, found, times)


def digits_source(folder: Path | None) -> tuple[str, list[str]]:
    """Return which digits are at hand, by name and as overrides: a given folder, OpenML's, or the small set."""
    if folder is None:
        try:
            fetch(parse(compose(ROOT / "conf", ["dataset=mnist"])).dataset)
        except InputError as error:
            print(f"{error}; taking {SMALL_DIGITS.name}", file=sys.stderr)
            folder = SMALL_DIGITS
        else:
            return "OpenML", []
    return folder.name, [f"dataset.path={folder.resolve()}"]


def pictures(system: System, names: Iterable[str]) -> list[str]:
    """Draw figures of the first seed into docs/images; return the lines that show them."""
    first = system.trained[0]
    outputs = first.model.predict(system.splits.test.features)
    parts = (system.splits.train, system.splits.test)
    data = FigureData(system.splits.description, first.history, *parts, outputs, first.model.predict, first.steps)
    with TemporaryDirectory() as folder:
        drawn = {path.stem: path for path in draw_figures(data, Path(folder))}
        for name in names:
            copy(drawn[name], IMAGES / f"{system.name}_{name}.png")
    return [f"![{system.name}: {name.replace('_', ' ')}](images/{system.name}_{name}.png)" for name in names]

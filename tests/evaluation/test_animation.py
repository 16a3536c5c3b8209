"""Animations: a network is looked at while it trains, and comes to the bits of a training in one go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configurations import composed, refusal
from plainmlp.composition.compose import parse
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.figures import animation
from plainmlp.evaluation.figures.animation import animate, epochs_to_look_at, trained_so_far
from plainmlp.evaluation.reports import write_evaluation
from plainmlp.training.train import train_configured

pytestmark = pytest.mark.slow


def prepared(*overrides: str) -> tuple[Config, Splits]:
    config = parse(composed(*overrides))
    return config, split(fetch(config.dataset), config.split, config.dataset.missing)


def test_a_long_training_is_looked_at_most_often_in_the_beginning() -> None:
    assert epochs_to_look_at(3) == [1, 2, 3]
    looks = epochs_to_look_at(5001)
    assert looks[:4] == [1, 2, 3, 4]
    assert looks[-1] == 5001
    assert len(looks) <= animation.FRAMES
    assert (np.diff(looks) >= 1).all()


@pytest.mark.parametrize(
    "stopping", [(), ("training.patience=2", "training.monitor=train_loss", "optimizer.learning_rate=2")]
)
def test_the_looks_are_states_of_one_training(stopping: tuple[str, ...]) -> None:
    config, splits = prepared("experiment=sincos", "dataset.n_samples=200", "training.epochs=6", *stopping)
    whole = train_configured(config, splits)
    looks = list(trained_so_far(config, splits))
    assert looks[-1].model.weights_digest == whole.model.weights_digest
    assert looks[-1].digests == whole.digests
    for n_epochs, look in enumerate(looks[:-1], start=1):
        assert look.digests == whole.digests[:n_epochs]
    assert len({look.model.weights_digest for look in looks}) > 1


@pytest.mark.parametrize(
    "overrides",
    [
        ("experiment=clusters",),
        ("experiment=sincos", "dataset.n_samples=200"),
        ("experiment=digits", "model.hidden_sizes=[5]"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_a_picture_moves_as_long_as_the_training(
    overrides: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "HELD", 1)
    path = tmp_path / "training.gif"
    assert animate(*prepared(*overrides, "training.epochs=3"), path) == 3
    with Image.open(path) as film:
        assert film.n_frames == 3  # the last one twice, which is one that stays longer
        frames = []
        for number in range(3):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB"), dtype=int))
    left = slice(0, frames[0].shape[1] // 2)
    assert abs(frames[0] - frames[2])[:, left].max() > 50  # what was learned moves, and not only the losses


def test_what_has_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.gif"
    line = refusal(animate, *prepared("model=linear"), path)
    assert line.startswith("dataset.name=digits cannot be animated; allowed: ")
    line = refusal(animate, *prepared("experiment=sincos", "backend=sklearn"), path)
    assert line == "backend=sklearn is not allowed: only backend=numpy can be animated"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_run_has_its_animation_among_its_figures_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_wanted: bool
) -> None:
    monkeypatch.setattr(animation, "HELD", 1)
    config, splits = prepared(
        "experiment=sincos", "dataset.n_samples=100", "training.epochs=2", f"animation={is_wanted}"
    )
    trained, places = train_configured(config, splits), Places(tmp_path)
    evaluation = evaluate(trained.model, splits, config.seed)
    write_evaluation(places, trained, splits, evaluation, animated=config if config.animation else None)
    assert (places.figures / "training.gif").exists() is is_wanted

"""Animations: what a network has learned, and its losses, while it trains."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.evaluation.figures.canvas import COLOURS, RESOLUTION, STYLE, FigureData, caption, new_sheet
from plainmlp.evaluation.figures.curves import draw_curves
from plainmlp.evaluation.figures.planes import draw_points, draw_regions
from plainmlp.evaluation.figures.table import is_line, is_plane
from plainmlp.nn.architecture import view_layers
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file
from plainmlp.training.backends.table import OWN_BACKEND
from plainmlp.training.checkpoints import Checkpoints
from plainmlp.training.history import History
from plainmlp.training.model import Model, Trained
from plainmlp.training.train import train_configured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES = 60
A_SECOND = 10  # frames
HELD = 10  # times that the last frame is shown
UNITS_ACROSS, UNITS_DOWN = 6, 4
Draw = Callable[["Axes", FigureData, Model], object]


def animate(config: Config, splits: Splits, path: Path) -> int:
    """Train a network and write how it changes as an animated GIF; return the number of epochs shown."""
    draw = moving_picture(config, splits)
    looks = list(trained_so_far(config, splits))
    _write(looks, splits, draw, path)
    return len(looks)


def trained_so_far(config: Config, splits: Splits) -> Iterator[Trained]:
    """Train a network, and yield it after each epoch to show.

    The training pauses there and continues from a checkpoint, so its bits are the same as without a pause.
    """
    last = config.training.stop_after or config.training.epochs
    with TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), "animation")
        for epochs in epochs_to_look_at(last):
            paused = config.training.model_copy(update={"stop_after": epochs, "checkpoint_epochs": None})
            paused_there = config.model_copy(update={"training": paused})
            yield (trained := train_configured(paused_there, splits, checkpoint=checkpoints))
            if len(trained.digests) < epochs:
                break  # early stopping, or max_steps


def epochs_to_look_at(n_epochs: int) -> list[int]:
    """Return at most FRAMES counts of epochs up to the last, by equal factors, since a network changes most at first."""
    if n_epochs <= FRAMES:
        return list(range(1, n_epochs + 1))
    return sorted({round(count) for count in np.geomspace(1, n_epochs, FRAMES).tolist()})


def moving_picture(config: Config, splits: Splits) -> Draw:
    """Return what draws the picture that suits the data.

    Raises
    ------
    InputError
        The data cannot be animated, or another library trains.
    """
    description = splits.description
    if config.backend.name != OWN_BACKEND:
        message = f"backend={config.backend.name} is not allowed: only backend={OWN_BACKEND} can be animated"
        raise InputError(message)
    data = FigureData(description, {}, splits.train, splits.test, np.empty(0), lambda features: features)
    if is_plane(data):
        return _draw_plane
    if is_line(data):
        return lambda axes, data, model: draw_curves(axes, data)
    if description.image_shape is not None and len(config.model.hidden_sizes):
        return _draw_weights
    message = (
        f"dataset.name={description.name} cannot be animated; allowed: a classification with two numeric columns, "
        "a regression with one, or images and a hidden layer"
    )
    raise InputError(message)


def _draw_plane(axes: "Axes", data: FigureData, model: Model) -> None:
    draw_regions(axes, data)
    draw_points(axes, data)
    axes.set(xlabel=data.column_names[0], ylabel=data.column_names[1])


def _draw_weights(axes: "Axes", data: FigureData, model: Model) -> None:
    """Draw the weights that lead to the first hidden units as images: blue below zero, red above."""
    shape = data.description.image_shape or (0, 0)
    weights = view_layers(model.parameters, model.architecture).weights[0].T[: UNITS_ACROSS * UNITS_DOWN]
    images = np.full((UNITS_ACROSS * UNITS_DOWN, shape[0] + 1, shape[1] + 1), np.nan)
    images[: len(weights), :-1, :-1] = weights.reshape(-1, *shape)
    rows = images.reshape(UNITS_DOWN, UNITS_ACROSS, shape[0] + 1, shape[1] + 1)
    size = np.nanquantile(abs(images), 0.995)
    axes.imshow(rows.swapaxes(1, 2).reshape(UNITS_DOWN * (shape[0] + 1), -1), cmap="RdBu_r", vmin=-size, vmax=size)
    axes.set_title("the weights of hidden units")
    axes.set_axis_off()


def _write(looks: list[Trained], splits: Splits, draw: Draw, path: Path) -> None:
    from matplotlib import style
    from matplotlib.animation import PillowWriter

    with style.context(["default", STYLE]), replace_file(path) as temporary:
        figure = new_sheet("", 10.0, 4.4)
        picture, losses = figure.subplots(1, 2, width_ratios=(3, 2))

        def draw_frame(trained: Trained) -> None:
            picture.clear()
            predict = trained.model.predict
            outputs = predict(splits.test.features)
            data = FigureData(splits.description, trained.history, splits.train, splits.test, outputs, predict)
            draw(picture, data, trained.model)
            losses.clear()
            _draw_losses(losses, trained.history, looks[-1].history)
            name = caption(splits.description.name, 24)
            figure.suptitle(f"{name}, epochs: {len(trained.digests):,}", x=0.01, ha="left")

        draw_frame(looks[-1])
        figure.draw_without_rendering()  # arranges the panels
        figure.set_layout_engine("none")  # and keeps them in their places
        writer = PillowWriter(fps=A_SECOND)
        with writer.saving(figure, temporary, RESOLUTION):
            for trained in [*looks, *looks[-1:] * HELD]:
                draw_frame(trained)
                writer.grab_frame()


def _draw_losses(axes: "Axes", so_far: History, whole: History) -> None:
    """Draw the losses so far, and the whole curves in pale."""
    for part, colour in zip(("train_loss", "validation_loss"), COLOURS, strict=False):
        if part in whole:
            epochs = range(1, len(whole[part]) + 1)
            axes.loglog(epochs, whole[part], color=colour, alpha=0.15)
            axes.loglog(epochs[: len(so_far[part])], so_far[part], color=colour, label=part.removesuffix("_loss"))
            axes.plot(len(so_far[part]), so_far[part][-1], "o", color=colour)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.grid(visible=True)
    axes.legend(loc="lower left")

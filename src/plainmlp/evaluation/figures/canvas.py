"""What all figures share: their data, colours, sizes and sheets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Description, Part
from plainmlp.evaluation.importance import Importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Subject = TypeVar("Subject")
RESOLUTION = 100  # dots per inch
STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "legend.frameon": False,
}
# Okabe and Ito (2008): colours that all kinds of colour vision distinguish. Vermillion is reserved for what is wrong.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442")
WRONG = "#D55E00"
NEUTRAL = "#333333"


@dataclass(frozen=True, eq=False)
class FigureData:
    """What figures of a trained network are drawn from.

    Parameters
    ----------
    description : Description
        What the columns, targets and classes are called.
    history : mapping of str to sequence of float
        One value an epoch under each key, such as `train_loss`; the validation keys may be absent.
    train, test : Part
        Raw features and targets.
    outputs : ndarray
        Of the test part, in the user's units: probabilities of shape (n_samples, n_classes) for a
        classification, else of the targets' shape.
    predict : callable
        Takes raw features of shape (n_samples, n_columns), returns outputs of the same kind.
    steps : mapping of str to sequence of float
        The loss and score of batches before their updates, whose numbers are under `step`; may be empty.
    importance : Importance, optional
        How important each column is to the network.
    class_weights : str, default ""
        How the classes were weighted in training, as the configuration says it.
    """

    description: Description
    history: Mapping[str, Sequence[float]]
    train: Part
    test: Part
    outputs: Array
    predict: Callable[[Array], Array]
    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    importance: Importance | None = None
    class_weights: str = ""

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Return the most probable class of each test sample."""
        return np.asarray(self.outputs.argmax(axis=1))

    @property
    def column_names(self) -> list[str]:
        """Return the raw features' names, fit to be written on a figure."""
        return [caption(column.name, 40) for column in self.description.columns]

    @property
    def class_names(self) -> list[str]:
        """Return the classes' names, fit to be written on a figure."""
        return [caption(name) for name in self.description.class_names]

    @property
    def target_names(self) -> list[str]:
        """Return the targets' names, fit to be written on a figure."""
        return [caption(name, 30) for name in self.description.target_names]


def save_figure(draw: Callable[[Subject], "Figure"], subject: Subject, path: Path) -> Path:
    """Draw a subject in the project's style, whatever the user's matplotlib settings are, and write it as PNG.

    The same subject gives the same bytes. Returns the path.
    """
    from matplotlib import style

    with style.context(["default", STYLE]):
        draw(subject).savefig(path, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return path


def caption(name: str, length: int = 16) -> str:
    """Return a user's name cut to so many characters, with dollar signs that matplotlib does not take for formulas."""
    short = name if len(name) <= length else f"{name[: length - 1]}…"
    return short.replace("$", r"\$")


def new_figure(data: FigureData, title: str, width: float, height: float) -> "Figure":
    """Return a sheet whose title begins with the name of the data."""
    return new_sheet(f"{caption(data.description.name, 24)}: {title}", width, height)


def new_sheet(title: str, width: float, height: float) -> "Figure":
    """Return a figure of a size in inches with only a title; it arranges its parts so that none covers another."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def grid_of_panels(figure: "Figure", n_panels: int, most_across: int) -> list["Axes"]:
    """Return panels in rows, without unused places in the last row."""
    n_across = min(most_across, n_panels)
    panels = list(figure.subplots(-(-n_panels // n_across), n_across, squeeze=False).ravel())
    for unused in panels[n_panels:]:
        unused.remove()
    return panels[:n_panels]


def class_colours(n_classes: int) -> NDArray[np.float64]:
    """Return a colour for each class: the palette's, or even steps of cividis if there are more classes.

    The array has the shape (n_classes, 3): red, green and blue, from 0 to 1.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba_array

    few = n_classes <= len(COLOURS)
    colours = to_rgba_array(COLOURS[:n_classes]) if few else colormaps["cividis"](np.linspace(0, 1, n_classes))
    return np.asarray(colours[:, :3])


def thinned(n_samples: int, most: int) -> tuple[NDArray[np.intp], str]:
    """Return evenly spaced rows, at most `most`, and a note if some are left out."""
    if n_samples <= most:
        return np.arange(n_samples), ""
    return np.linspace(0, n_samples - 1, most).astype(np.intp), f", {most:,} of {n_samples:,} drawn"


def point_style(n_points: int) -> dict[str, Any]:
    """Return size and opacity for scattered points, the smaller and fainter the more there are."""
    crowd = max(1.0, n_points / 300)
    return {"s": max(4.0, 26 / crowd**0.5), "alpha": max(0.35, 0.9 / crowd**0.25), "linewidths": 0}


def value_range(values: Array) -> tuple[float, float]:
    """Return the limits of an axis that holds the values (not all NaN), with a margin of 5 % on both sides."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin

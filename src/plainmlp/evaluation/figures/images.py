"""The figure of classified images: the worst mistakes."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainmlp.evaluation.figures.canvas import FigureData, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IMAGES = 25
IMAGES_ACROSS = 5


def draw_worst_mistakes(data: FigureData) -> "Figure":
    """Draw up to 25 test images to which a wrong class was given with the highest probability.

    Notes
    -----
    The worst comes first. Where there is no mistake the least certain images are drawn, and the title says so.
    """
    rows, title = select_worst(data)
    n_across = min(IMAGES_ACROSS, len(rows))
    n_down = -(-len(rows) // n_across)
    figure = new_figure(data, title, max(6.0, 1.75 * n_across), 2.3 * n_down + 0.5)
    panels = figure.subplots(n_down, n_across, squeeze=False).ravel()
    for axes, row in zip(panels, rows, strict=False):
        _draw_image(axes, data, row)
    for unused in panels[len(rows) :]:
        unused.remove()
    return figure


def select_worst(data: FigureData) -> tuple[NDArray[np.intp], str]:
    """Return the rows of the test images to show, the worst first, and what they are."""
    confidence = data.outputs.max(axis=1)
    mistakes = np.flatnonzero(data.predicted != data.test.targets)
    if len(mistakes):
        worst = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:MOST_IMAGES]
        return worst, f"{len(mistakes):,} of {len(confidence):,} test images wrong, the worst first"
    unsure = np.argsort(confidence, kind="stable")[:MOST_IMAGES]
    return unsure, f"no mistake in {len(confidence):,} test images, the least certain first"


def _draw_image(axes: "Axes", data: FigureData, row: int) -> None:
    """Draw one image with its true class, the predicted one and its probability."""
    features = data.test.features
    shape = data.description.image_shape
    image = features[row].reshape(shape)
    axes.imshow(image, cmap="gray_r", vmin=features.min(), vmax=features.max(), interpolation="nearest")
    true, predicted = data.test.targets[row], data.predicted[row]
    probability = data.outputs[row, predicted]
    names = data.class_names
    axes.set_title(f"true {names[true]}\npredicted {names[predicted]}\n{probability:.1%}", size=8)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#bbbbbb")

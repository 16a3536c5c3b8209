"""The pictures of a sweep: tables, from which those that suit a leaderboard are drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.evaluation.figures.canvas import save_figure
from plainmlp.sweeps.figures.curves import draw_learning_curves
from plainmlp.sweeps.figures.heatmap import draw_heatmap
from plainmlp.sweeps.figures.parallel import draw_parallel_coordinates
from plainmlp.sweeps.figures.scatter import draw_against_parameters, draw_against_time
from plainmlp.sweeps.ranking.leaderboard import Leaderboard

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SweepFigure:
    """A picture and the leaderboards that it suits.

    Parameters
    ----------
    draw : callable
        Takes a `Leaderboard`, returns a matplotlib figure.
    applies : callable
        Takes a `Leaderboard`, says whether the picture can be drawn of it.
    """

    draw: Callable[[Leaderboard], "Figure"]
    applies: Callable[[Leaderboard], bool]


def draw_sweep_figures(figures: Mapping[str, SweepFigure], board: Leaderboard, folder: Path) -> list[Path]:
    """Write each figure that applies to `<folder>/<name>.png`; the same leaderboard gives the same bytes.

    Parameters
    ----------
    figures : mapping of str to SweepFigure
        `SWEEP_FIGURES` or `TIMING_FIGURES`.
    board : Leaderboard
    folder : Path
        Made where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, figure in figures.items() if board.rows and figure.applies(board)]
    return [save_figure(figures[name].draw, board, folder / f"{name}.png") for name in names]


def _has_curves(board: Leaderboard) -> bool:
    return any(result.curve for row in board.rows for result in row.results)


SWEEP_FIGURES: dict[str, SweepFigure] = {
    "heatmap": SweepFigure(draw_heatmap, lambda board: len(board.keys) >= 2),
    "learning_curves": SweepFigure(draw_learning_curves, _has_curves),
    "parameters": SweepFigure(draw_against_parameters, lambda board: None not in {r.n_parameters for r in board.rows}),
    "parallel_coordinates": SweepFigure(draw_parallel_coordinates, lambda board: len(board.keys) >= 3),
}
# apart from the others: time is not the same from run to run
TIMING_FIGURES: dict[str, SweepFigure] = {
    "training_time": SweepFigure(draw_against_time, lambda board: None not in {r.training_seconds for r in board.rows}),
}

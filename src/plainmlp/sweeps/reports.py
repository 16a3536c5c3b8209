"""The reports of a sweep: leaderboard and figures, the same from run to run, and the times, which differ."""

from pathlib import Path

from plainmlp.sweeps.figures.pictures import SWEEP_FIGURES, TIMING_FIGURES, draw_sweep_figures
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.sweeps.ranking.tables import write_leaderboard, write_timing
from plainmlp.system.files import replace_folder


def write_reports(folder: Path, board: Leaderboard) -> None:
    """Write `leaderboard.csv`, `.json`, `.md` and the folder `figures`; equal results give equal bytes."""
    write_leaderboard(folder, board)
    with replace_folder(folder / "figures") as figures:
        draw_sweep_figures(SWEEP_FIGURES, board, figures)


def write_timings(folder: Path, board: Leaderboard) -> None:
    """Replace a folder by `timing.csv` and, if times were recorded, `training_time.png`; both differ from run to run."""
    with replace_folder(folder) as temporary:
        write_timing(temporary / "timing.csv", board)
        draw_sweep_figures(TIMING_FIGURES, board, temporary)

"""The reports of a sweep: leaderboard and figures, which are the same from run to run, and what took how long."""

from pathlib import Path

from plainmlp.sweeps.figures.pictures import SWEEP_FIGURES, TIMING_FIGURES, draw_sweep_figures
from plainmlp.sweeps.ranking.files import write_leaderboard, write_timing
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.system.files import replace_folder


def write_reports(folder: Path, board: Leaderboard) -> None:
    """Write the leaderboard and its figures; equal results give equal bytes.

    Parameters
    ----------
    folder : Path
        Gets `leaderboard.csv`, `.json` and `.md` and the folder `figures`; earlier ones are replaced.
    board : Leaderboard
    """
    write_leaderboard(folder, board)
    with replace_folder(folder / "figures") as figures:
        draw_sweep_figures(SWEEP_FIGURES, board, figures)


def write_timings(folder: Path, board: Leaderboard) -> None:
    """Write the times of the trainings and the ids of the runs, which differ when the sweep is run again.

    Parameters
    ----------
    folder : Path
        Gets `timing.csv` and, where times were recorded, `training_time.png`; an earlier folder is replaced.
    board : Leaderboard
    """
    with replace_folder(folder) as temporary:
        write_timing(temporary / "timing.csv", board)
        draw_sweep_figures(TIMING_FIGURES, board, temporary)

"""Rebuild the leaderboard of a sweep from MLflow: the same files, byte for byte."""

from pathlib import Path

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser

HELP = """Rebuild the leaderboard of a sweep and its figures from MLflow alone.

  python pipelines/leaderboard.py 3f2a... --folder reports/sweep
  python pipelines/leaderboard.py 3f2a... tracking.uri=sqlite:////data/mlflow.db"""


def main(run_id: str, metric: str | None, folder: Path, overrides: list[str]) -> None:
    """Read the runs below the sweep's, rank, write, show."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
    from plainmlp.sweeps.ranking.results import read_sweep
    from plainmlp.sweeps.reports import show_leaderboard, write_reports, write_runs
    from plainmlp.tracking.addresses import tracking_address
    from plainmlp.tracking.store import Store
    from plainmlp.tracking.stored_runs import whole_run_id
    from plainmlp.tracking.terminal import show_places

    tracking = parse(compose(ROOT / "conf", overrides)).tracking
    store = Store(tracking_address(tracking, ROOT), tracking.experiment, wait_seconds=tracking.wait_seconds)
    board = build_leaderboard(read_sweep(store, whole_run_id(store, run_id), metric))
    write_reports(folder, board)
    write_runs(folder, board)
    show_leaderboard(board)
    show_places({"leaderboard": folder})


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("run_id", help="the sweep's own run in MLflow, or the beginning of its id")
    parser.add_argument("--metric", help="the ranking metric, of the validation part (default: the sweep's own)")
    parser.add_argument(
        "--folder", type=Path, default=Path("leaderboard"), help="where to write (default: leaderboard)"
    )
    run_script(parser, lambda given: main(given.run_id, given.metric, given.folder, given.overrides))

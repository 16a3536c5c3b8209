"""The whole chain in one process: a Hydra app, whose `-m` runs every combination of the values given."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from _checkout import ROOT
from plainmlp.system.command import RUN_AGAIN, run_command
from plainmlp.system.process import PARENT

if TYPE_CHECKING:
    from plainmlp.config.schema import Config
    from plainmlp.data.splits import Splits
    from plainmlp.data.summary import ColumnSummary


def run(config: "Config", folder: Path) -> None:
    """Run a configuration: as a point if a sweep calls, otherwise by itself."""
    parent = os.environ.get(PARENT)
    if parent is None:
        from plainmlp.tracking.recording.page import run_name

        # before the slow imports
        print(f"{run_name(config)}: {config.training.epochs} epochs at most, into {folder}", flush=True)
        run_alone(config, folder)
    else:
        from plainmlp.sweeps.running.job import run_point

        run_point(config, parent, ROOT)


def run_alone(config: "Config", folder: Path) -> None:
    """Fetch, split, train, evaluate; write all results to the folder and to MLflow."""
    from plainmlp.config.inputs import found_inputs
    from plainmlp.config.places import Places
    from plainmlp.data.summary import write_columns
    from plainmlp.evaluation.reports import evaluate_and_write
    from plainmlp.tracking.provenance.environment import process_usage
    from plainmlp.tracking.recording.evaluation import publish_evaluation, show_results, write_summary
    from plainmlp.tracking.recording.training import open_checkpoints, provenance_tags, publish_training, start_run
    from plainmlp.tracking.terminal import show_places, watch_training
    from plainmlp.training.train import train_and_write

    config = found_inputs(config, ROOT)
    places = Places(folder)
    splits, columns = prepare(config)
    with start_run(config, splits, ROOT).closing() as tracked:
        checkpoints = open_checkpoints(tracked, config.training, ROOT)
        with watch_training(config.training.epochs) as show:
            trained = train_and_write(
                config, splits, places, watchers=[show, tracked.log_epoch], checkpoint=checkpoints
            )
        write_columns(places.columns, columns)  # a run that is interrupted leaves no results
        publish_training(tracked, places, trained.model)
        evaluation = evaluate_and_write(config, trained, splits, places)
        publish_evaluation(tracked, config, places, trained, evaluation)
        tracked.log_results(process_usage(), {})
    write_summary(folder / "run.json", tracked, trained.model, evaluation, provenance_tags(splits, ROOT))
    checkpoints.clear()
    show_results(tracked, places, trained, evaluation)
    show_places({**tracked.ids(), "weights_digest": trained.model.weights_digest})


def prepare(config: "Config") -> "tuple[Splits, list[ColumnSummary]]":
    """Fetch and split the data; print how its columns are treated and what is trained."""
    from plainmlp.data.stages import fetch, split
    from plainmlp.data.summary import summarize_dataset, summary_lines
    from plainmlp.evaluation.figures.animation import moving_picture
    from plainmlp.training.construction import describe_training

    dataset = fetch(config.dataset)
    print(*summary_lines(dataset), sep="\n", flush=True)
    splits = split(dataset, config.split, config.dataset.missing)
    if config.animation:
        moving_picture(config, splits)  # refuses what cannot be animated, before anything is trained
    print(describe_training(splits, config), flush=True)
    return splits, summarize_dataset(dataset)


def completed() -> list[str]:
    """Return what the tab key offers instead of Hydra's words."""
    from plainmlp.composition.completion import offered

    return offered(os.environ.get("COMP_LINE", ""))


def main() -> None:
    """Show what can be set, complete a word, or let Hydra compose the configuration and call `run` with it."""
    # Hydra's shell completion works only for scripts that contain these words: @hydra.main
    if {"--help", "-h"} & set(sys.argv):
        from plainmlp.composition.help import help_page

        print(help_page(ROOT / "conf", sys.argv[1:]))
    elif "query=bash" in sys.argv and (words := completed()):
        print(" ".join(words))
    else:
        from plainmlp.composition.compose import run_app

        run_app(ROOT / "conf", run)


if __name__ == "__main__":
    sys.exit(run_command(main, RUN_AGAIN))

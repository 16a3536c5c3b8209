"""The re-execution of a run: its configuration goes through all stages again, and the results into a folder.

A command of its own, so that it can be run with the code of another commit: what goes in and what comes out are files.
"""

import argparse
import sys
from pathlib import Path

from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.config.inputs import named_inputs
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.reports import write_measures
from plainmlp.system.command import run_command
from plainmlp.system.errors import InputError
from plainmlp.system.files import write_json
from plainmlp.tracking.recording.provenance import FOLDER, read_code, training_numerics, write_provenance
from plainmlp.tracking.recording.training import point_of, provenance_tags
from plainmlp.tracking.terminal import watch_training
from plainmlp.training.model import Model
from plainmlp.training.train import train_and_write

TAGS = "tags.json"
CHECKOUT = Path(__file__).parents[3]


def reexecute(config: Config, folder: Path) -> None:
    """Run all stages of a configuration with absolute paths; write model, history, metrics, predictions and tags."""
    _check_inputs(config)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    places = Places(folder)
    with watch_training(config.training.epochs) as show:
        trained = train_and_write(config, splits, places, watchers=[show])
    evaluation = evaluate(trained.model, splits, config.seed, config.training.compiled)
    write_measures(places, trained.model, splits, evaluation)
    _write_tags(folder, config, splits, trained.model)


def _check_inputs(config: Config) -> None:
    for key, path in named_inputs(config).items():
        if path is not None and not Path(path).exists():
            message = f"{key}: {path} does not exist any more, so the run cannot be executed again"
            raise InputError(message)


def _write_tags(folder: Path, config: Config, splits: Splits, model: Model) -> None:
    code = read_code(CHECKOUT)
    tags = provenance_tags(splits, CHECKOUT, training_numerics(config.training))
    write_provenance(folder / FOLDER, code, tags)
    write_json(folder / TAGS, {**tags, "point_id": point_of(config, splits), "weights_digest": model.weights_digest})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, help="config.yaml of a run")
    parser.add_argument("folder", type=Path, help="where the results go")
    arguments = parser.parse_args()
    sys.exit(run_command(lambda: reexecute(parse(read_yaml(arguments.configuration)), arguments.folder)))

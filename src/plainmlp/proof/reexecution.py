"""A run's training, executed again in this process with the same steps as the pipeline, but no tracking.

It is a module of its own so that it can be run with the code of another commit: its input and output are files, which
the caller's code judges.
"""

import argparse
import sys
from pathlib import Path

from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.config.inputs import named_inputs
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.stages import fetch, split
from plainmlp.system.command import run_command
from plainmlp.system.errors import InputError
from plainmlp.tracking.terminal import watch_training
from plainmlp.training.train import train_and_write


def retrain(config: Config, folder: Path) -> None:
    """Run the stages up to the training of a configuration with absolute paths; write model, history and steps."""
    check_inputs(config)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    with watch_training(config.training.epochs) as show:
        train_and_write(config, splits, Places(folder), watchers=[show])


def check_inputs(config: Config) -> None:
    """Refuse a configuration whose files no longer exist."""
    for key, path in named_inputs(config).items():
        if path is not None and not Path(path).exists():
            message = f"{key}: {path} no longer exists, so the run cannot be executed again"
            raise InputError(message)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", type=Path, help="config.yaml of a run")
    parser.add_argument("folder", type=Path, help="where the results go")
    arguments = parser.parse_args()
    sys.exit(run_command(lambda: retrain(parse(read_yaml(arguments.configuration)), arguments.folder)))

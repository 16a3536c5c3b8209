"""A training with all that surrounds it: progress on the terminal, curves in MLflow, checkpoints, files."""

from pathlib import Path

from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.arrays import Splits
from plainmlp.tracking.recording.training import publish_training
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.terminal import watch_training
from plainmlp.training.checkpoints import FOLDER, Checkpoints
from plainmlp.training.history import write_history, write_steps
from plainmlp.training.model import Trained
from plainmlp.training.train import train


def train_tracked(config: Config, splits: Splits, run: TrackedRun, places: Places, checkout: Path) -> Trained:
    """Train, from the latest checkpoint where there is one; write model and history, and publish them.

    Parameters
    ----------
    config : Config
    splits : Splits
    run : TrackedRun
        Of this configuration and data.
    places : Places
        Where the files go.
    checkout : Path
        The repository that keeps the checkpoints; `checkpoints_of` finds them for whoever has all results.
    """
    with watch_training(config.training.epochs) as show:
        trained = train(
            splits,
            config.seed,
            config.model,
            config.optimizer,
            config.training,
            watchers=[show, run.log_epoch],
            checkpoint=checkpoints_of(run, checkout),
            backend=config.backend.name,
        )
    trained.model.save(places.model)
    write_history(places.history, trained.history, trained.digests)
    write_steps(places.steps, trained.steps)
    publish_training(run, places, trained.model)
    return trained


def checkpoints_of(run: TrackedRun, checkout: Path) -> Checkpoints:
    """Return the checkpoints of a run's point."""
    return Checkpoints(checkout / FOLDER, run.point_id)

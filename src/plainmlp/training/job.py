"""A training as a job: from a configuration and its data to the files of the trained model."""

from collections.abc import Sequence

from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.training.history import write_history, write_steps
from plainmlp.training.model import Trained
from plainmlp.training.progress import Checkpoint, Watcher
from plainmlp.training.train import train


def train_and_write(
    config: Config,
    splits: Splits,
    places: Places,
    *,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train the network of a configuration; write the model, its history and its steps."""
    trained = train(
        splits,
        config.seed,
        config.model,
        config.optimizer,
        config.training,
        watchers=watchers,
        checkpoint=checkpoint,
        backend=config.backend.name,
    )
    trained.model.save(places.model)
    write_history(places.history, trained.history, trained.digests)
    write_steps(places.steps, trained.steps)
    return trained

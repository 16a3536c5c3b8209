"""Stage train: from the parts of a data set to a trained model and its history."""

from collections.abc import Sequence

from plainmlp.data.arrays import Splits
from plainmlp.model import Trained
from plainmlp.schema import ModelSection, OptimizerSection, TrainingSection
from plainmlp.stages.progress import Checkpoint, Watcher
from plainmlp.stages.stack import Fitted, Task
from plainmlp.stages.training import train_tasks


def train(
    splits: Splits,
    seed: int,
    model: ModelSection,
    optimizer: OptimizerSection,
    training: TrainingSection,
    *,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
    backend: str = "numpy",
) -> Trained:
    """Train a network.

    Parameters
    ----------
    splits : Splits
    seed : int
    model : ModelSection
    optimizer : OptimizerSection
    training : TrainingSection
    watchers : sequence of callable (epoch, metrics)
        Called after each epoch, counted from 0, with the metrics that `history` records; also for the epochs that the
        checkpoint has already.
    checkpoint : Checkpoint, optional
        What the training goes on from, where it holds anything, and what keeps its progress meanwhile. After a
        training that has ended well the caller clears it, once the result is kept.
    backend : str, default "numpy"
        Which library trains; the others keep no checkpoints and no digests of their states.

    Returns
    -------
    Trained
        The model with its best parameters where `training.patience` is set, else its last; the history has the
        metrics of `plainmlp.nn.epoch.Epoch`, a value an epoch, and the steps those of `plainmlp.nn.scoring.step_metrics`,
        a value each `training.loss_every` updates.

    Raises
    ------
    InputError
        A setting does not suit the data.
    TrainingError
        The loss became NaN or infinite.
    """
    (outcome,) = train_tasks([Task(seed, model, optimizer, training, watchers, checkpoint, backend)], splits)
    if isinstance(outcome, Fitted):
        return outcome.trained
    raise outcome

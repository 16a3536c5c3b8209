"""Stage train for tasks of any backend: our own networks as one stack, those of other libraries one by one."""

from collections.abc import Sequence

from plainmlp.baselines.backends import OWN_BACKEND
from plainmlp.data.arrays import Splits
from plainmlp.stages.peer import train_peer
from plainmlp.stages.stack import Outcome, Task, train_stack


def train_tasks(tasks: Sequence[Task], splits: Splits) -> list[Outcome]:
    """Train the networks of one group.

    Parameters
    ----------
    tasks : sequence of Task
        At least one; of one backend, and with our own as `train_stack` takes them.
    splits : Splits

    Returns
    -------
    list of Fitted or InputError or TrainingError
    """
    if tasks[0].backend == OWN_BACKEND:
        return train_stack(tasks, splits)
    return [train_peer(task, splits) for task in tasks]

"""How much memory a training takes: estimated before its data is fetched, and again before it begins."""

from itertools import pairwise

from plainmlp.config.schema import ModelSection, OptimizerSection, TrainingSection
from plainmlp.data.splits import Splits
from plainmlp.data.stored import StoredRows
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.system.memory import require_memory

BYTES_PER_EPOCH = 350  # a line of the history: seven numbers and a digest


def check_network_memory(model: ModelSection, optimizer: OptimizerSection, training: TrainingSection) -> None:
    """Refuse a network or a history that would not fit into memory even with one input and one output."""
    sizes = (1, *model.hidden_sizes, 1)
    n_parameters = sum(n_in * n_out for n_in, n_out in pairwise(sizes))
    purpose = f"a training of at least {n_parameters} parameters in {_epochs(training)} epochs"
    _require(n_parameters, 0, purpose, optimizer.name, training)


def check_memory(splits: Splits, architecture: Architecture, optimizer: str, training: TrainingSection) -> None:
    """Refuse a training whose network, rows or history would take more memory than there is.

    Rows that stay in their file are not counted, since they are read some at a time.
    """
    held = [
        part for name, part in splits.parts().items() if name != "test" and not isinstance(part.features, StoredRows)
    ]
    n_numbers = len(splits.preparation.input_names) * sum(map(len, held))
    n_parameters = architecture.n_parameters
    purpose = f"a training of {n_parameters} parameters on {n_numbers} numbers in {_epochs(training)} epochs"
    _require(n_parameters, n_numbers, purpose, optimizer, training)


def _require(n_parameters: int, n_numbers: int, purpose: str, optimizer: str, training: TrainingSection) -> None:
    """Refuse what does not fit: four copies of the parameters, two of each optimiser slot, rows and history."""
    itemsize = 4 if training.dtype == "float32" else 8
    numbers = n_parameters * (4 + 2 * OPTIMIZERS[optimizer].n_slots) + n_numbers
    n_bytes = numbers * itemsize + _epochs(training) * BYTES_PER_EPOCH
    require_memory(n_bytes, f"{purpose} (model.hidden_sizes, training.epochs)")


def _epochs(training: TrainingSection) -> int:
    return min(training.epochs, training.max_steps or training.epochs, training.stop_after or training.epochs)

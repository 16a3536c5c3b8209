"""How much memory a training takes, estimated before it begins."""

from plainmlp.config.schema import TrainingSection
from plainmlp.data.splits import Splits
from plainmlp.data.stored import StoredRows
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.system.memory import require_memory

BYTES_PER_EPOCH = 350  # a line of the history: seven numbers and a digest


def check_memory(splits: Splits, architecture: Architecture, optimizer: str, training: TrainingSection) -> None:
    """Refuse a training that would take more memory than there is: for its network, its rows or its history.

    Notes
    -----
    Of parameters there are four copies at once, and two of each of the optimiser's slots. Rows that stay in their file
    are not counted; activations are held for some of them at a time.
    """
    itemsize = 4 if training.dtype == "float32" else 8
    copies = 4 + 2 * OPTIMIZERS[optimizer].n_slots
    held = [
        part for name, part in splits.parts().items() if name != "test" and not isinstance(part.features, StoredRows)
    ]
    n_numbers = len(splits.preparation.input_names) * sum(map(len, held))
    network = architecture.n_parameters * itemsize * copies
    epochs = min(training.epochs, training.max_steps or training.epochs, training.stop_after or training.epochs)
    purpose = (
        f"a training of {architecture.n_parameters} parameters on {n_numbers} numbers in {epochs} epochs "
        "(model.hidden_sizes, training.epochs)"
    )
    require_memory(network + n_numbers * itemsize + epochs * BYTES_PER_EPOCH, purpose)

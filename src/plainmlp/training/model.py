"""A trained model: a network with the preparation of its inputs and the meaning of its outputs."""

import hashlib
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from plainmlp.data.arrays import Array, Description, adapter_of, description_from_dict
from plainmlp.data.preparation import Preparation
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.descent import Descent, Start
from plainmlp.nn.forms import Compiled, start_descent
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.recipe import Recipe
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file
from plainmlp.system.wording import reason
from plainmlp.training.history import History
from plainmlp.training.sealed import MISFITS, read_sealed, sealed_bytes

if TYPE_CHECKING:
    from pandas import DataFrame


class _Last(threading.local):
    """The form in which a thread predicted last, kept while the model exists; threads share no memory."""

    def __init__(self) -> None:
        self.descents: WeakKeyDictionary[Model, tuple[Compiled, Descent]] = WeakKeyDictionary()


_last = _Last()


@dataclass(frozen=True, eq=False)
class Model:
    """A network that predicts from raw features.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32 or float64
        They must not change once the model has predicted.
    preparation : Preparation
        From raw features to inputs, and from outputs to the targets' units.
    description : Description
        What the features and targets mean.
    initial_digest : str, default ""
        Digest of the state that its training began with; empty if unknown.
    """

    architecture: Architecture
    parameters: Array
    preparation: Preparation
    description: Description
    initial_digest: str = ""

    @property
    def weights_digest(self) -> str:
        """Return the SHA-256 of the parameters' bytes in order, as 64 hexadecimal digits."""
        return hashlib.sha256(self.parameters.tobytes()).hexdigest()

    def predict(self, features: Array, compiled: Compiled = "auto") -> Array:
        """Return the model's outputs for raw features; those of a row do not depend on other rows.

        Parameters
        ----------
        features : ndarray of shape (n_samples, n_columns), any numeric dtype
            As in `Part.features`.
        compiled : "auto" or bool
            Which form computes it, see `plainmlp.nn.forms`; the bits are the same.

        Returns
        -------
        ndarray of shape (n_samples, n_classes or n_targets), float64
            Probabilities of the classes, or of each label; the targets' values for a regression.
        """
        inputs = self.preparation.inputs(features, self.parameters.dtype)
        with np.errstate(all="ignore"):
            outputs = self._descent(compiled).outputs(np.ascontiguousarray(inputs)).astype(np.float64)
        if self.description.task == "classification" and outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        return self.preparation.restore_targets(outputs)

    def _descent(self, compiled: Compiled) -> Descent:
        """Return the network, ready to predict; to set one up takes longer than to predict a row."""
        kept = _last.descents.get(self)
        if kept is None or kept[0] != compiled:
            start = Start(self.architecture, Recipe(optimizer="sgd"), self.parameters)
            kept = compiled, start_descent(compiled, start)
            _last.descents = WeakKeyDictionary({self: kept})
        return kept[1]

    def dead_outputs(self, outputs: Array) -> list[str]:
        """Return the names of the outputs that are zero for all samples, if the loss has a link that can die.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_targets)
            As `predict` returns them for the samples.
        """
        if not LOSSES[self.architecture.loss].can_die:
            return []
        zero = (outputs == self.preparation.restore_targets(np.zeros_like(outputs))).all(axis=0)
        return [name for name, is_zero in zip(self.description.target_names, zero, strict=True) if is_zero]

    def predict_frame(self, frame: "DataFrame") -> "DataFrame":
        """Return the model's outputs for a table of raw features, with names.

        Returns
        -------
        DataFrame
            For a classification the column `predicted` with the class's name and `probability_<class>` for each;
            `probability_<label>` for several labels; `predicted_<target>` for a regression.
        """
        return self.label_outputs(self.predict(self.preparation.from_frame(frame)))

    def label_outputs(self, outputs: Array) -> "DataFrame":
        """Return outputs as a table, as `predict_frame` does."""
        from pandas import DataFrame

        if self.description.task == "regression":
            return DataFrame(outputs, columns=[f"predicted_{name}" for name in self.description.target_names])
        names = self.description.output_names
        table = DataFrame(outputs, columns=[f"probability_{name}" for name in names])
        if self.description.task == "classification":
            table.insert(0, "predicted", np.array(names)[outputs.argmax(axis=1)])
        return table

    def save(self, path: Path) -> None:
        """Write the model to a safetensors file, whole or not at all, with a checksum."""
        with replace_file(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the content of the file that `save` writes."""
        record = {
            "preparation": self.preparation.to_dict(),
            "description": self.description.to_dict(),
            "initial_digest": self.initial_digest,
        }
        return sealed_layers(self.parameters, self.architecture, record)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model.

        Raises
        ------
        InputError
            The file is missing, damaged, or holds weights alone.
        """
        parameters, record = load_layers(path)
        if "preparation" not in record:
            message = f"{path}: holds only weights, and no model"
            raise InputError(message)
        try:
            preparation = Preparation.from_dict(record["preparation"])
            description = description_from_dict(record["description"])
            architecture = _architecture(record["architecture"])
            _check_fit(architecture, preparation, description)
            return cls(architecture, parameters, preparation, description, str(record.get("initial_digest", "")))
        except MISFITS as error:
            message = f"{path}: is damaged: it does not describe a model ({reason(error)})"
            raise InputError(message) from error


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and the course of its training.

    Parameters
    ----------
    digests : tuple of str
        For each epoch the digest of the training's state (`plainmlp.nn.snapshot.Snapshot.digest`), or an empty text.
    steps : History
        What was measured before updates; empty if none was kept.
    seconds : float, default 0
        How long the training took, including before an interruption.
    """

    model: Model
    history: History
    digests: tuple[str, ...]
    steps: History = field(default_factory=dict)
    seconds: float = 0.0


def sealed_layers(parameters: Array, architecture: Architecture, record: dict[str, Any]) -> bytes:
    """Return the layers of a network as a safetensors file with a checksum.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        Written as `layers.<i>.weight` (n_out, n_in), as in most libraries, and `layers.<i>.bias` (n_out,).
    record : dict
        What else to keep; JSON must be able to hold it.
    """
    layers = view_layers(parameters, architecture)
    arrays = [*(np.ascontiguousarray(weight.T) for weight in layers.weights), *map(np.ascontiguousarray, layers.biases)]
    tensors = dict(zip(_layer_shapes(architecture), arrays, strict=True))
    return sealed_bytes(tensors, {"architecture": asdict(architecture), **record})


def load_layers(path: Path) -> tuple[Array, dict[str, Any]]:
    """Read a file of `sealed_layers`.

    Returns
    -------
    parameters : ndarray of shape (n_parameters,)
    record : dict
        With the architecture under that name.
    """
    tensors, content = read_sealed(
        path, "weights file", lambda record: list(_layer_shapes(_architecture(record["architecture"])))
    )
    for name, shape in _layer_shapes(_architecture(content["architecture"])).items():
        if tensors[name].shape != shape:
            message = f"{path}: is damaged: {name} has the shape {tensors[name].shape}, not {shape}"
            raise InputError(message)
    return np.concatenate([tensor.T.ravel() for tensor in tensors.values()]), content


def _layer_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights, then of all biases, by their names in a file."""
    shapes: dict[str, tuple[int, ...]] = {}
    shapes |= {f"layers.{i}.weight": (n_out, n_in) for i, (n_in, n_out) in enumerate(architecture.shapes)}
    biases = architecture.shapes if architecture.bias else ()
    return shapes | {f"layers.{i}.bias": (n_out,) for i, (_, n_out) in enumerate(biases)}


def count_outputs(loss: str, description: Description) -> int:
    """Return how many outputs a network has: for two classes and their binary loss one, the second's probability."""
    is_single = loss == "binary_cross_entropy" and len(description.class_names) == 2
    return 1 if is_single else len(description.output_names)


def _check_fit(architecture: Architecture, preparation: Preparation, description: Description) -> None:
    """Refuse a network whose inputs and outputs do not fit its data, or whose functions do not exist."""
    n_outputs = count_outputs(architecture.loss, description)
    of_targets, sizes = preparation.target_scaling, architecture.layer_sizes
    fits = (
        (sizes[0], sizes[-1]) == (len(preparation.input_names), n_outputs)
        and len(architecture.activations) == len(sizes) - 2
        and {architecture.loss} <= set(LOSSES)
        and set(architecture.activations) <= set(ACTIVATIONS)
        and (of_targets is None or of_targets.offset.shape == of_targets.scale.shape == (n_outputs,))
    )
    if not fits:
        message = "the network does not fit its data"
        raise ValueError(message)


def _architecture(record: dict[str, Any]) -> Architecture:
    """Return the architecture that `asdict` made a record of."""
    architecture: Architecture = adapter_of(Architecture).validate_python(record)
    return architecture

"""A trained model: a network with the preparation of its inputs and the meaning of its outputs."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array, Description, description_from_dict, description_to_dict
from plainmlp.data.preparation import Preparation
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.forms import Compiled, start_descent
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.recipe import Recipe
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file
from plainmlp.training.history import History

if TYPE_CHECKING:
    from pandas import DataFrame

# one key only: the file format does not keep the order of several
METADATA = "plainmlp"


@dataclass(frozen=True, eq=False)
class Model:
    """A network that predicts from raw features.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32 or float64
    preparation : Preparation
        From raw features to inputs, and from outputs to the targets' units.
    description : Description
        What the features and targets mean.
    initial_digest : str, default ""
        Digest of the state that its training began from; empty where that is not known.
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
        """Return what the model says of raw features; of a row it does not depend on the others.

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
        descent = start_descent(compiled, self.architecture, self.parameters, (), Recipe(optimizer="sgd"))
        inputs = self.preparation.inputs(features, self.parameters.dtype)
        with np.errstate(all="ignore"):
            outputs = descent.outputs(np.ascontiguousarray(inputs)).astype(np.float64)
        if self.description.task == "classification" and outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        return self.preparation.restore_targets(outputs)

    def dead_outputs(self, outputs: Array) -> list[str]:
        """Return the names of the outputs that are zero for all samples, where the loss has a link that can die.

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
        """Return what the model says of a table of raw features, with names.

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
        names = self.description.class_names or self.description.target_names
        table = DataFrame(outputs, columns=[f"probability_{name}" for name in names])
        if self.description.task == "classification":
            table.insert(0, "predicted", np.array(names)[outputs.argmax(axis=1)])
        return table

    def save(self, path: Path) -> None:
        """Write the model to a safetensors file, whole or not at all, with a checksum over all it holds."""
        save_layers(path, self.parameters, self.architecture, self._record())

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
            message = f"{path}: holds weights but no model"
            raise InputError(message)
        return cls(
            _architecture(record["architecture"]),
            parameters,
            Preparation.from_dict(record["preparation"]),
            description_from_dict(record["description"]),
            record.get("initial_digest", ""),
        )

    def _record(self) -> dict[str, Any]:
        return {
            "preparation": self.preparation.to_dict(),
            "description": description_to_dict(self.description),
            "initial_digest": self.initial_digest,
        }


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and how it came about.

    Parameters
    ----------
    digests : tuple of str
        An entry an epoch: the digest of the training's state (`plainmlp.nn.snapshot.Snapshot.digest`), empty for an
        epoch that was not digested.
    steps : History
        What single updates began from; empty where none was kept.
    seconds : float, default 0
        What the training took, with what it took before it was interrupted.
    """

    model: Model
    history: History
    digests: tuple[str, ...]
    steps: History = field(default_factory=dict)
    seconds: float = 0.0


def save_layers(path: Path, parameters: Array, architecture: Architecture, record: dict[str, Any]) -> None:
    """Write the layers of a network to a safetensors file.

    Parameters
    ----------
    path : Path
        Replaced whole or not at all.
    parameters : ndarray of shape (n_parameters,)
        Written as `layers.<i>.weight` (n_out, n_in), as most libraries have it, and `layers.<i>.bias` (n_out,).
    record : dict
        What else to keep, as JSON can hold it.
    """
    from safetensors.numpy import save

    content = {"architecture": asdict(architecture), **record}
    layers = view_layers(parameters, architecture)
    tensors = {f"layers.{i}.weight": np.ascontiguousarray(weight.T) for i, weight in enumerate(layers.weights)}
    tensors |= {f"layers.{i}.bias": np.ascontiguousarray(bias) for i, bias in enumerate(layers.biases)}
    with replace_file(path) as temporary:
        temporary.write_bytes(save(tensors, {METADATA: _metadata(list(tensors.values()), content)}))


def load_layers(path: Path) -> tuple[Array, dict[str, Any]]:
    """Read what `save_layers` wrote.

    Returns
    -------
    parameters : ndarray of shape (n_parameters,)
    record : dict
        With the architecture under that name.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = (file.metadata() or {})[METADATA]
            content = json.loads(metadata)["content"]
            tensors = _ordered_tensors({name: file.get_tensor(name) for name in file.keys()}, content)  # noqa: SIM118
    except FileNotFoundError as error:
        message = f"{path}: there is no such file"
        raise InputError(message) from error
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path}: is damaged, or no weights file of plainmlp ({error})"
        raise InputError(message) from error
    if metadata != _metadata(tensors, content):
        message = f"{path}: is damaged: its content does not have the checksum that was written with it"
        raise InputError(message)
    return np.concatenate([tensor.T.ravel() for tensor in tensors]), content


def _ordered_tensors(tensors: dict[str, Array], content: dict[str, Any]) -> list[Array]:
    """Return the weights of all layers, then the biases; KeyError or ValueError where they do not fit."""
    architecture = _architecture(content["architecture"])
    names = [f"layers.{i}.weight" for i in range(len(architecture.shapes))]
    names += [f"layers.{i}.bias" for i in range(len(architecture.shapes))] if architecture.bias else []
    shapes = [*((n_out, n_in) for n_in, n_out in architecture.shapes), *((n_out,) for _, n_out in architecture.shapes)]
    if sorted(names) != sorted(tensors):
        message = f"holds {sorted(tensors)}, not {names}"
        raise ValueError(message)
    for name, shape in zip(names, shapes, strict=False):
        if tensors[name].shape != shape:
            message = f"{name} has the shape {tensors[name].shape}, not {shape}"
            raise ValueError(message)
    return [tensors[name] for name in names]


def _metadata(tensors: list[Array], content: dict[str, Any]) -> str:
    """Return the content and a checksum over all; a reader compares the very text, so that 1E-5 is not 1e-5."""
    text = json.dumps([content, tensors[0].dtype.str], sort_keys=True)
    digest = hashlib.sha256(text.encode() + b"".join(tensor.tobytes() for tensor in tensors)).hexdigest()
    return json.dumps({"content": content, "sha256": digest}, sort_keys=True)


def _architecture(record: dict[str, Any]) -> Architecture:
    """Return the architecture that `asdict` made a record of."""
    return Architecture(
        layer_sizes=tuple(record["layer_sizes"]),
        activations=tuple(record["activations"]),
        loss=record["loss"],
        loss_options=tuple((name, value) for name, value in record["loss_options"]),
        bias=record["bias"],
    )

"""From the configuration and the data to a network: its architecture, initial weights, recipe and examples."""

import math
from pathlib import Path

import numpy as np

from plainmlp.config.schema import Config, ModelSection, OptimizerSection, TrainingSection
from plainmlp.data.arrays import Array, Description, Part
from plainmlp.data.preparation import Preparation
from plainmlp.data.splits import Splits
from plainmlp.data.sums import count_classes
from plainmlp.nn import initializers
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.batches import Examples
from plainmlp.nn.losses import LOSSES, default_loss, recorded_metrics
from plainmlp.nn.recipe import Recipe
from plainmlp.system.errors import InputError
from plainmlp.training.model import count_outputs, load_layers


def build_architecture(splits: Splits, model: ModelSection) -> Architecture:
    """Return the architecture that a configuration gives for some data."""
    description = splits.description
    loss = default_loss(description.task) if model.loss.name == "auto" else model.loss.name
    _check_loss(loss, description)
    names = model.activation
    activations = (names,) * len(model.hidden_sizes) if isinstance(names, str) else names
    sizes = (len(splits.preparation.input_names), *model.hidden_sizes, count_outputs(loss, description))
    return Architecture(sizes, activations, loss, tuple(sorted(model.loss.options.items())), model.bias)


def describe_training(splits: Splits, config: Config) -> str:
    """Return in one line what is trained: the rows of each part, the layers and the optimiser."""
    architecture = build_architecture(splits, config.model)
    rows = ", ".join(f"{name} {len(part):,}" for name, part in splits.parts().items())
    n_inputs, *hidden, n_outputs = architecture.layer_sizes
    layers = [f"{units} {name}" for units, name in zip(hidden, architecture.activations, strict=True)]
    network = " > ".join([f"{n_inputs} inputs", *layers, f"{n_outputs} outputs"])
    ends = f"{architecture.n_parameters:,} parameters, {architecture.loss}, {config.optimizer.name}"
    return f"training: rows {rows}; {network}; {ends}"


def _check_loss(loss: str, description: Description) -> None:
    allowed = [name for name, entry in LOSSES.items() if description.task in entry.tasks]
    if loss not in allowed:
        message = f"model.loss = {loss!r} does not suit a {description.task}; allowed: {', '.join(allowed)}"
        raise InputError(message)
    if loss == "binary_cross_entropy" and description.task == "classification" and len(description.class_names) != 2:
        message = (
            f"model.loss = 'binary_cross_entropy' is for two classes, and {description.name!r} has "
            f"{len(description.class_names)}; use cross_entropy"
        )
        raise InputError(message)


def draw_parameters(architecture: Architecture, model: ModelSection, seed: int, dtype: str) -> Array:
    """Return the parameters to start from: drawn from the seed, or read from `model.weights`.

    Returns
    -------
    ndarray of shape (n_parameters,), of the given dtype
        Drawn in float64 and then rounded, so that both dtypes start from the same numbers.
    """
    if model.weights is not None:
        return load_weights(Path(model.weights), architecture).astype(dtype)
    weights, biases = ((choice.name, choice.options) for choice in (model.initializer, model.bias_initializer))
    return initializers.draw_parameters(architecture, seed, weights=weights, biases=biases).astype(dtype)


def load_weights(path: Path, architecture: Architecture) -> Array:
    """Return the parameters in a weights file."""
    parameters, record = load_layers(path)
    found = (tuple(record["architecture"]["layer_sizes"]), record["architecture"]["bias"])
    if found != (architecture.layer_sizes, architecture.bias):
        message = (
            f"model.weights = {str(path)!r} holds layers of {list(found[0])} units, bias {found[1]}; "
            f"this network has {list(architecture.layer_sizes)}, bias {architecture.bias}"
        )
        raise InputError(message)
    return parameters


def check_monitor(loss: str, training: TrainingSection) -> None:
    """Refuse a monitor that a training with this loss does not record."""
    recorded = recorded_metrics(loss)
    if training.patience is not None and training.monitor not in recorded:
        message = (
            f"training.monitor={training.monitor} is not recorded with the loss {loss}; allowed: {', '.join(recorded)}"
        )
        raise InputError(message)


def build_recipe(seed: int, model: ModelSection, optimizer: OptimizerSection, training: TrainingSection) -> Recipe:
    """Return the recipe in a configuration."""
    return Recipe(
        seed=seed,
        optimizer=optimizer.name,
        learning_rate=optimizer.learning_rate,
        optimizer_options=optimizer.options,
        schedule=optimizer.schedule.name,
        schedule_options=optimizer.schedule.options,
        l1=model.l1,
        l2=model.l2,
        dropout=model.dropout,
        clip_norm=float("inf") if optimizer.clip_norm is None else optimizer.clip_norm,
        patience=training.patience,
        monitor=training.monitor,
        minimum_improvement=training.minimum_improvement,
    )


def build_examples(part: Part, preparation: Preparation, architecture: Architecture, dtype: str) -> Examples:
    """Return rows of data as the network takes them."""
    targets = preparation.targets(part.targets, dtype)
    if architecture.loss == "binary_cross_entropy" and targets.ndim == 1:
        targets = targets[:, np.newaxis].astype(dtype)
    return Examples(preparation.inputs(part.features, dtype), targets, part.weights)


def weigh_samples(train: Part, description: Description, training: TrainingSection) -> Array | None:
    """Return the weights of the train part's samples, with a mean of 1; None if all are equal."""
    weights = train.weights
    if training.class_weights is not None:
        of_classes = _class_weights(train, description, training)[train.targets]
        weights = of_classes if weights is None else weights * of_classes
    if weights is None:
        return None
    if not weights.any():
        message = "dataset.sample_weights: every row of the train part has the weight 0; one must be above 0"
        raise InputError(message)
    return np.asarray(weights / (math.fsum(weights.tolist()) / len(weights)))


def _class_weights(train: Part, description: Description, training: TrainingSection) -> Array:
    """Return a weight for each class; `balanced` is n / (n_classes * n_c) (King and Zeng, 2001)."""
    n_classes = len(description.class_names)
    if description.task != "classification":
        message = (
            f"training.class_weights is only for classifications, and {description.name!r} is a {description.task}"
        )
        raise InputError(message)
    if training.class_weights == "balanced":
        counts = count_classes(train.targets, n_classes)
        return np.asarray(len(train) / (n_classes * np.maximum(counts, 1)))
    weights = np.array(training.class_weights)
    if len(weights) != n_classes:
        message = f"training.class_weights has {len(weights)} numbers; allowed: one for each of {n_classes} classes"
        raise InputError(message)
    return weights

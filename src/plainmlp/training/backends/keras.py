"""Keras: dense layers, Keras's losses, regularisers and optimisers, on TensorFlow."""

import os
from typing import Any

import numpy as np

from plainmlp.nn.descent import Start
from plainmlp.nn.recipe import Recipe
from plainmlp.training.backends.table import Array, Step, join_layers, paper_epsilon, split_layers
from plainmlp.training.backends.tensorflow import gelu, leaky_relu, set_threads

ACTIVATIONS: dict[str, Any] = {"identity": "linear", "leaky_relu": leaky_relu, "gelu": gelu}  # others have our names


class KerasNetwork:
    """A network of Keras."""

    def __init__(self, start: Start) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # read by Keras when it is imported
        set_threads(start.threads)
        import keras

        keras.config.set_floatx(start.parameters.dtype.name)  # of learning rates and settings, which else are float32
        self._recipe, self._steps = start.recipe, 0
        self._model = _model(start)
        self._cost = _cost(start.architecture.loss)
        self._optimizer = _optimizer(start.recipe)
        _keep_precision(self._optimizer, start.parameters.dtype)
        self._optimizer.build(self._model.trainable_variables)
        if start.recipe.optimizer == "adamw":
            self._optimizer.exclude_from_weight_decay(
                var_list=[layer.bias for layer in self._model.layers if layer.use_bias]
            )

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update."""
        import tensorflow as tf

        self._steps += 1
        with tf.GradientTape() as tape:
            sums = self._model(inputs, training=True)
            loss = self._cost(targets, sums, weights) + sum(self._model.losses)
        gradients = tape.gradient(loss, self._model.trainable_variables)
        self._optimizer.learning_rate = learning_rate
        if "epsilon" in self._recipe.optimizer_options:
            self._optimizer.epsilon = paper_epsilon(self._recipe, self._steps)
        step = Step(float(loss), sums.numpy(), self._join(gradients))
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return step

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return self._join(self._model.trainable_variables)

    def _join(self, values: list[Any]) -> Array:
        """Return values of all variables, kernels of shape (n_in, n_out) and biases, in our order."""
        arrays = [np.asarray(value) for value in values]
        return join_layers([a.T for a in arrays if a.ndim == 2], [a for a in arrays if a.ndim == 1])


def _keep_precision(holder: Any, dtype: np.dtype[Any]) -> None:
    """Turn the settings of a regulariser or an optimiser into scalars of a dtype; TensorFlow casts floats to float32."""
    for name in ("l1", "l2", "momentum", "beta_1", "beta_2", "weight_decay"):
        value = getattr(holder, name, None)
        if value is not None:
            setattr(holder, name, dtype.type(value))


def _model(start: Start) -> Any:
    """Return dense layers with our weights; the last one is linear, since its link belongs to the loss."""
    import keras

    architecture, recipe = start.architecture, start.recipe
    regularizer = keras.regularizers.L1L2(recipe.l1, recipe.l2 / 2)
    _keep_precision(regularizer, start.parameters.dtype)
    names = [*architecture.activations, "identity"]
    layers = [
        keras.layers.Dense(
            size,
            activation=ACTIVATIONS.get(name, name),
            use_bias=architecture.bias,
            kernel_regularizer=regularizer,
            dtype=start.parameters.dtype.name,
        )
        for size, name in zip(architecture.layer_sizes[1:], names, strict=True)
    ]
    inputs = keras.Input((architecture.layer_sizes[0],), dtype=start.parameters.dtype.name)
    model = keras.Sequential([inputs, *layers])
    weights, biases = split_layers(start.parameters, architecture)
    for number, layer in enumerate(layers):
        layer.set_weights([weights[number].T, *([biases[number]] if biases else [])])
    return model


def _cost(loss: str) -> Any:
    """Return the function (targets, sums, weights) that gives the mean cost of a batch."""
    import keras

    if loss == "cross_entropy":
        entry, scale = keras.losses.categorical_crossentropy, None
    elif loss == "binary_cross_entropy":
        entry, scale = keras.losses.binary_crossentropy, 1.0
    else:
        entry, scale = keras.losses.mean_squared_error, 0.5

    def cost(targets: Array, sums: Any, weights: Array | None) -> Any:
        options = {} if loss == "squared_error" else {"from_logits": True}
        costs = entry(targets, sums, **options)
        if scale is not None:  # Keras takes the mean over the outputs, and we their sum
            costs *= scale * targets.shape[1]
        return keras.ops.mean(costs if weights is None else costs * weights)

    return cost


def _optimizer(recipe: Recipe) -> Any:
    from keras import optimizers

    options, rate = recipe.optimizer_options, recipe.learning_rate
    if recipe.optimizer in {"sgd", "momentum", "nesterov"}:
        nesterov = recipe.optimizer == "nesterov"
        return optimizers.SGD(rate, momentum=options.get("momentum", 0.0), nesterov=nesterov)
    adam = {"beta_1": options["beta1"], "beta_2": options["beta2"], "epsilon": options["epsilon"]}
    if recipe.optimizer == "adam":
        return optimizers.Adam(rate, **adam)
    return optimizers.AdamW(rate, weight_decay=options["weight_decay"], **adam)


NETWORK = KerasNetwork

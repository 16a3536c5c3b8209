"""TensorFlow without Keras: a recorded gradient, and the update operations of its kernels."""

from collections.abc import Callable
from typing import Any

from plainmlp.nn.activations import GELU_CUBIC, GELU_RATE, LEAK
from plainmlp.nn.descent import Start
from plainmlp.system.errors import InputError
from plainmlp.training.backends.table import Array, Step, join_layers, paper_epsilon, split_layers


class TensorflowNetwork:
    """A network of TensorFlow."""

    def __init__(self, start: Start) -> None:
        import tensorflow as tf

        set_threads(start.threads)
        self._recipe, self._steps = start.recipe, 0
        weights, biases = split_layers(start.parameters, start.architecture)
        self._weights = [tf.Variable(weight.T) for weight in weights]
        self._biases = [tf.Variable(bias) for bias in biases]
        self._variables = [*self._weights, *self._biases]
        n_slots = {"sgd": 0, "adam": 2}.get(start.recipe.optimizer, 1)
        self._slots = [[tf.Variable(tf.zeros_like(v)) for _ in range(n_slots)] for v in self._variables]
        activations = _activations()
        self._activations = [activations[name] for name in start.architecture.activations]
        self._costs = _costs()[start.architecture.loss]

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update."""
        import tensorflow as tf

        self._steps += 1
        with tf.GradientTape() as tape:
            sums = self._forward(tf.constant(inputs))
            costs = self._costs(sums, tf.constant(targets))
            loss = tf.reduce_mean(costs if weights is None else costs * weights) + self._penalty()
        gradients = tape.gradient(loss, self._variables)
        step = Step(float(loss), sums.numpy(), self._join(gradients))
        for variable, slots, gradient in zip(self._variables, self._slots, gradients, strict=True):
            handles = [each.handle for each in (variable, *slots)]
            self._apply(handles, gradient, inputs.dtype.type(learning_rate))
        return step

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return self._join(self._variables)

    def _forward(self, values: Any) -> Any:
        import tensorflow as tf

        biases = self._biases or [None] * len(self._weights)
        for weight, bias, activation in zip(self._weights, biases, [*self._activations, None], strict=True):
            values = tf.matmul(values, weight)
            values = values if bias is None else values + bias
            values = values if activation is None else activation(values)
        return values

    def _penalty(self) -> Any:
        """Return l1 * sum |w| + l2 / 2 * sum w^2; nothing is computed for a rate of zero."""
        import tensorflow as tf

        l1, l2 = self._recipe.l1, self._recipe.l2
        absolute = l1 * sum(tf.reduce_sum(tf.abs(weight)) for weight in self._weights) if l1 else 0.0
        return absolute + (l2 * sum(tf.nn.l2_loss(weight) for weight in self._weights) if l2 else 0.0)

    def _join(self, values: list[Any]) -> Array:
        """Return values of all variables in our order."""
        arrays = [value.numpy() for value in values]
        count = len(self._weights)
        return join_layers([array.T for array in arrays[:count]], arrays[count:])

    def _apply(self, handles: list[Any], gradient: Any, learning_rate: Any) -> None:
        from tensorflow import raw_ops

        options, kind = self._recipe.optimizer_options, type(learning_rate)
        if self._recipe.optimizer == "sgd":
            raw_ops.ResourceApplyGradientDescent(var=handles[0], alpha=learning_rate, delta=gradient)
        elif self._recipe.optimizer == "adam":
            beta1, beta2 = options["beta1"], options["beta2"]
            raw_ops.ResourceApplyAdam(
                **dict(zip(("var", "m", "v"), handles, strict=True)),
                beta1_power=kind(beta1**self._steps),
                beta2_power=kind(beta2**self._steps),
                lr=learning_rate,
                beta1=kind(beta1),
                beta2=kind(beta2),
                epsilon=kind(paper_epsilon(self._recipe, self._steps)),
                grad=gradient,
            )
        else:
            raw_ops.ResourceApplyMomentum(
                **dict(zip(("var", "accum"), handles, strict=True)),
                lr=learning_rate,
                grad=gradient,
                momentum=kind(options["momentum"]),
                use_nesterov=self._recipe.optimizer == "nesterov",
            )


def set_threads(threads: int) -> None:
    """Let TensorFlow use a number of threads within an operation."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        message = f"training.threads={threads} is not possible: TensorFlow runs with another number already"
        raise InputError(message) from error


def leaky_relu(z: Any) -> Any:
    """Return max(z, 0.01 z); TensorFlow's own rounds the slope to float32."""
    import tensorflow as tf

    return tf.maximum(z, LEAK * z)


def gelu(z: Any) -> Any:
    """Return z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2; TensorFlow's own rounds the numbers to float32."""
    import tensorflow as tf

    return z * (1 + tf.tanh(GELU_RATE * (z + GELU_CUBIC * z**3))) / 2


def _activations() -> dict[str, Callable[[Any], Any]]:
    import tensorflow as tf

    return {
        "identity": tf.identity,
        "relu": tf.nn.relu,
        "leaky_relu": leaky_relu,
        "elu": tf.nn.elu,
        "selu": tf.nn.selu,
        "sigmoid": tf.sigmoid,
        "tanh": tf.tanh,
        "softplus": tf.nn.softplus,
        "silu": tf.nn.silu,
        "gelu": gelu,
    }


def _costs() -> dict[str, Callable[[Any, Any], Any]]:
    """Return for each loss the function (sums, targets) that gives the cost of each sample."""
    import tensorflow as tf

    def binary(z: Any, t: Any) -> Any:
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(t, z), axis=1)

    return {
        "cross_entropy": lambda z, t: tf.nn.softmax_cross_entropy_with_logits(t, z),
        "binary_cross_entropy": binary,
        "squared_error": lambda z, t: tf.reduce_sum(tf.math.squared_difference(z, t), axis=1) / 2,
    }


NETWORK = TensorflowNetwork

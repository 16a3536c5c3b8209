"""scikit-learn's multilayer perceptron, an update at a time."""

from collections.abc import Callable
from importlib.metadata import version
from inspect import signature
from typing import Any

import numpy as np

from plainmlp.nn.descent import Start
from plainmlp.nn.recipe import Recipe
from plainmlp.system.errors import InputError
from plainmlp.training.backends.table import Array, Step, join_layers, paper_epsilon, split_layers

ACTIVATIONS = {"identity": "identity", "relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}
# private functions of scikit-learn, and their parameters
BACKPROP = ("X", "y", "sample_weight", "activations", "deltas", "coef_grads", "intercept_grads")
FORWARD_PASS = ("X", "check_input")
OUTPUTS = {"cross_entropy": "softmax", "binary_cross_entropy": "logistic", "squared_error": "identity"}


class SklearnNetwork:
    """A network whose passes and updates are scikit-learn's own.

    Notes
    -----
    `fit` draws its own weights and does not return its gradients, so the parts of the estimator are called: its forward
    pass, its back-propagation and its optimiser.
    """

    def __init__(self, start: Start) -> None:
        self._start, self._steps = start, 0
        weights, self._biases = split_layers(start.parameters, start.architecture)
        self._weights = [np.ascontiguousarray(weight.T) for weight in weights]
        self._estimator = _estimator(start, self._weights, self._biases)
        self._optimizer = _optimizer(start.recipe, [*self._weights, *self._biases])

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update; `weights` must be None, since scikit-learn divides by their sum."""
        estimator = self._estimator
        estimator.alpha = self._start.recipe.l2 * len(inputs)  # scikit-learn divides it by the size of the batch
        layers = [inputs, *([None] * len(self._weights))]
        empty: list[list[Any]] = [[None] * len(self._weights) for _ in range(3)]
        loss, of_weights, of_biases = estimator._backprop(inputs, targets, None, layers, *empty)
        step = Step(self._cost(float(loss)), self._sums(inputs), _flat(of_weights, of_biases))
        self._update([*of_weights, *of_biases], learning_rate)
        return step

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return _flat(self._weights, self._biases)

    def _cost(self, loss: float) -> float:
        """Return the cost whose gradient scikit-learn computes: it reports the mean over the outputs of a regression."""
        if self._start.architecture.loss != "squared_error":
            return loss
        penalty = self._start.recipe.l2 / 2 * sum(float(np.vdot(weight, weight)) for weight in self._weights)
        return (loss - penalty) * self._start.architecture.layer_sizes[-1] + penalty

    def _sums(self, inputs: Array) -> Array:
        """Return the last layer's sums: the forward pass without the link."""
        self._estimator.out_activation_ = "identity"
        sums: Array = self._estimator._forward_pass_fast(inputs, check_input=False)
        self._estimator.out_activation_ = OUTPUTS[self._start.architecture.loss]
        return sums

    def _update(self, gradients: list[Array], learning_rate: float) -> None:
        self._steps += 1
        self._optimizer.learning_rate = self._optimizer.learning_rate_init = learning_rate
        if self._start.recipe.optimizer == "adam":
            self._optimizer.epsilon = paper_epsilon(self._start.recipe, self._steps)
        self._optimizer.update_params([*self._weights, *self._biases], gradients)


def _estimator(start: Start, weights: list[Array], biases: list[Array]) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    architecture = start.architecture
    kind = MLPRegressor if architecture.loss == "squared_error" else MLPClassifier
    activation = ACTIVATIONS[architecture.activations[0]] if architecture.activations else "identity"
    estimator = kind(hidden_layer_sizes=architecture.layer_sizes[1:-1], activation=activation)
    estimator.coefs_, estimator.intercepts_ = weights, biases
    estimator.n_layers_ = len(architecture.layer_sizes)
    estimator.out_activation_ = OUTPUTS[architecture.loss]
    _check(getattr(estimator, "_backprop", None), BACKPROP)
    _check(getattr(estimator, "_forward_pass_fast", None), FORWARD_PASS)
    return estimator


def _check(function: Callable[..., Any] | None, parameters: tuple[str, ...]) -> None:
    """Refuse a version of scikit-learn whose private function has changed or is gone."""
    if function is None or tuple(signature(function).parameters) != parameters:
        raise InputError(_refusal())


def _refusal() -> str:
    return (
        f"backend=sklearn does not work with scikit-learn {version('scikit-learn')}, whose private functions "
        "differ from those that it calls; install the version in requirements.lock, or choose another backend"
    )


def _optimizer(recipe: Recipe, parameters: list[Array]) -> Any:
    try:
        from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
    except ImportError as error:
        raise InputError(_refusal()) from error
    options = recipe.optimizer_options
    if recipe.optimizer == "adam":
        return AdamOptimizer(parameters, recipe.learning_rate, options["beta1"], options["beta2"], options["epsilon"])
    momentum = options.get("momentum", 0.0)
    return SGDOptimizer(parameters, recipe.learning_rate, momentum=momentum, nesterov=recipe.optimizer == "nesterov")


def _flat(weights: list[Array], biases: list[Array]) -> Array:
    """Return layers that scikit-learn keeps as (n_in, n_out) as one array in our order."""
    return join_layers([weight.T for weight in weights], biases)


NETWORK = SklearnNetwork

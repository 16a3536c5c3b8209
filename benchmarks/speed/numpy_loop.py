"""A plain NumPy loop: the textbook's method as it is published, a row a sample, a new array for every result."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from speed.problem import Array, Epoch, Problem, Run, Runner, run_epochs


def _relu(z: Array) -> Array:
    output: Array = np.maximum(z, 0)
    return output


def _relu_slope(output: Array) -> Array:
    slope: Array = output > 0
    return slope


def _sigmoid(z: Array) -> Array:
    output: Array = 1 / (1 + np.exp(-z))
    return output


def _sigmoid_slope(output: Array) -> Array:
    slope: Array = output * (1 - output)
    return slope


def _softmax(z: Array) -> Array:
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (_relu, _relu_slope),
    "sigmoid": (_sigmoid, _sigmoid_slope),
}


class Network:
    """A classifier with softmax and cross-entropy, trained by plain gradient descent.

    Parameters
    ----------
    weights : list of ndarray of shape (n_in, n_out)
    biases : list of ndarray of shape (n_out,)
    activation : str
    """

    def __init__(self, weights: list[Array], biases: list[Array], activation: str) -> None:
        self.weights, self.biases = weights, biases
        self.activate, self.slope = ACTIVATIONS[activation]

    def forward(self, inputs: Array) -> list[Array]:
        """Return what each layer hands on, the inputs first and the probabilities last."""
        outputs = [inputs]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            outputs.append(self.activate(outputs[-1] @ weight + bias))
        return [*outputs, _softmax(outputs[-1] @ self.weights[-1] + self.biases[-1])]

    def step(self, inputs: Array, targets: Array, learning_rate: float) -> float:
        """Make one update and return the loss before it."""
        outputs = self.forward(inputs)
        loss = cross_entropy(outputs[-1], targets)
        delta = (outputs[-1] - targets) / len(inputs)
        for layer in reversed(range(len(self.weights))):
            weight_gradient, bias_gradient = outputs[layer].T @ delta, delta.sum(axis=0)
            if layer > 0:
                delta = (delta @ self.weights[layer].T) * self.slope(outputs[layer])
            self.weights[layer] -= learning_rate * weight_gradient
            self.biases[layer] -= learning_rate * bias_gradient
        return loss


def cross_entropy(probabilities: Array, targets: Array) -> float:
    """Return the mean of -log p of the true class, both arrays being of shape (n_samples, n_classes)."""
    return float(-np.sum(targets * np.log(probabilities + np.float32(1e-30))) / len(targets))


def numpy_loop(problem: Problem) -> Runner:
    """Return a runner of the plain loop."""

    def run(n_epochs: int) -> Run:
        return run_epochs(_epochs(problem), n_epochs)

    return run


def _epochs(problem: Problem) -> Iterator[Epoch]:
    weights, biases = problem.layers()
    activation = problem.config.model.activation
    network = Network([np.ascontiguousarray(weight.T) for weight in weights], biases, str(activation))
    generator = np.random.default_rng(problem.config.seed)
    inputs, validation_inputs = problem.train.inputs, problem.validation.inputs
    targets = problem.targets_by_unit(problem.train.targets)
    validation_targets = problem.targets_by_unit(problem.validation.targets)
    while True:
        batches: list[Any] = problem.slices
        if problem.shuffles:
            order = generator.permutation(len(inputs))
            batches = [order[rows] for rows in batches]
        losses = [network.step(inputs[rows], targets[rows], problem.learning_rate) for rows in batches]
        probabilities = network.forward(validation_inputs)[-1]
        accuracy = np.mean(probabilities.argmax(axis=1) == validation_targets.argmax(axis=1))
        yield Epoch(float(np.mean(losses)), cross_entropy(probabilities, validation_targets), float(accuracy))

"""A network as an object: built, trained an epoch at a time and inspected, with nothing but NumPy arrays."""

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from plainmlp.estimators.parameters import check_architecture, check_choice, check_name, check_recipe
from plainmlp.nn.architecture import Architecture, Layers, view_layers
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import BLOCK_NUMBERS, Examples
from plainmlp.nn.descent import Start
from plainmlp.nn.forms import start_descent
from plainmlp.nn.initializers import INITIALIZERS, draw_parameters
from plainmlp.nn.losses import LOSSES, recorded_metrics
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import Epoch, Training


class MLP:
    """A multilayer perceptron and the state of its training.

    Parameters
    ----------
    architecture : Architecture
    recipe : Recipe, optional
        How it is trained, and the seed of its initial weights.
    initializer : str, default "auto"
        A name in INITIALIZERS; `auto` takes what suits the activation of each layer. Biases start at 0.
    initializer_options : mapping of str to float, optional
    dtype : {"float32", "float64"}, default "float32"
    parameters : ndarray of shape (n_parameters,), optional
        To start from, instead of drawn ones.

    Attributes
    ----------
    state : Snapshot
        All that the training continues from; its digest says whether two trainings are the same to the bit. Its arrays
        change while a training runs: `copy.deepcopy` keeps a network as it is.

    Raises
    ------
    ValueError
        A name is not in its table, a number is out of its range, or the parameters do not fit the architecture.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe | None = None,
        *,
        initializer: str = "auto",
        initializer_options: Mapping[str, float] | None = None,
        dtype: str = "float32",
        parameters: Array | None = None,
    ) -> None:
        recipe = Recipe() if recipe is None else recipe
        check_name("dtype", dtype, ("float32", "float64"))
        check_choice("initializer", initializer, {"auto": None, **INITIALIZERS}, initializer_options or {})
        check_architecture(architecture)
        check_recipe(recipe)
        self.architecture, self.recipe = architecture, recipe
        if parameters is None:
            parameters = draw_parameters(architecture, recipe.seed, weights=(initializer, initializer_options or {}))
        if parameters.shape != (architecture.n_parameters,):
            message = f"{parameters.shape} parameters do not fit {architecture}, which has {architecture.n_parameters}"
            raise ValueError(message)
        self.state = Snapshot.initial(parameters.astype(dtype), recipe)

    @property
    def parameters(self) -> Array:
        """Return the parameters (n_parameters,): with the recipe's patience the best so far, else the last."""
        best = None if self.recipe.patience is None else self.state.best.parameters
        return self.state.parameters if best is None else best

    @property
    def layers(self) -> Layers:
        """Return views of each layer's weights (n_in, n_out) and biases (n_out,)."""
        return view_layers(self.parameters, self.architecture)

    @property
    def weights_digest(self) -> str:
        """Return the SHA-256 of the parameters' bytes in order, as 64 hexadecimal digits."""
        return hashlib.sha256(self.parameters.tobytes()).hexdigest()

    def train(
        self,
        train: Examples,
        validation: Examples | None = None,
        *,
        epochs: int,
        batch_size: int = 32,
        shuffle: bool = True,
    ) -> Generator[Epoch, None, None]:
        """Train, and yield each epoch when it is done.

        After leaving the loop early you can train on later, also with other examples.

        Parameters
        ----------
        train, validation : Examples
        epochs : int
            In all, including those already done.
        batch_size : int, default 32
            If it is not below the number of samples, all of them at once, in their order.
        shuffle : bool, default True
            Whether each epoch takes the samples in a new random order.

        Raises
        ------
        ValueError
            Examples do not fit the network, or the recipe's patience has nothing to watch.
        """
        if self.recipe.patience is not None:
            recorded = recorded_metrics(self.architecture.loss, has_validation=validation is not None)
            check_name("monitor", self.recipe.monitor, recorded)
        state = self.state
        descent = start_descent("auto", Start(self.architecture, self.recipe, state.parameters, state.slots))
        training = Training(
            descent,
            self.architecture,
            self.recipe,
            self._fitting(train),
            None if validation is None else self._fitting(validation),
            state,
            epochs=epochs,
            max_steps=None,
            batch_size=batch_size,
            shuffle=shuffle,
        )
        try:
            for epoch in training.run():
                self.state = epoch.snapshot
                yield epoch
        finally:  # what the training lent holds much more memory than the state
            slots = tuple(slot.copy() for slot in self.state.slots)
            losses = tuple(self.state.losses)
            self.state = self.state._replace(parameters=self.state.parameters.copy(), slots=slots, losses=losses)

    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in): probabilities, or values."""
        return self._pass_forward(inputs, self.architecture)

    def logits(self, inputs: Array) -> Array:
        """Return the sums (n_samples, n_out) that the link turns into outputs."""
        return self._pass_forward(inputs, replace(self.architecture, loss="squared_error", loss_options=()))

    def _fitting(self, examples: Examples) -> Examples:
        """Return examples with inputs of the network's dtype, or refuse them."""
        n_samples, n_out = len(examples.inputs), self.architecture.layer_sizes[-1]
        shape = (n_samples, n_out) if LOSSES[self.architecture.loss].pointwise else (n_samples,)
        if examples.targets.shape != shape:
            message = f"targets of the shape {examples.targets.shape} do not fit; allowed: {shape}"
            raise ValueError(message)
        return examples._replace(inputs=self._converted(examples.inputs))

    def _converted(self, inputs: Any) -> Any:
        """Return inputs of the network's dtype, or refuse them."""
        n_in = self.architecture.layer_sizes[0]
        if len(inputs.shape) != 2 or inputs.shape[1] != n_in:
            message = f"inputs of the shape {inputs.shape} do not fit; allowed: (n_samples, {n_in})"
            raise ValueError(message)
        if isinstance(inputs, np.ndarray):
            return np.ascontiguousarray(inputs, self.parameters.dtype)
        if inputs.dtype != self.parameters.dtype:
            message = f"inputs of the dtype {inputs.dtype} do not fit; allowed: {self.parameters.dtype}"
            raise ValueError(message)
        return inputs

    def _pass_forward(self, inputs: Any, architecture: Architecture) -> Array:
        descent = start_descent("auto", Start(architecture, Recipe(optimizer="sgd"), self.parameters))
        inputs = self._converted(inputs)
        rows = len(inputs) if isinstance(inputs, np.ndarray) else max(1, BLOCK_NUMBERS // inputs.shape[1])
        with np.errstate(all="ignore"):
            return np.concatenate([descent.outputs(inputs[i : i + rows]) for i in range(0, len(inputs), rows)])

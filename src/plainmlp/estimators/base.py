"""What both estimators do: they read rows, train a network on the core, and keep its curves."""

import copy
import sys
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import KW_ONLY, dataclass, replace
from inspect import signature
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.callback import CallbackContext, CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from plainmlp.estimators.network import MLP
from plainmlp.estimators.parameters import (
    SEED,
    activations,
    batch_rows,
    build_recipe,
    check_number,
    check_parameters,
    choice,
    hidden_sizes,
)
from plainmlp.estimators.rows import Rows, read_weights, readable
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import Examples
from plainmlp.nn.early_stopping import EarlyStopping, kept_epoch
from plainmlp.nn.training import Epoch

Choice = str | Mapping[str, Any]


def keep_signature(estimator: type[Any]) -> type[Any]:
    """Keep what a constructor's parameters are: scikit-learn asks Python for them in each `get_params`."""
    estimator.__init__.__signature__ = signature(estimator.__init__)
    return estimator


@dataclass(eq=False, repr=False)  # which writes the constructor that scikit-learn reads the parameters from
class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """What `MLPClassifier` and `MLPRegressor` share.

    A choice is a name, or a mapping of that name and its options such as ``{"name": "momentum", "momentum": 0.95}``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; none make a linear model.
    activation : str or sequence of str, default "relu"
        A name in ACTIVATIONS, for all hidden layers or one for each.
    solver : choice, default "adam"
        From OPTIMIZERS; "sgd" has no momentum.
    alpha : float, default 0.0001
        Adds alpha / 2 * sum w^2 over the weights to the sum of a batch's costs, as in scikit-learn.
    batch_size : int or "auto", default "auto"
        Rows in a step; "auto" takes 200, or all if there are fewer.
    learning_rate_init : float, default 0.001
    max_iter : int, default 200
        Iterations over all rows at most.
    shuffle : bool, default True
        Whether each iteration takes the rows in a new order; a single batch keeps theirs.
    random_state : int, None or RandomState, default 0
        A number, also the default, gives the same bits each time; else a seed is drawn.
    tol : float, default 0.0001
        By how much `monitor` must be better to count.
    verbose : bool, default False
        Whether to write the losses of each iteration.
    warm_start : bool, default False
        Whether `fit` begins with the parameters of the last fit.
    early_stopping : bool, default False
        Whether to watch a validation part, and to keep the parameters that were best on it instead of the last ones.
    validation_fraction : float, default 0.1
        Share of the rows that early stopping sets aside if `fit` gets no X_val and y_val.
    n_iter_no_change : int or infinity, default 10
        Iterations without a better `monitor` after which to stop.
    monitor : str, default "auto"
        A name in `history_`; "auto" is train_loss, with early stopping validation_loss.
    loss : choice, default "auto"
        From those in LOSSES that suit the targets.
    initializer : choice, default "auto"
        Of the weights, from INITIALIZERS; "auto" takes what suits each activation.
    schedule : choice, default "constant"
        Of the learning rate, from SCHEDULES.
    dropout : float, default 0
        Share of the hidden units that a step leaves out.
    l1 : float, default 0
        Adds l1 * sum |w| over the weights to the mean cost of a batch.
    clip_norm : float, optional
        A longer gradient is shortened to this norm.
    dtype : {"auto", "float32", "float64"}, default "auto"
        Of the network; "auto" is float32 for inputs of that dtype, else float64.

    Attributes
    ----------
    network_ : MLP
        The network itself; `coefs_`, `intercepts_`, `n_outputs_` and `weights_digest_` are read from it.
    history_ : dict of str to list of float
        What each iteration measured, see `plainmlp.nn.training.Epoch`; with a warm start, earlier fits included.
        `loss_curve_` and `validation_curve_` are the losses in it, `loss_` is the last train loss.
    n_iter_ : int
        Iterations of the last fit, or of all calls of `partial_fit`.
    best_iteration_ : int
        The iteration, counted from 1, whose parameters are kept.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    solver: Choice = "adam"
    alpha: float = 0.0001
    batch_size: int | Literal["auto"] = "auto"
    learning_rate_init: float = 0.001
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = 0
    tol: float = 1e-4
    verbose: bool | int = False
    warm_start: bool = False
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: float = 10
    monitor: str = "auto"
    loss: Choice = "auto"
    initializer: Choice = "auto"
    schedule: Choice = "constant"
    dropout: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None
    dtype: str = "auto"

    @property
    def coefs_(self) -> list[Array]:
        """Return the weights of each layer, (n_in, n_out), as views."""
        return self.network_.layers.weights

    @property
    def intercepts_(self) -> list[Array]:
        """Return the biases of each layer, (n_out,), as views."""
        return self.network_.layers.biases

    @property
    def loss_curve_(self) -> list[float]:
        """Return the train loss of each iteration, penalties included."""
        return self.history_["train_loss"]

    @property
    def validation_curve_(self) -> list[float]:
        """Return the validation loss after each iteration, without penalties."""
        if "validation_loss" not in self.history_:
            message = "validation_curve_ exists only after a fit with X_val and y_val, or with early_stopping=True"
            raise AttributeError(message)
        return self.history_["validation_loss"]

    @property
    def weights_digest_(self) -> str:
        """Return the SHA-256 of all weights and biases, as 64 hexadecimal digits: equal if every bit is."""
        return self.network_.weights_digest

    @property
    def n_outputs_(self) -> int:
        """Return how many outputs the network has."""
        return self.network_.architecture.layer_sizes[-1]

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts, at least 0; only their proportions matter.
        X_val, y_val : optional
            Rows to validate with after each iteration; with `early_stopping` they stand in for those set aside.

        Raises
        ------
        ValueError
            A parameter or an array is not allowed, or the loss is no longer finite.
        """
        continues = self.warm_start and hasattr(self, "network_")
        dtype, seed, held_out = self._checked_dtype(reset=not continues), self._checked_seed(), None
        rows = self._read(X, y, sample_weight, dtype=dtype, reset=not continues)
        if (X_val is None) != (y_val is None):
            message = "X_val and y_val belong together: one of them is missing"
            raise ValueError(message)
        if X_val is not None:
            held_out = self._read(X_val, y_val, None, dtype=rows.inputs.dtype, reset=False)
        elif self.early_stopping:
            rows, held_out = rows.set_aside(self.validation_fraction, seed)
        train, batch_size, l2 = self._examples(rows)
        validation = None if held_out is None else self._convert(held_out).examples()[0]
        parameters = self.network_.parameters if continues else None
        self.network_: MLP = self._network(train, seed, l2, parameters, has_validation=validation is not None)
        if not continues:
            self.history_: dict[str, list[float]] = {}
        context = self._init_callback_context(max_subtasks=self.max_iter)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        given = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**given)
        with closing(self._epochs(train, validation, self.max_iter, batch_size)) as epochs:
            self.n_iter_ = self._iterate(epochs, context, given)
        context.call_on_fit_task_end(**given, reconstruction_attributes=self._copied_network)
        latest = {name: values[-self.n_iter_ :] for name, values in self.history_.items()}
        self.best_iteration_ = kept_epoch(self.network_.recipe, latest) + 1
        return self

    def _epochs(
        self, train: Examples, validation: Examples | None, until: int, batch_size: int
    ) -> Generator[Epoch, None, None]:
        return self.network_.train(train, validation, epochs=until, batch_size=batch_size, shuffle=bool(self.shuffle))

    def _iterate(self, epochs: Iterator[Epoch], context: CallbackContext, given: Mapping[str, Any]) -> int:
        """Train until training stops, and return the number of iterations."""
        recipe = self.network_.recipe
        plateau = EarlyStopping(replace(recipe, patience=int(min(self.n_iter_no_change, self.max_iter))))
        for number in range(1, self.max_iter + 1):
            task = context.subcontext(task_name="iteration")
            task.call_on_fit_task_begin(**given)
            epoch = next(epochs)
            self._record(epoch)
            if task.call_on_fit_task_end(**given, reconstruction_attributes=self._copied_network):
                return number
            if plateau.stops(epoch.metrics, np.empty(0)):
                return number
        if np.isfinite(self.n_iter_no_change):
            message = f"max_iter={self.max_iter} was reached while {recipe.monitor} was still improving"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        return number

    def _record(self, epoch: Epoch) -> None:
        """Keep the metrics of an epoch, and print them if `verbose` is set."""
        if epoch.diverged is not None:
            message = (
                f"the loss is not finite in iteration {epoch.number + 1} with learning_rate_init="
                f"{self.learning_rate_init}; scale X, or try a smaller learning_rate_init, or clip_norm"
            )
            raise ValueError(message)
        for name, value in epoch.metrics.items():
            self.history_.setdefault(name, []).append(value)
        self.loss_ = epoch.metrics["train_loss"]
        if self.verbose:
            losses = (f"{name} = {value:.8f}" for name, value in epoch.metrics.items() if name.endswith("loss"))
            sys.stdout.write(f"iteration {epoch.number + 1}: {', '.join(losses)}\n")

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        is_first = not hasattr(self, "network_")
        if self.early_stopping:
            message = "early_stopping=True is not allowed with partial_fit, whose iterations cannot be undone"
            raise ValueError(message)
        dtype, seed = self._checked_dtype(reset=is_first), self._checked_seed()
        rows = self._read(X, y, sample_weight, dtype=dtype, reset=is_first, classes=classes)
        train, batch_size, l2 = self._examples(rows)
        if is_first:
            self.network_, self.history_ = self._network(train, seed, l2, None, has_validation=False), {}
        network = self.network_
        network.state = network.state._replace(parameters=network.parameters)  # the best ones, after early stopping
        network.recipe = replace(network.recipe, l2=l2, patience=None)
        n_done = network.state.epochs
        with closing(self._epochs(train, None, max(self.max_iter, n_done + 1), batch_size)) as epochs:
            self._record(next(epochs))
        self.n_iter_ = self.best_iteration_ = n_done + 1
        return self

    def _read(self, X: Any, y: Any, sample_weight: Any, *, dtype: Any, reset: bool, classes: Any = None) -> Rows:
        """Return checked rows; `reset` learns the columns and targets, otherwise they must be as before."""
        options = {"accept_sparse": "csr", "multi_output": True, "y_numeric": is_regressor(self)}
        inputs, targets = validate_data(self, X, y, dtype=dtype, reset=reset, **options)
        weights = None if sample_weight is None else read_weights(sample_weight, inputs.shape[0])
        return Rows(inputs, self._encode(targets, reset=reset, classes=classes), weights)

    def _checked_dtype(self, *, reset: bool) -> Any:
        """Check all parameters, and return the dtype or dtypes that inputs may have."""
        check_parameters(self.get_params(deep=False), self._losses)
        if not reset:
            return self.network_.parameters.dtype
        return (np.float64, np.float32) if self.dtype == "auto" else self.dtype

    def _inputs(self, X: Any) -> Any:
        """Return the rows to predict in the form that the network reads."""
        check_is_fitted(self)
        dtype = self.network_.parameters.dtype
        return readable(validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=False))

    def _checked_seed(self) -> int:
        """Return the seed: the given whole number, else a drawn one."""
        if self.random_state is not None and not isinstance(self.random_state, np.random.RandomState):
            check_number("random_state", self.random_state, SEED, ", None or a RandomState")
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _examples(self, rows: Rows) -> tuple[Examples, int, float]:
        """Return what to train on, rows in a batch, and the core's l2.

        Notes
        -----
        As in scikit-learn a batch costs alpha / 2 * sum w^2, divided by the sum of its sample weights; that is taken as
        the batch size times the mean weight.
        """
        of_classes = self._class_weights(rows.targets)
        if of_classes is not None:
            rows = rows._replace(weights=of_classes if rows.weights is None else rows.weights * of_classes)
        examples, mean = self._convert(rows).examples()
        batch_size = batch_rows(self.batch_size, len(rows.targets))
        return examples, batch_size, float(self.alpha) / (batch_size * mean)

    def _network(self, train: Examples, seed: int, l2: float, parameters: Array | None, *, has_validation: bool) -> MLP:
        given, sizes = self.get_params(deep=False), hidden_sizes(self.hidden_layer_sizes)
        loss, n_outputs = self._outputs(train.targets)
        options = tuple(sorted(choice("loss", self.loss)[1].items()))
        layer_sizes = (train.inputs.shape[1], *map(int, sizes), n_outputs)
        architecture = Architecture(layer_sizes, activations(self.activation, len(sizes)), loss, options)
        initializer, initializer_options = choice("initializer", self.initializer)
        return MLP(
            architecture,
            build_recipe(given, seed, loss, l2, has_validation=has_validation),
            initializer=initializer,
            initializer_options=initializer_options,
            dtype=train.inputs.dtype.name,
            parameters=parameters,
        )

    def _copied_network(self) -> dict[str, MLP]:
        """Return the attributes that an estimator has if it stops here."""
        return {"network_": copy.deepcopy(self.network_)}

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

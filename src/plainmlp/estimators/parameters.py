"""What a network and the estimators are given: names must be in their table, numbers within their range."""

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES, recorded_metrics
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import Option
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.system.wording import unknown_name

COUNT = Option(1, minimum=1)
NOT_NEGATIVE = Option(0.0, minimum=0)
POSITIVE = Option(1.0, minimum=0, open_minimum=True)
SHARE = Option(0.0, minimum=0, maximum=1, open_maximum=True)
SEED = Option(0, minimum=0)
RECIPE = {
    "seed": SEED,
    "learning_rate": POSITIVE,
    "l1": NOT_NEGATIVE,
    "l2": NOT_NEGATIVE,
    "dropout": SHARE,
    "minimum_improvement": NOT_NEGATIVE,
}
AUTOMATIC_BATCH = 200  # rows at most, as in scikit-learn
LOGISTIC = {"logistic": "sigmoid"}  # scikit-learn's name: ours

RANGES = {
    "alpha": NOT_NEGATIVE,
    "l1": NOT_NEGATIVE,
    "tol": NOT_NEGATIVE,
    "learning_rate_init": POSITIVE,
    "max_iter": COUNT,
    "validation_fraction": Option(0.1, minimum=0, maximum=1, open_minimum=True, open_maximum=True),
    "dropout": SHARE,
}
OTHERS = {"batch_size": (COUNT, "auto"), "n_iter_no_change": (COUNT, inf), "clip_norm": (POSITIVE, None)}
FLAGS = ("shuffle", "warm_start", "early_stopping")
TABLES: dict[str, Mapping[str, Any]] = {
    "solver": OPTIMIZERS,
    "schedule": SCHEDULES,
    "initializer": {"auto": None, **INITIALIZERS},
    "loss": {"auto": None, **LOSSES},
}


def check_architecture(architecture: Architecture) -> None:
    """Raise a ValueError if an architecture is not possible."""
    sizes, names = architecture.layer_sizes, architecture.activations
    if len(sizes) < 2:
        allowed = "the number of inputs, the units of each hidden layer, and the number of outputs"
        raise ValueError(refusal("layer_sizes", sizes, allowed))
    for size in sizes:
        check_number("layer_sizes", size, COUNT)
    if len(names) != len(sizes) - 2:
        raise ValueError(refusal("activations", names, f"one name for each of {len(sizes) - 2} hidden layers"))
    for name in names:
        check_name("activations", name, ACTIVATIONS)
    check_choice("loss", architecture.loss, LOSSES, dict(architecture.loss_options))


def check_recipe(recipe: Recipe) -> None:
    """Raise a ValueError if a recipe is not possible."""
    for name, option in RECIPE.items():
        check_number(name, getattr(recipe, name), option)
    if recipe.clip_norm != inf:
        check_number("clip_norm", recipe.clip_norm, POSITIVE, " or inf")
    if recipe.patience is not None:
        check_number("patience", recipe.patience, COUNT, " or None")
    check_choice("optimizer", recipe.optimizer, OPTIMIZERS, recipe.optimizer_options)
    check_choice("schedule", recipe.schedule, SCHEDULES, recipe.schedule_options)


def check_choice(key: str, name: Any, table: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise a ValueError if a name is not in its table, or its entry has no such options."""
    check_name(key, name, table)
    known = getattr(table[name], "options", {})
    for option, value in options.items():
        check_name(f"an option of {key}={name!r}", option, known)
        check_number(f"{key}[{option!r}]", value, known[option])


def check_name(key: str, name: Any, allowed: Iterable[str]) -> None:
    """Raise a ValueError if a name is not in its table."""
    if not isinstance(name, str) or name not in allowed:
        raise ValueError(unknown_name(key, str(name), allowed))


def check_number(name: str, value: Any, option: Option, otherwise: str = "") -> None:
    """Raise a ValueError if a number is not allowed for an option."""
    is_whole = isinstance(option.default, int)
    is_number = isinstance(value, Integral if is_whole else Real) and not isinstance(value, bool) and isfinite(value)
    low, high = option.minimum, option.maximum
    if is_number and not (
        (low is not None and (value < low or (option.open_minimum and value == low)))
        or (high is not None and (value > high or (option.open_maximum and value == high)))
    ):
        return
    limits = [] if low is None else [f"{'above' if option.open_minimum else 'at least'} {low}"]
    limits += [] if high is None else [f"{'below' if option.open_maximum else 'at most'} {high}"]
    kind = "a whole number" if is_whole else "a number"
    raise ValueError(refusal(name, value, f"{kind} {' and '.join(limits)}".strip() + otherwise))


def refusal(name: str, value: Any, allowed: str) -> str:
    """Return the line for a value that is not allowed."""
    return f"{name}={value!r} is not allowed: it must be {allowed}"


def check_parameters(given: Mapping[str, Any], losses: Iterable[str]) -> None:
    """Raise a ValueError if a parameter is not allowed; it names the parameter, its value and what is allowed.

    Parameters
    ----------
    given : mapping
        All parameters of an estimator.
    losses : iterable of str
        That serve its task.
    """
    for name, option in RANGES.items():
        check_number(name, given[name], option)
    for name, (option, other) in OTHERS.items():
        if given[name] != other:
            check_number(name, given[name], option, f" or {other!r}")
    for name in FLAGS:
        if given[name] not in {True, False}:
            raise ValueError(refusal(name, given[name], "True or False"))
    check_name("dtype", given["dtype"], ("auto", "float32", "float64"))
    for name in TABLES:
        choice(name, given[name])
    check_name("loss", choice("loss", given["loss"])[0], ("auto", *losses))
    _check_layers(given)


def _check_layers(given: Mapping[str, Any]) -> None:
    sizes = hidden_sizes(given["hidden_layer_sizes"])
    for size in sizes:
        check_number("hidden_layer_sizes", size, COUNT)
    for activation in activations(given["activation"], len(sizes)):
        check_name("activation", activation, ACTIVATIONS)


def choice(name: str, given: Any) -> tuple[str, dict[str, float]]:
    """Return what a parameter chooses from its table, and the options: it is a name, or a mapping of name and options."""
    options = dict(given) if isinstance(given, Mapping) else {"name": given}
    entry = options.pop("name", None)
    check_choice(name, entry, TABLES[name], options)
    return entry, options


def batch_rows(given: Any, n_samples: int) -> int:
    """Return the number of samples in a batch."""
    return min(AUTOMATIC_BATCH if given == "auto" else int(given), n_samples)


def hidden_sizes(given: Any) -> tuple[Any, ...]:
    """Return the units of each hidden layer; a single number is one layer."""
    return tuple(np.asarray(given).tolist()) if np.ndim(given) else (given,)


def activations(given: Any, n_layers: int) -> tuple[str, ...]:
    """Return the activation of each hidden layer, by our names; a single name is for all layers."""
    names = (given,) * n_layers if isinstance(given, str) else tuple(given)
    if len(names) != n_layers:
        raise ValueError(refusal("activation", given, f"one name, or one for each of {n_layers} hidden layers"))
    return tuple(LOGISTIC.get(name, name) for name in names)


def build_recipe(given: Mapping[str, Any], seed: int, loss: str, l2: float, *, has_validation: bool) -> Recipe:
    """Return how an estimator trains.

    Parameters
    ----------
    given : mapping
        All parameters of the estimator.
    loss : str
        A name in LOSSES.
    l2 : float
        Of the core, see `Recipe`.
    has_validation : bool
        Whether there are validation examples.
    """
    solver, options = choice("solver", given["solver"])
    schedule, schedule_options = choice("schedule", given["schedule"])
    monitor = given["monitor"]
    if monitor == "auto":
        monitor = "validation_loss" if given["early_stopping"] else "train_loss"
    check_name("monitor", monitor, recorded_metrics(loss, has_validation=has_validation))
    return Recipe(
        seed=seed,
        optimizer=solver,
        learning_rate=float(given["learning_rate_init"]),
        optimizer_options=options,
        schedule=schedule,
        schedule_options=schedule_options,
        l1=float(given["l1"]),
        l2=l2,
        dropout=float(given["dropout"]),
        clip_norm=float("inf") if given["clip_norm"] is None else float(given["clip_norm"]),
        patience=int(min(given["n_iter_no_change"], given["max_iter"])) if given["early_stopping"] else None,
        monitor=monitor,
        minimum_improvement=float(given["tol"]),
    )

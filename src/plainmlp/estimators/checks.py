"""Checks of an architecture and a recipe: names must be in their table, numbers within their range."""

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.losses import LOSSES
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

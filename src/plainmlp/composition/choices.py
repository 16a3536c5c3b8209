"""Names and options of a configuration, checked against the tables that they choose from and written out in full."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from plainmlp.composition.explanation import refusal
from plainmlp.config.schema import (
    BackendSection,
    Choice,
    Config,
    DatasetSection,
    ModelSection,
    OptimizerSection,
    Section,
    SplitSection,
    TrainingSection,
)
from plainmlp.data.datasets import DATASETS, dataset_options
from plainmlp.data.scaling import SCALINGS
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES, recorded_metrics
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import Option
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown, unknown_key, unknown_name
from plainmlp.training.backends.table import BACKENDS, OWN_BACKEND
from plainmlp.training.memory import check_network_memory

Options = Mapping[str, Option]
MONITORS = tuple(sorted({metric for loss in LOSSES for metric in recorded_metrics(loss)}))
# the tables whose entries are chosen by a name, or by a name with options; some choices may be left to the run
TABLES: dict[str, Mapping[str, Any]] = {
    "model.initializer": INITIALIZERS,
    "model.bias_initializer": INITIALIZERS,
    "model.loss": LOSSES,
    "optimizer.schedule": SCHEDULES,
    "split.scaling": SCALINGS,
    "split.target_scaling": SCALINGS,
}
AUTO = {"model.initializer": ("auto",), "model.loss": ("auto",)}
OTHER_OPTIMIZER = "optimizer=<name> selects another optimiser with its own keys"
REQUIRED_DATASET_KEYS = {"table": ("path", "target"), "npy": ("path",), "openml": ("data_id",)}


def complete(config: Config) -> tuple[Config, list[str]]:
    """Fill in every option that is not given, and say what is wrong with the given names and options.

    Returns
    -------
    Config
        The same configuration with every option written out.
    list of str
        One line for each section that holds a wrong name or option; empty if all is right.
    """
    checks: dict[str, Callable[[Config], Any]] = {
        "dataset": _dataset,
        "split": _split,
        "model": _model,
        "optimizer": _optimizer,
        "training": _training,
        "backend": _backend,
    }
    completed, problems = {}, []
    for name, check in checks.items():
        try:
            completed[name] = check(config)
        except InputError as error:
            problems.append(str(error))
    return config.model_copy(update=completed), problems


def _dataset(config: Config) -> DatasetSection:
    section = config.dataset
    _check_name("dataset.name", section.name, DATASETS)
    taken = dataset_options(section.name)
    for key, field in DatasetSection.model_fields.items():
        value = getattr(section, key)
        if key not in {"name", *taken} and value != field.default:
            raise InputError(_not_taken(key, value, section.name))
    for key in REQUIRED_DATASET_KEYS.get(section.name, ()):
        if getattr(section, key) is None:
            message = f"dataset.{key}=null is not allowed: the data set '{section.name}' needs it"
            raise InputError(message)
    return section


def _not_taken(key: str, value: object, name: str) -> str:
    takers = ", ".join(taker for taker in sorted(DATASETS) if key in dataset_options(taker))
    return f"dataset.{key}={shown(value)} is not allowed: '{name}' takes no such key (these data sets do: {takers})"


def _split(config: Config) -> SplitSection:
    return config.split.model_copy(update=_choices("split", config.split))


def _model(config: Config) -> ModelSection:
    section = config.model
    return section.model_copy(update={"activation": _activation(section), **_choices("model", section)})


def _activation(section: ModelSection) -> str | tuple[str, ...]:
    """Check the activations, and turn a list of equal names into that name."""
    if isinstance(section.activation, str):
        _check_name("model.activation", section.activation, ACTIVATIONS)
        return section.activation
    for position, name in enumerate(section.activation):
        _check_name(f"model.activation[{position}]", name, ACTIVATIONS)
    if len(section.activation) != len(section.hidden_sizes):
        message = (
            f"model.activation={shown(list(section.activation))} is not allowed: it must be one name, or one for each "
            f"of the {len(section.hidden_sizes)} layers of model.hidden_sizes"
        )
        raise InputError(message)
    return section.activation[0] if len(set(section.activation)) == 1 else section.activation


def _optimizer(config: Config) -> OptimizerSection:
    section = config.optimizer
    _check_name("optimizer.name", section.name, OPTIMIZERS)
    options = OPTIMIZERS[section.name].options
    known = [f"optimizer.{key}" for key in (*OptimizerSection.model_fields, *options)]
    for key in section.options:
        if key not in options:
            message = f"{unknown_key(f'optimizer.{key}', known)}; {OTHER_OPTIMIZER}"
            raise InputError(message)
    return section.model_copy(
        update={**_choices("optimizer", section), **_filled("optimizer", section.options, options)}
    )


def _training(config: Config) -> TrainingSection:
    section = config.training
    _check_name("training.monitor", section.monitor, MONITORS)
    if section.patience is not None and section.monitor.startswith("validation_") and not config.split.validation:
        message = (
            f"training.patience={section.patience} is not allowed: training.monitor={section.monitor} needs a "
            f"validation part, and split.validation is 0; set split.validation, or training.patience=null"
        )
        raise InputError(message)
    if config.optimizer.name in OPTIMIZERS:
        check_network_memory(config.model, config.optimizer, section)
    return section


def _backend(config: Config) -> BackendSection:
    section = config.backend
    _check_name("backend.name", section.name, (OWN_BACKEND, *BACKENDS))
    return section


def names_of(key: str) -> tuple[str, ...]:
    """Return the names that a key of `TABLES` takes."""
    return (*AUTO.get(key, ()), *TABLES[key])


def _choices(name: str, section: Section) -> dict[str, Choice]:
    """Return the values of a section that are entries of `TABLES`, each checked and with all its options."""
    keys = (key.partition(".") for key in TABLES)
    return {key: _choice(f"{name}.{key}", getattr(section, key)) for place, _, key in keys if place == name}


def _choice(key: str, choice: Choice) -> Choice:
    _check_name(key, choice.name, names_of(key))
    options = TABLES[key][choice.name].options if choice.name in TABLES[key] else {}
    for name in choice.options:
        if name not in options:
            raise InputError(unknown_key(f"{key}.{name}", [f"{key}.{known}" for known in ("name", *options)]))
    return Choice(name=choice.name, **_filled(key, choice.options, options))


def _check_name(key: str, name: str, table: Iterable[str]) -> None:
    if name not in table:
        raise InputError(unknown_name(key, name, table))


def _filled(key: str, given: Mapping[str, object], options: Options) -> dict[str, float]:
    """Return every option of an entry, the given ones checked."""
    return {name: _value(f"{key}.{name}", given.get(name, option.default), option) for name, option in options.items()}


def _value(key: str, value: object, option: Option) -> float:
    adapter = _adapter(option)
    try:
        return adapter.validate_python(value, strict=True) + 0  # -0.0 and 0.0 are one value
    except ValidationError as error:
        raise InputError(refusal(key, value, [detail["msg"] for detail in error.errors()])) from error


@cache
def _adapter(option: Option) -> TypeAdapter[float]:
    """Return the check of an option: its type is that of the default."""
    kind: Any = int if isinstance(option.default, int) else Annotated[float, Field(allow_inf_nan=False)]
    ends = {
        "gt" if option.open_minimum else "ge": option.minimum,
        "lt" if option.open_maximum else "le": option.maximum,
    }
    return TypeAdapter(Annotated[kind, Field(**{name: end for name, end in ends.items() if end is not None})])

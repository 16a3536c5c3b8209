"""What MLflow's pages show first of a run: its name in the list, and its description."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from plainmlp.config.schema import Config, DatasetSection
from plainmlp.training.backends.table import OWN_BACKEND

RESULTS = ("accuracy", "r2")  # what tells most of a network: of classes or labels, and of numbers
NOTHING: Mapping[str, Any] = MappingProxyType({})
LONGEST_NOTE = 7000  # characters; MLflow keeps 8000 of a tag


def run_name(config: Config) -> str:
    """Return the name of a run in a list: its data, its network, and its seed and backend unless they are the default.

    Examples
    --------
    ``digits 128 relu adam`` or ``table houses 64-32 tanh sgd s3``
    """
    model, backend = config.model, config.backend.name
    activations = (model.activation,) if isinstance(model.activation, str) else model.activation
    sizes = "-".join(map(str, model.hidden_sizes))
    network = f"{sizes} {'-'.join(activations)}" if sizes else "linear"
    rest = [f"s{config.seed}"] * (config.seed != 0) + [backend] * (backend != OWN_BACKEND)
    return " ".join([data_name(config.dataset), network, config.optimizer.name, *rest])


def data_name(dataset: DatasetSection) -> str:
    """Return the name of a data set in a list, with its number or file if it has one."""
    number = () if dataset.data_id is None else (str(dataset.data_id),)
    file = () if dataset.path is None else (Path(dataset.path).stem,)
    return " ".join((dataset.name, *number, *file))


def value_name(key: str, value: str) -> str:
    """Return how a point's name shows one of its values, given as Hydra takes it: names and sizes are shown without key.

    Examples
    --------
    >>> [value_name(*pair) for pair in (("hidden_sizes", "[64,32]"), ("activation", "tanh"), ("seed", "2"), ("l2", "0.1"))]
    ['64-32', 'tanh', 's2', 'l2=0.1']
    """
    if key.endswith("hidden_sizes"):
        return value.strip("[]").replace(",", "-").replace(" ", "") or "linear"
    if key == "seed":
        return f"s{value}"
    return value if value.isidentifier() and value not in {"true", "false", "null"} else f"{key}={value}"


def describe_point(config: Config, metrics: Mapping[str, Mapping[str, float]], run_id: str) -> str:
    """Return the description of a point of a sweep, with the scores of the part that ranks it, if any; see `describe_run`."""
    part = next(name for name in ("validation", "test") if name in metrics)
    return describe_run(config, describe_worth(part, metrics[part]), run_id)


def describe_run(config: Config, worth: str, run_id: str) -> str:
    """Return the description of a run in Markdown: what was trained, its score, and how to verify it."""
    network = run_name(config).removeprefix(data_name(config.dataset)).strip()
    lines = [f"`{network}` on **{data_name(config.dataset)}**, {config.training.epochs} epochs at most."]
    lines += [worth] if worth else []
    lines.append(f"Compute it again and compare every bit: `python pipelines/verify.py {run_id}`")
    return "\n\n".join(lines)


def describe_worth(
    part: str,
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] = NOTHING,
    baseline: Mapping[str, float] = NOTHING,
) -> str:
    """Return the score of a network on a part, with its interval, and the score of the best constant answer."""
    name = next((name for name in RESULTS if name in metrics), None)
    if name is None:
        return ""
    ends = f" (95 % interval {intervals[name][0]:.4g} to {intervals[name][1]:.4g})" if name in intervals else ""
    constant = f"; the same answer for every row: {baseline[name]:.4g}" if name in baseline else ""
    return f"{part} {name} **{metrics[name]:.4g}**{ends}{constant}".replace("_", " ")

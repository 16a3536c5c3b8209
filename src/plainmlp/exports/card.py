"""The model card of a run: a Markdown page of its record, with the front matter that model hubs read."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column, Description
from plainmlp.evaluation.metrics import METRICS
from plainmlp.system.wording import markdown_table, printable
from plainmlp.tracking.recording.configuration import flat_parameters
from plainmlp.tracking.stored_runs import StoredRun
from plainmlp.training.model import Model

LIBRARY = "plainmlp"
# our metrics by the names that hubs know; the others keep ours
HUB_METRICS = {
    "macro_f1": "f1",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "r2": "r_squared",
}
CALIBRATION = {
    "expected_calibration_error": "mean distance between the confidence in an answer and the share of such answers that is right",
    "brier_score": "mean squared distance of the probabilities from what was true",
    "log_loss": "mean of -log of the probability of what was true",
}
TRAINED_WITH = (
    "seed",
    "model.dropout",
    "model.l2",
    "optimizer.name",
    "optimizer.learning_rate",
    "training.batch_size",
    "training.epochs",
    "training.patience",
    "training.class_weights",
    "backend.name",
)
IDS = (
    "point_id",
    "weights_digest",
    "data_digest",
    "split_digest",
    "configuration_digest",
    "code_digest",
    "git_commit",
    "git_dirty",
    "manifest_digest",
)
SETTING = ("setting", "value")
USE = """    from pathlib import Path

    from plainmlp.training.model import Model

    model = Model.load(Path("model.safetensors"))
    predicted = model.predict_frame(frame)  # of pandas, with the columns above in any order
"""
MAX_NAMES = 20  # of columns or classes, on the page
CLOSING = "License, intended use and limits are not recorded: say them here before you publish the model."


def model_card(run: StoredRun, name: str, model: Model, sizes: Mapping[str, int]) -> str:
    """Return the page of a run.

    Parameters
    ----------
    name : str
        Of the run.
    sizes : mapping of str to int
        Rows of each part of the data, if they are recorded.
    """
    name = printable(name)  # with a line end it could end the front matter
    front = yaml.safe_dump(front_matter(run, name, model), sort_keys=False, allow_unicode=True)
    lines = [f"# {name}", "", _sentence(model), ""]
    lines += [*_results(run, model), *_data(run, model.description, sizes), *_training(run)]
    lines += ["## How to use it", "", USE, *_verification(run)]
    return f"---\n{front}---\n\n" + "\n".join([*lines, CLOSING]) + "\n"


def front_matter(run: StoredRun, name: str, model: Model) -> dict[str, Any]:
    """Return what model hubs read: library, tags, and the metrics of the test part as a `model-index`."""
    description = model.description
    found = {metric: value for metric, value in _test_metrics(run, description).items() if math.isfinite(value)}
    task, dataset = _hub_task(description), printable(description.name)
    metrics = [{"type": HUB_METRICS.get(each, each), "name": each, "value": value} for each, value in found.items()]
    result = {
        "task": {"type": task},
        "dataset": {"name": dataset, "type": dataset, "split": "test"},
        "metrics": metrics,
    }
    return {
        "library_name": LIBRARY,
        "pipeline_tag": task,
        "tags": [LIBRARY, "multilayer-perceptron", "numpy", "reproducibility"],
        "metrics": [metric["type"] for metric in metrics],
        "model-index": [{"name": name, "results": [result]}],
    }


def _hub_task(description: Description) -> str:
    if description.task == "regression":
        return "tabular-regression"
    return "tabular-classification" if description.image_shape is None else "image-classification"


def _test_metrics(run: StoredRun, description: Description) -> dict[str, float]:
    return {name: run.metrics[f"test_{name}"] for name in METRICS[description.task] if f"test_{name}" in run.metrics}


def _sentence(model: Model) -> str:
    architecture, description = model.architecture, model.description
    sizes = "-".join(map(str, architecture.layer_sizes))
    activations = ", ".join(dict.fromkeys(architecture.activations)) or "no hidden layer"
    return (
        f"A multilayer perceptron ({sizes}, {activations}, loss {architecture.loss}, {model.parameters.dtype}, "
        f"{architecture.n_parameters:,} parameters), trained with {LIBRARY} on **{printable(description.name)}**. "
        f"Task: {description.task}; target: {_listed(description.target_names)}."
    )


def _results(run: StoredRun, model: Model) -> Iterator[str]:
    """Yield the metrics of the test part with their intervals, and those of calibration."""
    found = _test_metrics(run, model.description)
    rows = [
        (name, _short(value), _interval(run, name), _short(run.metrics.get(f"baseline_{name}")))
        for name, value in found.items()
    ]
    yield from ("## What it is worth", "")
    yield from markdown_table(("metric of the test part", "value", "95 % interval", "same answer for every row"), rows)
    yield from ("The intervals cover the spread of the test part's rows, not of trainings.", "")
    if any(name in found for name in CALIBRATION):
        yield from ("## Calibration", "")
        for name in [each for each in CALIBRATION if each in found]:
            ends = f" ({interval})" if (interval := _interval(run, name)) else ""
            yield f"- {name.replace('_', ' ')} {_short(found[name])}{ends}: {CALIBRATION[name]}"
        yield ""


def _interval(run: StoredRun, name: str) -> str:
    ends = [run.metrics.get(f"interval/test_{name}_{end}") for end in ("low", "high")]
    return "" if None in ends else " to ".join(map(_short, ends))


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _data(run: StoredRun, description: Description, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield what the model was trained and tested on."""
    usual = flat_parameters({"dataset": DatasetSection(name="?").model_dump(mode="json")})
    chosen = {
        key: Path(text).name if key == "dataset.path" else text  # the folder may be private
        for key, text in sorted(run.parameters.items())
        if key.startswith(("dataset.", "split.")) and text != usual.get(key, "null")
    }
    rows = [
        ("rows", ", ".join(f"{part} {size:,}" for part, size in sizes.items())),
        ("columns", f"{len(description.columns)}: {_listed([_column(column) for column in description.columns])}"),
        ("classes", _listed(description.class_names)),
        *chosen.items(),
    ]
    yield from ("## Data", "", *markdown_table(SETTING, [(key, printable(text)) for key, text in rows if text]))


def _column(column: Column) -> str:
    if column.dates is not None:
        return f"{column.name} (date)"
    return column.name if column.categories is None else f"{column.name} ({len(column.categories)} levels)"


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return printable(", ".join(names[:MAX_NAMES])) + rest


def _training(run: StoredRun) -> Iterator[str]:
    rows = [(key, printable(run.parameters[key])) for key in TRAINED_WITH if run.parameters.get(key, "null") != "null"]
    yield from ("## Training", "", *markdown_table(SETTING, rows))
    yield from ("`config.yaml` among the files of the run has every setting.", "")


def _verification(run: StoredRun) -> Iterator[str]:
    """Yield how to compute the model again, its ids and digests, and the latest verdict."""
    yield from ("## How to verify it", "", "Train it again and compare every bit, in a checkout of the code:", "")
    yield from (f"    python pipelines/verify.py {run.run_id}", "")
    if "verify.verdict" in run.tags:
        verdict, date = (printable(run.tags.get(f"verify.{key}", "")) for key in ("verdict", "date"))
        yield from (f"Last verified on {date}: **{verdict}**.", "")
    ids = {"run": run.run_id, **{key: run.tags[key] for key in IDS if key in run.tags}}
    yield from markdown_table(("what", "id or digest"), [(key, f"`{printable(text)}`") for key, text in ids.items()])

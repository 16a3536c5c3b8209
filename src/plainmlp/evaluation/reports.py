"""Reports: the files with what was measured of a trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.evaluation.breakdown import breakdown
from plainmlp.evaluation.evaluate import Evaluation, evaluate
from plainmlp.evaluation.figures.animation import animate
from plainmlp.evaluation.figures.canvas import FigureData
from plainmlp.evaluation.figures.table import draw_figures
from plainmlp.evaluation.importance import HEADER as IMPORTANCE_HEADER
from plainmlp.system.files import replace_file, replace_folder, write_csv, write_json
from plainmlp.training.history import History
from plainmlp.training.model import Model, Trained

if TYPE_CHECKING:
    from pandas import DataFrame


def evaluate_and_write(config: Config, trained: Trained, splits: Splits, places: Places) -> Evaluation:
    """Measure the model of a configuration, and write its reports."""
    training = config.training
    evaluation = evaluate(trained.model, splits, config.seed, training.compiled, class_weights=training.class_weights)
    write_evaluation(places, trained, splits, evaluation, animated=config if config.animation else None)
    return evaluation


def write_evaluation(
    places: Places, trained: Trained, splits: Splits, evaluation: Evaluation, *, animated: Config | None = None
) -> None:
    """Write metrics, their intervals, predictions, tables and figures; for `animated` an animation of its training too."""
    write_measures(places, trained.model, splits, evaluation)
    with replace_folder(places.tables) as folder:
        _write_tables(folder, splits, evaluation)
    parts = (splits.train, splits.test)
    data = FigureData(
        splits.description,
        trained.history,
        *parts,
        evaluation.outputs,
        trained.model.predict,
        trained.steps,
        evaluation.importance,
        evaluation.class_weights,
    )
    with replace_folder(places.figures) as folder:
        draw_figures(data, folder)
        if animated is not None:
            animate(animated, splits, folder / "training.gif")


def write_measures(places: Places, model: Model, splits: Splits, evaluation: Evaluation) -> None:
    """Write metrics, their intervals and predictions."""
    write_json(places.metrics, _with_baseline(evaluation))
    write_json(places.intervals, _interval_ends(evaluation))
    with replace_file(places.predictions) as temporary:
        _predictions(model, splits, evaluation).to_csv(temporary, index_label="row", lineterminator="\n")


def _write_tables(folder: Path, splits: Splits, evaluation: Evaluation) -> None:
    """Write the scores of each class or target of the test part, and the importance of each column."""
    name, header, rows = breakdown(splits.description, splits.test.targets, evaluation.outputs)
    write_csv(folder / f"{name}.csv", header, rows)
    if (found := evaluation.importance) is not None:
        columns = list(zip(found.names, found.means.tolist(), found.low.tolist(), found.high.tolist(), strict=True))
        write_csv(folder / "importance.csv", IMPORTANCE_HEADER, [columns[place] for place in found.order()])


def write_learning_curves(places: Places, history: History) -> None:
    """Write the loss after each epoch as a table for each part; DVC needs both, so that of an empty part has no lines."""
    with replace_folder(places.learning_curves) as folder:
        for part in ("train", "validation"):
            write_csv(folder / f"{part}.csv", ("epoch", "loss"), enumerate(history.get(f"{part}_loss", ())))


def _predictions(model: Model, splits: Splits, evaluation: Evaluation) -> "DataFrame":
    """Return targets and outputs of the test part's samples, each under its row in the source, then its id if there is one."""
    from pandas import DataFrame, concat

    description = splits.description
    if description.task == "classification":
        actual = DataFrame({"actual": np.array(description.class_names)[splits.test.targets]})
    else:
        actual = DataFrame(splits.test.targets, columns=[f"actual_{name}" for name in description.target_names])
    table = concat([actual, model.label_outputs(evaluation.outputs)], axis=1)
    if splits.test.ids is not None:
        table.insert(0, "id", splits.test.ids)
    return table if splits.test.rows is None else table.set_index(splits.test.rows)


def flat_metrics(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of all parts in one flat table, such as `test_accuracy`."""
    return {f"{part}_{name}": value for part, values in metrics.items() for name, value in values.items()}


def final_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return every metric of every part in one flat table, such as `test_accuracy` and `interval/test_accuracy_low`."""
    return flat_metrics(_with_baseline(evaluation)) | flat_intervals(_interval_ends(evaluation))


def _with_baseline(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Return the metrics as reports/metrics.json holds them: for each part, and for a constant answer to the test part."""
    return {**evaluation.metrics, **({"baseline": evaluation.baseline} if evaluation.baseline else {})}


def flat_intervals(intervals: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Return the ends of the intervals of all parts in one flat table, such as `interval/test_accuracy_low`."""
    return {
        f"interval/{part}_{name}_{end}": value
        for part, metrics in intervals.items()
        for name, ends in metrics.items()
        for end, value in ends.items()
    }


def _interval_ends(evaluation: Evaluation) -> dict[str, dict[str, dict[str, float]]]:
    """Return the intervals as reports/intervals.json holds them."""
    return {"test": {name: {"low": low, "high": high} for name, (low, high) in evaluation.intervals.items()}}

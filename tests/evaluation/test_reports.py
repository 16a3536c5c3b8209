import json

import numpy as np
import pandas as pd
import pytest

from plainmlp.config.places import Places
from plainmlp.data.storage import read_splits, write_splits
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.reports import final_metrics, write_evaluation, write_measures
from plainmlp.training.train import train
from recorded import configuration, splits_of, write_flats

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["kind", "price"])
def written(request, tmp_path_factory):
    """Write the evaluation of a small model of the flats twice."""
    folder = tmp_path_factory.mktemp("reports")
    write_flats(folder / "flats.csv")
    table = {"name": "table", "path": str(folder / "flats.csv"), "target": request.param, "missing": "mean"}
    values = {f"dataset__{key}": value for key, value in table.items()}
    config = configuration(**values, model__hidden_sizes=[3], training__epochs=2)
    splits = splits_of(config)
    trained = train(splits, 0, config.model, config.optimizer, config.training)
    evaluation = evaluate(trained.model, splits, 0)
    for name in ("a", "b"):
        write_evaluation(Places(folder / name), trained, splits, evaluation)
    return folder, splits, trained.model, evaluation


def test_metrics_of_every_part_and_intervals(written):
    folder, _, _, evaluation = written
    found = json.loads(Places(folder / "a").metrics.read_text())
    assert list(found) == ["train", "validation", "test", "baseline"]
    assert found == {**evaluation.metrics, "baseline": evaluation.baseline}
    intervals = json.loads(Places(folder / "a").intervals.read_text())["test"]
    assert intervals == {name: {"low": low, "high": high} for name, (low, high) in evaluation.intervals.items()}


def test_predictions_have_a_row_for_each_sample_of_the_test_part(written):
    folder, splits, model, _ = written
    found = pd.read_csv(Places(folder / "a").predictions)
    assert found["row"].tolist() == splits.test.rows.tolist()
    said = model.predict_frame(splits.preparation.to_frame(splits.test.features))
    if splits.description.task == "classification":
        assert found["actual"].tolist() == [("gross", "klein")[target] for target in splits.test.targets]
        assert found["predicted"].tolist() == said["predicted"].tolist()
        assert found["probability_klein"].tolist() == said["probability_klein"].tolist()
    else:
        np.testing.assert_array_equal(found["actual_price"], splits.test.targets[:, 0])
        assert found["predicted_price"].tolist() == said["predicted_price"].tolist()


def evaluated(config, folder, is_stored):
    """Train on a split, kept in files or not, write what it is worth, and return the split."""
    splits = splits_of(config)
    if is_stored:
        write_splits(folder / "split", splits)
        splits = read_splits(folder / "split")
    model = train(splits, 0, config.model, config.optimizer, config.training).model
    write_measures(Places(folder), model, splits, evaluate(model, splits, 0))
    return splits


@pytest.mark.parametrize("target", ["kind", "price"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("is_stored", [True, False])
def test_predictions_can_be_joined_to_the_rows_of_the_source(tmp_path, target, shuffle, is_stored):
    write_flats(tmp_path / "flats.csv")
    table = {"name": "table", "path": str(tmp_path / "flats.csv"), "target": target, "missing": "mean"}
    values = {f"dataset__{key}": value for key, value in table.items()}
    config = configuration(
        **values, model__hidden_sizes=[3], training__epochs=1, split__shuffle=shuffle, split__stratify=shuffle
    )
    splits = evaluated(config, tmp_path, is_stored)
    found = pd.read_csv(Places(tmp_path).predictions)
    source = pd.read_csv(tmp_path / "flats.csv").iloc[found["row"]]
    actual = found["actual" if target == "kind" else "actual_price"]
    assert actual.tolist() == source[target].tolist()
    rows = [row for part in splits.parts().values() for row in part.rows.tolist()]
    assert sorted(rows) == list(range(90))


@pytest.mark.parametrize("is_stored", [True, False])
def test_predictions_hold_the_ids_of_the_source(tmp_path, is_stored):
    lines = (
        f"{index:03};{index % 7},5;{'-' if index % 9 == 4 else index % 11}"
        for index in np.random.default_rng(0).permutation(60)
    )
    (tmp_path / "a.csv").write_text("name;x;y\n" + "\n".join(lines), encoding="utf-8")
    table = {"path": str(tmp_path / "a.csv"), "target": "y", "id": "name", "missing_target": "drop"}
    table |= {"missing_values": ["-"], "task": "regression"}
    values = {f"dataset__{key}": value for key, value in {"name": "table", **table}.items()}
    config = configuration(**values, model__hidden_sizes=[3], training__epochs=1)
    evaluated(config, tmp_path, is_stored)
    found = pd.read_csv(Places(tmp_path).predictions)
    source = pd.read_csv(tmp_path / "a.csv", sep=";").iloc[found["row"]]
    assert list(found) == ["row", "id", "actual_y", "predicted_y"]
    assert found["id"].tolist() == source["name"].tolist()
    assert found["actual_y"].tolist() == source["y"].astype(float).tolist()


def test_same_evaluation_gives_the_same_bytes(written):
    folder = written[0]
    files = [sorted(path.relative_to(folder / name) for path in (folder / name).rglob("*.*")) for name in ("a", "b")]
    assert files[0] == files[1]
    assert [path.name for path in files[0] if path.suffix == ".png"]
    for path in files[0]:
        assert (folder / "a" / path).read_bytes() == (folder / "b" / path).read_bytes(), path


def test_final_metrics_are_one_flat_table(written):
    evaluation = written[3]
    found = final_metrics(evaluation)
    for part, metrics in evaluation.metrics.items():
        assert {name: found[f"{part}_{name}"] for name in metrics} == metrics
    for name, ends in evaluation.intervals.items():
        assert (found[f"interval/test_{name}_low"], found[f"interval/test_{name}_high"]) == ends
    assert {name: found[f"baseline_{name}"] for name in evaluation.baseline} == evaluation.baseline
    measured = [*evaluation.metrics.values(), evaluation.baseline]
    assert len(found) == sum(map(len, measured)) + 2 * len(evaluation.intervals)

"""The matrix of planted changes: whatever is changed, added or removed in a record after its run has the right verdict."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from plainmlp.proof.verdict import Verdict
from plainmlp.training.model import Model
from planted import Subject, Target

pytestmark = pytest.mark.slow

METRIC = "test_log_loss"
IDENTICAL, INCOMPLETE, DIFFERENT = Verdict.IDENTICAL, Verdict.INCOMPLETE, Verdict.DIFFERENT


def flip(content: bytes) -> bytes:
    """Return a file with the last bit the other way round."""
    return content[:-1] + bytes([content[-1] ^ 1])


def nested(content: bytes) -> bytes:
    return b"[" * 200_000


def cell(name: str, row: int, column: str, value: str):
    """Return a plant that changes a cell of a table."""

    def change(content: bytes) -> bytes:
        lines = content.decode().splitlines()
        cells = lines[row + 1].split(",")
        cells[lines[0].split(",").index(column)] = value
        lines[row + 1] = ",".join(cells)
        return ("\n".join(lines) + "\n").encode()

    return lambda run: run.file(name, change)


def other_weights(run: Target) -> None:
    place = run.artifacts / "model.safetensors"
    model = Model.load(place)
    model.parameters[0] *= 1 + 1e-15
    model.save(place)


def deep_metadata(run: Target) -> None:
    from safetensors.numpy import save

    metadata = {"plainmlp": "[" * 200_000}
    (run.artifacts / "model.safetensors").write_bytes(save({"a": np.zeros(1)}, metadata))


def linked(run: Target) -> None:
    run.remove("metrics.json")
    (run.artifacts / "metrics.json").symlink_to("/etc/hostname")


def endless(run: Target) -> None:
    run.remove("config.yaml")
    (run.artifacts / "config.yaml").symlink_to("/dev/zero")


def piped(run: Target) -> None:
    run.remove("history.csv")
    os.mkfifo(run.artifacts / "history.csv")


def linked_folder(run: Target) -> None:
    (run.artifacts / "figures" / "more").symlink_to("/etc")


def forged_everywhere(run: Target) -> None:
    """Change a metric wherever the record has it, manifest and all."""
    path = run.artifacts / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["test"]["log_loss"] *= 1 + 1e-12
    path.write_text(json.dumps(metrics))
    for table in ("metrics", "latest_metrics"):
        run.sql(f"UPDATE {table} SET value = ? WHERE key = 'test_log_loss' AND", metrics["test"]["log_loss"])
    run.reseal()


def resealed(plant):
    """Return a plant after which the manifest is written anew."""
    return lambda run: (plant(run), run.reseal())


def without_manifest(run: Target) -> None:
    run.remove("manifest.json")
    run.untag("manifest_digest")


def environment(run: Target) -> None:
    from hashlib import sha256

    run.replace("provenance/environment.txt", "numpy==", "numpi==")
    packages = run.artifacts / "provenance/environment.txt"
    before = json.loads((run.artifacts / "provenance/provenance.json").read_text())["environment_digest"]
    run.replace("provenance/provenance.json", before, sha256(packages.read_bytes()).hexdigest())


def numerics(run: Target) -> None:
    run.replace("provenance/provenance.json", '"numerics.threads": "1"', '"numerics.threads": "7"')


def another_end(content: bytes) -> bytes:
    intervals = json.loads(content)
    intervals["test"]["r2"]["low"] = -1.0
    return json.dumps(intervals).encode()


def added_metric(run: Target) -> None:
    run.store.client.log_metric(run.run_id, "test_praise", 1.0)


def removed_metric(run: Target) -> None:
    for table in ("metrics", "latest_metrics"):
        run.sql(f"DELETE FROM {table} WHERE key = '{METRIC}' AND")


# name: (plant, verdict, words of the summary or of an alteration)
FILES = {
    "configuration edited": (lambda run: run.replace("config.yaml", "epochs: 3", "epochs: 4"), "config.yaml does not"),
    "configuration removed": (lambda run: run.remove("config.yaml"), "config.yaml is missing"),
    "configuration cut": (lambda run: run.file("config.yaml", lambda c: c[:100]), "config.yaml does not have"),
    "configuration empty": (lambda run: run.file("config.yaml", lambda c: b""), "config.yaml must hold a mapping"),
    "configuration nested": (lambda run: run.file("config.yaml", nested), "config.yaml is nested too deeply"),
    "configuration no text": (lambda run: run.file("config.yaml", lambda c: b"a: \xff"), "config.yaml "),
    "configuration of aliases": (lambda run: run.file("config.yaml", lambda c: b"a: &x [*x]"), "the anchor"),
    "configuration endless": (endless, "config.yaml is a link"),
    "weights flipped": (lambda run: run.file("model.safetensors", flip), "model.safetensors is damaged"),
    "weights removed": (lambda run: run.remove("model.safetensors"), "model.safetensors is missing"),
    "weights cut": (lambda run: run.file("model.safetensors", lambda c: c[:-9]), "model.safetensors is damaged"),
    "weights of deep metadata": (deep_metadata, "model.safetensors is damaged, or not a weights file"),
    "other weights": (other_weights, "do not have the weights_digest"),
    "served model flipped": (
        lambda run: run.file("model/data/model.safetensors", flip),
        "the model that MLflow serves",
    ),
    "served model removed": (lambda run: run.remove("model/data/model.safetensors"), "model/data/model.safetensors is"),
    "MLmodel edited": (lambda run: run.replace("model/MLmodel", "plainmlp.", "evil."), "model/MLmodel is not as"),
    "MLmodel removed": (lambda run: run.remove("model/MLmodel"), "model/MLmodel is missing"),
    "served code edited": (
        lambda run: run.file("model/code/plainmlp/training/serving.py", lambda c: c + b"import os\n"),
        "model/code/plainmlp/training/serving.py is not as the run wrote it",
    ),
    "served code added": (
        lambda run: (run.artifacts / "model/code/numpy.py").write_text("evil"),
        "model/code/numpy.py was added after the run",
    ),
    "history edited": (cell("history.csv", 1, "train_loss", "0.125"), "the curve train_loss in MLflow is not"),
    "history removed": (lambda run: run.remove("history.csv"), "history.csv is missing"),
    "history no numbers": (cell("history.csv", 1, "train_loss", "x"), "history.csv"),
    "history empty": (lambda run: run.file("history.csv", lambda c: b""), "history.csv"),
    "state digest edited": (cell("history.csv", 1, "state_digest", "0" * 64), "epochs: "),
    "history a pipe": (piped, "history.csv is a link, a pipe"),
    "steps edited": (cell("steps.csv", 1, "loss", "0.125"), "steps: "),
    "steps removed": (lambda run: run.remove("steps.csv"), "steps.csv is missing"),
    "metrics edited": (lambda run: run.replace("metrics.json", "0.", "0.1"), "metrics.json is not as"),
    "metrics removed": (lambda run: run.remove("metrics.json"), "metrics.json is missing"),
    "metrics a list": (lambda run: run.file("metrics.json", lambda c: b"[]"), "metrics.json "),
    "metrics of texts": (lambda run: run.file("metrics.json", lambda c: b'{"test": {"a": "b"}}'), "metrics.json "),
    "metrics nested": (lambda run: run.file("metrics.json", nested), "metrics.json is damaged"),
    "metrics no text": (lambda run: run.file("metrics.json", lambda c: b"\xff"), "metrics.json is damaged"),
    "metrics a link": (linked, "metrics.json is a link"),
    "intervals edited": (lambda run: run.replace("intervals.json", "0.", "0.1"), "intervals.json is not as"),
    "intervals removed": (lambda run: run.remove("intervals.json"), "intervals.json is missing"),
    "predictions removed": (lambda run: run.remove("predictions.csv"), "predictions.csv is missing"),
    "predictions cut": (lambda run: run.file("predictions.csv", lambda c: c[:-9]), "predictions.csv"),
    "row edited": (cell("predictions.csv", 0, "row", "7"), "predictions: 1 rows are of other samples"),
    "figure edited": (lambda run: run.file("figures/learning_curves.png", flip), "figures/learning_curves.png is not"),
    "figure removed": (lambda run: run.remove("figures/learning_curves.png"), "figures/learning_curves.png is missing"),
    "figure added": (lambda run: (run.artifacts / "figures/a.png").write_text("a"), "figures/a.png was added"),
    "folder linked": (linked_folder, "figures/more is a link"),
    "environment edited": (lambda run: run.replace("provenance/environment.txt", "numpy==", "numpi=="), "environment"),
    "environment edited with its digest": (environment, "environment"),
    "provenance removed": (lambda run: run.remove("provenance/provenance.json"), "provenance.json is missing"),
    "provenance a list": (lambda run: run.file("provenance/provenance.json", lambda c: b"[]"), "provenance.json is"),
    "patch added": (lambda run: (run.artifacts / "provenance/changes.patch").write_text("x"), "changes.patch"),
    "manifest removed": (lambda run: run.remove("manifest.json"), "manifest.json is missing"),
    "manifest and its digest removed": (without_manifest, "manifest.json is missing"),
    "manifest a list": (lambda run: run.file("manifest.json", lambda c: b"[]"), "manifest.json is damaged"),
    "manifest nested": (lambda run: run.file("manifest.json", nested), "manifest.json is damaged"),
    "manifest edited": (lambda run: run.replace("manifest.json", '"size": 1', '"size": 2'), "manifest.json does not"),
    "manifest written anew": (resealed(numerics), "is not the one that this checkout kept"),
}
VALUES = {
    "last value of a metric": (f"UPDATE latest_metrics SET value = 0.5 WHERE key = '{METRIC}' AND", f"metric {METRIC}"),
    "last value of a curve": ("UPDATE latest_metrics SET value = 9 WHERE key = 'train_loss' AND", "metric train_loss"),
    "point of a curve": ("UPDATE metrics SET value = 9 WHERE key = 'train_loss' AND step = 1 AND", "curve train_loss"),
    "last duration": (
        "UPDATE latest_metrics SET value = 9e9 WHERE key = 'system/wall_seconds' AND",
        "metric system/wall_seconds",
    ),
    "metric no number": (f"UPDATE latest_metrics SET is_nan = 1 WHERE key = '{METRIC}' AND", f"metric {METRIC}"),
    "parameter changed": ("UPDATE params SET value = 'x' WHERE key = 'model.activation' AND", "parameter model.activ"),
    "parameter removed": ("DELETE FROM params WHERE key = 'model.activation' AND", "parameter model.activation"),
}
IN_FILE = {  # tags of early runs, which provenance.json has since then
    "data_digest": "data",
    "split_digest": "split",
    "configuration_digest": "configuration_digest",
    "git_commit": "git_commit",
}
TAGS = {
    "point_id": "point",
    "weights_digest": "weights_digest",
    "mlflow.source.git.commit": "mlflow.source.git.commit",
    "plainmlp.record": "record",
    "manifest_digest": "manifest_digest",
}
OTHERS = {
    "metric removed": (removed_metric, DIFFERENT, f"metric {METRIC}"),
    "metric added": (added_metric, DIFFERENT, "metric test_praise"),
    "parameter added": (lambda run: run.store.client.log_param(run.run_id, "x", "1"), DIFFERENT, "parameter x"),
    "forged everywhere": (forged_everywhere, DIFFERENT, f"such as {METRIC}"),
    "tag added": (
        lambda run: run.tag("praised", "yes"),
        INCOMPLETE,
        "not compared: tags (added after the run: praised)",
    ),
    "run renamed": (lambda run: run.tag("mlflow.runName", "better"), IDENTICAL, "identical"),
    "run described": (lambda run: run.tag("mlflow.note.content", "good"), IDENTICAL, "identical"),
    "verdict planted": (lambda run: run.tag("verify.verdict", "different"), IDENTICAL, "identical"),
    "nothing": (lambda run: None, IDENTICAL, "identical"),
}


def words_of(judgement) -> str:
    return "\n".join([judgement.summarize(), *judgement.alterations, *(f"{a.name}: {a}" for a in judgement.aspects)])


@pytest.mark.parametrize("name", FILES)
def test_files(classified: Subject, tmp_path: Path, name: str) -> None:
    plant, words = FILES[name]
    judgement = classified.judged(tmp_path / "read", plant)
    assert judgement.verdict is DIFFERENT
    assert words in words_of(judgement)


@pytest.mark.parametrize("name", VALUES)
def test_values(classified: Subject, tmp_path: Path, name: str) -> None:
    statement, words = VALUES[name]
    judgement = classified.judged(tmp_path / "read", lambda run: run.sql(statement))
    assert judgement.verdict is DIFFERENT
    assert words in words_of(judgement)


@pytest.mark.parametrize("key", TAGS | IN_FILE)
def test_tags(classified: Subject, tmp_path: Path, key: str) -> None:
    judgement = classified.judged(tmp_path / "read", lambda run: run.tag(key, "0" * 64))
    assert judgement.verdict is DIFFERENT
    assert (TAGS | IN_FILE)[key] in words_of(judgement)


@pytest.mark.parametrize("key", TAGS)
def test_removed_tags(classified: Subject, tmp_path: Path, key: str) -> None:
    judgement = classified.judged(tmp_path / "read", lambda run: run.untag(key))
    assert judgement.verdict is DIFFERENT
    assert TAGS[key] in words_of(judgement)


@pytest.mark.parametrize("name", OTHERS)
def test_others(classified: Subject, tmp_path: Path, name: str) -> None:
    plant, verdict, words = OTHERS[name]
    judgement = classified.judged(tmp_path / "read", plant)
    assert judgement.verdict is verdict, words_of(judgement)
    assert words in words_of(judgement)


PREDICTED = {
    "row": cell("predictions.csv", 0, "row", "7"),
    "actual": cell("predictions.csv", 0, "actual_price", "1.0"),
    "predicted": cell("predictions.csv", 0, "predicted_price", "1.0"),
    "header": lambda run: run.replace("predictions.csv", "predicted_price", "predicted_prise"),
    "metric": lambda run: run.sql("UPDATE latest_metrics SET value = 1 WHERE key = 'test_r2' AND"),
    "interval": lambda run: run.file("intervals.json", another_end),
    "target": lambda run: run.sql("UPDATE params SET value = 'rent' WHERE key = 'dataset.target' AND"),
}


@pytest.mark.parametrize("name", PREDICTED)
@pytest.mark.parametrize("seal", [lambda plant: plant, resealed], ids=["", "resealed"])
def test_estimates(estimated: Subject, tmp_path: Path, name: str, seal) -> None:
    """Where the record agrees with itself, and nothing is known of it here, it does not agree with the re-execution."""
    judgement = estimated.judged(tmp_path / "read", seal(PREDICTED[name]), checkout=tmp_path)
    assert judgement.verdict is DIFFERENT, words_of(judgement)


def test_estimates_that_nobody_touched(estimated: Subject, tmp_path: Path) -> None:
    assert estimated.judged(tmp_path / "read", lambda run: None).summarize() == "identical"


def test_packages_that_a_run_did_not_have_are_named(classified: Subject, tmp_path: Path) -> None:
    judgement = classified.judged(tmp_path / "read", environment)
    assert [text for text in judgement.environment.packages if text.startswith("numpi ")], judgement.environment
    assert classified.judged(tmp_path / "left", lambda run: None).environment.packages == ()
    without = classified.judged(tmp_path / "without", lambda run: run.remove("provenance/environment.txt"))
    assert without.environment.packages == ()

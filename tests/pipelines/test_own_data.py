"""The user's own CSV, outside of the repository, through both doors; and what happens when it changes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from checkouts import clone, last_ids, run, stages_run, succeed, tracked_runs
from plainmlp.config.inputs import WITHOUT

pytestmark = [pytest.mark.slow, pytest.mark.long]
NETWORK = ("model.hidden_sizes=[6]", "training.epochs=4")
OVERRIDES = ("dataset=table", "dataset.target=kind", *NETWORK)
COLORS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Run a table with a column of categories through `dvc repro`; its path is relative to the user's folder."""
    place = tmp_path_factory.mktemp("user")
    rows = (f"{i * 37 % 101 / 10},{COLORS[i % 3]},{i % 5},{'yes' if i % 4 else 'no'}\n" for i in range(120))
    (place / "my data.csv").write_text("size,color,count,kind\n" + "".join(rows), encoding="utf-8")
    folder = clone(place / "clone")
    repro = ("python", folder / "pipelines" / "repro.py", *OVERRIDES, "dataset.path='my data.csv'")
    return SimpleNamespace(
        folder=folder, place=place, csv=place / "my data.csv", repro=repro, output=succeed(place, *repro)
    )


def _tags(folder: Path) -> list[dict[str, str]]:
    """Return what the latest two runs were of."""
    same = ("point_id", "weights_digest")
    return [{tag: tracked.data.tags[tag] for tag in same} for tracked in tracked_runs(folder / "mlflow.db")[:2]]


def test_both_doors_give_the_same_point_and_weights(own: SimpleNamespace) -> None:
    script = own.folder / "pipelines" / "run.py"
    output = succeed(own.place, "python", script, *OVERRIDES, "dataset.path='my data.csv'")
    latest, before = _tags(own.folder)
    assert latest == before
    assert last_ids(output)["weights_digest"] == before["weights_digest"]


def test_categories_are_columns_of_their_own(own: SimpleNamespace) -> None:
    assert "120 rows of 3 features" in own.output
    assert "split/train" not in own.output
    header = (own.folder / "reports" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "row,actual,predicted,probability_no,probability_yes"


def test_own_file_is_untouched_and_a_second_run_does_nothing(own: SimpleNamespace) -> None:
    before = own.csv.read_bytes(), own.csv.stat().st_mtime_ns
    assert stages_run(succeed(own.place, *own.repro)) == []
    assert (own.csv.read_bytes(), own.csv.stat().st_mtime_ns) == before


def test_edited_cell_is_noticed_by_plain_dvc(own: SimpleNamespace) -> None:
    text = own.csv.read_text(encoding="utf-8")
    own.csv.write_text(text.replace("0.0,red,0,no", "9.9,red,0,no"), encoding="utf-8")
    assert own.csv.read_text(encoding="utf-8") != text
    assert "fetch" in stages_run(succeed(own.folder, "dvc", "repro"))
    assert "up to date" in succeed(own.folder, "dvc", "status", "dvc.yaml")


def test_mistake_in_the_file_is_one_line_and_keeps_the_results(own: SimpleNamespace) -> None:
    text = own.csv.read_text(encoding="utf-8")
    metrics = (own.folder / "reports" / "metrics.json").read_bytes()
    own.csv.write_text(f"{text}1,red,2\n", encoding="utf-8")
    by_script, by_dvc = run(own.place, *own.repro), run(own.folder, "dvc", "repro")
    own.csv.write_text(text, encoding="utf-8")
    line = f"error: {own.csv}: line 122 has 3 cells where the header has 4\n"
    assert (by_script.returncode, by_script.stderr) == (2, line)
    assert by_dvc.returncode != 0
    assert by_dvc.stderr.startswith(line)
    assert "Traceback" not in by_dvc.stderr
    assert (own.folder / "reports" / "metrics.json").read_bytes() == metrics
    succeed(own.folder, "dvc", "repro")


def test_vanished_file_is_named(own: SimpleNamespace) -> None:
    away = own.csv.rename(own.place / "away.csv")
    ended = run(own.place, *own.repro)
    away.rename(own.csv)
    line = f"error: dataset.path: ../my data.csv does not exist (looked for {own.csv}){WITHOUT}\n"
    assert (ended.returncode, ended.stderr) == (2, line)
    succeed(own.place, *own.repro)


def test_run_on_own_data_is_promoted_from_any_folder(own: SimpleNamespace, tmp_path: Path) -> None:
    before = (own.folder / "models" / "model.safetensors").read_bytes()
    run_id = tracked_runs(own.folder / "mlflow.db")[0].info.run_id
    output = succeed(tmp_path, "python", own.folder / "pipelines" / "repro.py", f"run={run_id}")
    assert "train" not in stages_run(output)
    assert (own.folder / "models" / "model.safetensors").read_bytes() == before
    overrides = yaml.safe_load((own.folder / "overrides.yaml").read_text(encoding="utf-8"))["overrides"]
    assert "dataset.path='../my data.csv'" in overrides


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=-1", "error: seed=-1 is not allowed: it must be at least 0\n"),
        ("dataset=cluster", "error: dataset='cluster' is unknown; did you mean 'clusters'? (allowed: "),
    ],
)
def test_mistake_in_an_override_is_one_line_and_changes_nothing(own: SimpleNamespace, override: str, line: str) -> None:
    names = ("overrides.yaml", "params.yaml", "dvc.lock", "reports/metrics.json", "models/model.safetensors")
    before = {name: (own.folder / name).read_bytes() for name in names}
    ended = run(own.place, "python", own.folder / "pipelines" / "repro.py", override)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
    assert {name: (own.folder / name).read_bytes() for name in names} == before


def test_regression_gives_the_same_through_both_doors(own: SimpleNamespace) -> None:
    overrides = ("experiment=sincos", "dataset.n_samples=320", "training.epochs=3")
    succeed(own.folder, "python", "pipelines/repro.py", *overrides)
    succeed(own.folder, "python", "pipelines/run.py", *overrides)
    latest, before = _tags(own.folder)
    assert latest == before
    header = (own.folder / "reports" / "predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "row,actual_sin,actual_cos,predicted_sin,predicted_cos"


@pytest.mark.parametrize("validation", ["0.15", "0"])
def test_plots_are_shown_of_a_regression_too(own: SimpleNamespace, validation: str) -> None:
    overrides = ("experiment=sincos", "dataset.n_samples=320", "training.epochs=3", f"split.validation={validation}")
    succeed(own.folder, "python", "pipelines/repro.py", *overrides)
    ended = run(own.folder, "dvc", "plots", "show")
    assert (ended.returncode, ended.stderr) == (0, "")
    page = (own.folder / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    drawn = [f'"filename": "{part}.csv"' in page for part in ("train", "validation")]
    assert drawn == [True, validation != "0"]
    assert page.count("vegaEmbed(") == 1  # both parts on the same axes
    assert "predicted_against_actual.png" in page


def test_nothing_stays_running(own: SimpleNamespace) -> None:
    assert own.output
    assert {tracked.info.status for tracked in tracked_runs(own.folder / "mlflow.db")} <= {"FINISHED", "FAILED"}

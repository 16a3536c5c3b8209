"""What every run says of where it comes from, on real runs in a real store."""

import hashlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from mlflow import MlflowClient

from plainmlp.composition.compose import parse
from plainmlp.config.canonical import canonical, dump_yaml, parse_yaml
from plainmlp.config.code import digest_result_code
from plainmlp.data.storage import digest_splits
from plainmlp.sweeps.running.archive import ARCHIVE, Archive
from plainmlp.sweeps.running.job import run_point
from plainmlp.sweeps.session import Listed, run_sweep
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.provenance import common_numerics, read_code, training_numerics
from plainmlp.tracking.recording.training import start_run
from pointed import point
from recorded import configuration, record, splits_of

pytestmark = pytest.mark.slow

SMALL = {"dataset__name": "sincos", "dataset__n_samples": 30, "model__hidden_sizes": [3], "training__epochs": 2}
SECRET = "hunter2"
NUMERICS = (
    "blas",
    "blas_version",
    "blas_kernel",
    "numba",
    "threads",
    "simd",
    "cpu",
    "numpy",
    "python",
    "platform",
    "dtype",
)
CODE_TAGS = {"git_commit", "git_dirty", "code_digest", "lock_digest", "environment_digest"}
TRAINING_TAGS = (
    CODE_TAGS | {f"numerics.{name}" for name in NUMERICS} | {"data_digest", "split_digest", "configuration_digest"}
)
USAGE = ("system/wall_seconds", "system/cpu_seconds", "system/peak_memory_megabytes")


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return a repository with a change, a lock file and a remote whose address holds a password."""
    folder = tmp_path / "checkout"
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/config.yaml").write_text("seed: 0\n")
    (folder / "requirements.lock").write_text("numpy==2\n")
    (folder / ".gitignore").write_text("/.plainmlp/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "remote", "add", "origin", f"https://ann:{SECRET}@example.org/x.git")
    (folder / "conf/config.yaml").write_text("seed: 1\n")
    (folder / "conf/new.yaml").write_text("uri: https://example.org\n")
    return folder


def found(address: str, run_id: str) -> SimpleNamespace:
    """Return a run's tags, parameters and metrics, and its files by their path."""
    client = MlflowClient(address)
    run = client.get_run(run_id)
    folder = Path(client.download_artifacts(run_id, ""))
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return SimpleNamespace(tags=run.data.tags, params=run.data.params, metrics=run.data.metrics, files=files)


def assert_files_agree(run: SimpleNamespace, tags: set[str]) -> None:
    """Check that the record holds the tags, and that the digests are those of the files."""
    kept = noted(run)
    assert kept.keys() >= tags
    assert kept["environment_digest"] == digest(run.files["provenance/environment.txt"])
    assert {name: run.tags[name] for name in run.tags.keys() & kept.keys()}.items() <= kept.items()
    patch = run.files.get("provenance/changes.patch")
    assert (run.tags.get("git_dirty") == "true") == (kept["git_dirty"] == "true") == (patch is not None)
    assert run.tags.get("git_diff_digest") == (None if patch is None else digest(patch))
    assert run.tags["mlflow.source.git.commit"] == kept["git_commit"]


def assert_few_tags(run: SimpleNamespace, tags: set[str]) -> None:
    """Check what the page of a finished run shows as its tags, beside what it says of a checkout that is not clean."""
    shown = {name for name in run.tags if not name.startswith(("mlflow.", "git_"))}
    assert shown == tags | {"plainmlp.record", "manifest_digest"}


def noted(run: SimpleNamespace) -> dict[str, str]:
    """Return the tags of provenance that a run has in a file, most of which MLflow's pages need not show."""
    return json.loads(run.files["provenance/provenance.json"])


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def single(address, tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("single")
    config = configuration(**SMALL, split__test=30, tracking={"uri": address, "experiment": "provenance"})
    recorded = record(config, folder)
    return SimpleNamespace(config=config, folder=folder, run=found(address, recorded.run.info.run_id))


def test_single_run_says_where_it_comes_from(single):
    run, splits = single.run, splits_of(single.config)
    assert_files_agree(run, TRAINING_TAGS)
    assert_few_tags(run, {"point_id", "weights_digest"})
    kept = noted(run)
    assert kept["code_digest"] == digest_result_code()
    assert kept["data_digest"] == splits.data_digest
    assert kept["split_digest"] == digest_splits(splits)
    assert (kept["numerics.dtype"], kept["numerics.threads"]) == (single.config.training.dtype, "1")
    assert all(run.metrics[name] > 0 for name in USAGE)


def test_what_is_not_recorded_of_the_code_is_said(checkout, address, capsys):
    (checkout / "conf/new.yaml").write_text(f"uri: https://ann:{SECRET}@example.org\n")
    (checkout / "conf/large.bin").write_bytes(bytes(1_000_001))
    config = configuration(**SMALL, tracking={"uri": address, "experiment": "provenance"})
    with start_run(config, splits_of(config), checkout).closing() as tracked:
        pass
    said = capsys.readouterr().out
    assert "warning: conf/large.bin is over 1 MB" in said
    assert "secrets: conf/new.yaml:1 (a URL with credentials)" in said
    run = found(address, tracked.run_id)
    assert run.tags["git_left_out"] == f"conf/large.bin {digest(bytes(1_000_001))}"
    assert "provenance/changes.patch" not in run.files
    assert not any(SECRET.encode() in content for content in run.files.values())


def test_configuration_is_kept_to_the_byte(single):
    text = single.run.files["config.yaml"]
    assert text == dump_yaml(single.config).encode()
    assert noted(single.run)["configuration_digest"] == digest(text)
    assert parse(parse_yaml(text.decode(), "config.yaml")) == single.config
    assert canonical(parse(yaml.safe_load(text))) == canonical(single.config)


def test_summary_names_the_point(single):
    summary = json.loads((single.folder / "run.json").read_text())
    assert summary["point_id"] == single.run.tags["point_id"]


def test_fingerprint_is_of_the_settings_of_the_training(address, tmp_path):
    tracking = {"uri": address, "experiment": "provenance"}
    config = configuration(**SMALL, training__dtype="float64", training__threads=2, tracking=tracking)
    run = start_run(config, splits_of(config), tmp_path)
    run.end("FINISHED")
    kept = noted(found(address, run.run_id))
    assert (kept["numerics.dtype"], kept["numerics.threads"]) == ("float64", "2")


def test_sweep_has_what_the_fingerprints_of_its_points_have_in_common():
    one = configuration().training
    two = one.model_copy(update={"threads": 2})
    assert common_numerics([one, one]) == training_numerics(one)
    assert training_numerics(one).items() - common_numerics([one, two]).items() == {("numerics.threads", "1")}


def test_dirty_checkout_is_kept_with_the_run(address, checkout):
    config = configuration(**SMALL, tracking={"uri": address, "experiment": "provenance"})
    run = start_run(config, splits_of(config), checkout)
    run.end("FINISHED")
    kept = found(address, run.run_id)
    assert noted(kept)["git_commit"] == git(checkout, "rev-parse", "HEAD")
    assert noted(kept)["lock_digest"] == digest(b"numpy==2\n")
    assert_files_agree(kept, TRAINING_TAGS)
    assert b"b/conf/new.yaml" in kept.files["provenance/changes.patch"]


@pytest.mark.parametrize("has_git", [True, False])
def test_folder_that_is_no_repository_has_no_commit(address, tmp_path, monkeypatch, has_git):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if not has_git:
        git(tmp_path, "init", "--quiet")
        monkeypatch.setenv("PATH", "")
    config = configuration(**SMALL, tracking={"uri": address, "experiment": "provenance"})
    run = start_run(config, splits_of(config), tmp_path)
    run.end("FINISHED")
    kept = found(address, run.run_id)
    assert not {name for name in {*kept.tags, *noted(kept)} if "git" in name or name == "lock_digest"}
    provenance = {"provenance/provenance.json", "provenance/environment.txt"}
    assert set(kept.files) == {"config.yaml", "manifest.json", *provenance}


@pytest.mark.parametrize("is_in_file", [False, True])
def test_no_password_is_recorded(address, checkout, is_in_file):
    if is_in_file:
        (checkout / "conf/new.yaml").write_text(f"uri: https://ann:{SECRET}@example.org\n")
    config = configuration(**SMALL, tracking={"uri": address, "experiment": "provenance"})
    run = start_run(config, splits_of(config), checkout)
    run.end("FINISHED")
    kept = found(address, run.run_id)
    assert kept.tags["git_dirty"] == ("unknown" if is_in_file else "true")
    assert ("provenance/changes.patch" in kept.files) == (not is_in_file)
    for text in (repr(kept.tags), repr(kept.params), *map(repr, kept.files.values())):
        assert SECRET not in text
        assert "example.org/x.git" not in text


def test_no_password_of_a_tracking_address_is_recorded():
    config = configuration(tracking={"uri": "postgresql://ann@host/db", "experiment": "e"})
    uri = (
        f"postgresql://ann:{SECRET}@host/db?sslpassword={SECRET}"  # which a configuration that was checked cannot hold
    )
    config = config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": uri})})
    text, parameters = recorded_text(config), recorded_parameters(config)
    masked = "postgresql://***@host/db?sslpassword=***"
    assert parse_yaml(text, "config.yaml")["tracking"]["uri"] == masked
    assert SECRET not in text + repr(parameters)
    assert canonical(parse(parse_yaml(text, "config.yaml"))) == {
        **canonical(config),
        "tracking": {**canonical(config)["tracking"], "uri": masked},
    }


def test_shortened_parameters_are_noted():
    config = configuration(sweep__name="x" * 7000)
    text, parameters = recorded_text(config), recorded_parameters(config)
    assert configuration_tags(text.encode(), parameters)["parameters_shortened"] == "sweep.name"
    assert parse_yaml(text, "config.yaml")["sweep"]["name"] == "x" * 7000
    assert configuration_tags(b"", {"seed": "0"}) == {"configuration_digest": digest(b"")}


@pytest.fixture
def sweep(address, checkout, tmp_path) -> SimpleNamespace:
    """Run a sweep of two points with the launcher that trains each where it is called."""
    tracking = {"uri": address, "experiment": f"sweep {tmp_path.name}"}
    points = [
        point(seed=seed, tracking=tracking, training__dtype=dtype) for seed, dtype in ((0, "float32"), (1, "float64"))
    ]

    def launch(jobs):
        for job in jobs:
            run_point(job.point.config, job.parent, checkout)

    run_sweep(Listed(points), launch, checkout, tmp_path / "leaderboard")
    client = MlflowClient(address)
    (experiment,) = client.search_experiments(filter_string=f"name = '{tracking['experiment']}'")
    runs = [found(address, run.info.run_id) for run in client.search_runs([experiment.experiment_id])]
    (parent,) = [run for run in runs if "sweep_id" in run.tags]
    return SimpleNamespace(parent=parent, children=[run for run in runs if run is not parent], points=points)


def test_sweep_and_its_points_say_where_they_come_from(sweep, checkout):
    assert_files_agree(sweep.parent, CODE_TAGS)
    assert_few_tags(sweep.parent, {"sweep_id", "plainmlp.checkout"})
    common = {name for name in noted(sweep.parent) if name.startswith("numerics.")}
    assert common == {f"numerics.{name}" for name in NUMERICS} - {"numerics.dtype"}
    assert all(sweep.parent.metrics[name] > 0 for name in USAGE)
    assert {noted(run)["numerics.dtype"] for run in sweep.children} == {"float32", "float64"}
    for run in sweep.children:
        assert_files_agree(run, TRAINING_TAGS)
        assert_few_tags(run, {"point_id", "weights_digest"})
        assert noted(run)["configuration_digest"] == digest(run.files["config.yaml"])
        assert run.files["provenance/changes.patch"] == sweep.parent.files["provenance/changes.patch"]
    for run in (sweep.parent, *sweep.children):
        assert SECRET not in repr(vars(run))


def test_point_keeps_the_fingerprint_of_the_process_that_trained_it(sweep, checkout, address):
    archive, (first, _) = Archive(checkout / ARCHIVE), sweep.points
    kept = archive.load(first.point_id)
    assert kept.numerics["numerics.dtype"] == first.config.training.dtype


def test_code_is_read_once(checkout):
    before = read_code(checkout)
    (checkout / "conf/config.yaml").write_text("seed: 2\n")
    assert read_code(checkout) is before

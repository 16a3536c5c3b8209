"""pipelines/verify.py: real runs of every kind, executed again by a real process, with other code, data, sweeps and kernels."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil
import pytest

from checkouts import clone, commit, last_ids, run, succeed, tracked_runs
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.proof.execution import execute
from plainmlp.proof.rebuilding import source_of
from plainmlp.proof.recorded import read_recorded
from plainmlp.proof.verdict import Verdict
from plainmlp.proof.verification import measure_again
from plainmlp.tracking.store import Store
from planted import Subject, Target, target_of
from recorded import write_flats
from script import Script
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]
DIGITS = ("model.hidden_sizes=[8]", "training.epochs=2")
SKLEARN = ("backend=sklearn", "optimizer.clip_norm=null")
FLATS = (
    "dataset=table",
    "dataset.path=flats.csv",
    "dataset.target=kind",
    "dataset.missing=mean",
    "model.hidden_sizes=[4]",
    "training.epochs=3",
)
KERNELS = ("Haswell", "Nehalem", "SkylakeX", "Prescott")
STEP = "src/plainmlp/nn/optimizers.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone that the tests share, with a table beside its files."""
    folder = clone(tmp_path_factory.mktemp("verify") / "my clone")
    write_flats(folder / "flats.csv")
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def digits(folder: Path) -> str:
    return record(folder, *DIGITS)


@pytest.fixture(scope="module")
def flats(folder: Path) -> str:
    return record(folder, *FLATS)


@pytest.fixture(scope="module")
def dirty(folder: Path) -> SimpleNamespace:
    """Return a run whose code was no commit's: a line was changed, and a module was new; both are gone again."""
    file, new = folder / STEP, folder / "src" / "plainmlp" / "nn" / "factor.py"
    committed = file.read_text()
    changed = committed.replace(
        "import numpy as np\n", "import numpy as np\nfrom plainmlp.nn.factor import FACTOR\n", 1
    )
    changed = changed.replace("np.sqrt(", "FACTOR * np.sqrt(")
    assert changed.count("FACTOR") > 1
    file.write_text(changed)
    new.write_text("FACTOR = 1.25\n")
    run_id = record(folder, *FLATS)
    file.write_text(committed)
    new.unlink()
    (folder / "notes.txt").write_text("of no importance\n")
    commit(folder)
    return SimpleNamespace(run_id=run_id, file=file, committed=committed)


def record(folder: Path, *overrides: str) -> str:
    return last_ids(succeed(folder, "python", "pipelines/run.py", *overrides))["run_id"]


def verify(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "python", "pipelines/verify.py", *words, **variables)


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stdout.splitlines()[-1]


def tracked(folder: Path, run_id: str):
    (found,) = [each for each in tracked_runs(folder / "mlflow.db") if each.info.run_id == run_id]
    return found


def reports(folder: Path, run_id: str) -> list[dict[str, object]]:
    """Return the reports on a run, the latest last."""
    files = sorted((folder / "mlruns" / "plainmlp" / run_id / "artifacts" / "verify").glob("report-*.json"))
    assert [file.with_suffix(".md").exists() for file in files] == [True] * len(files)
    return [json.loads(file.read_text()) for file in files]


def worktrees(folder: Path) -> int:
    return len(succeed(folder, "git", "worktree", "list").splitlines())


def test_single_run_is_identical_and_its_record_says_so(folder: Path, digits: str) -> None:
    ended = verify(folder, digits)
    assert (ended.returncode, last_line(ended), ended.stderr) == (0, "identical", "")
    tags = tracked(folder, digits).data.tags
    assert tags["verify.verdict"] == "identical"
    assert tags["verify.commit"] == tags["mlflow.source.git.commit"]
    assert tracked(folder, digits).info.status == "FINISHED"
    report = reports(folder, digits)[-1]
    assert {aspect["name"]: aspect["outcome"] for aspect in report["aspects"]} == dict.fromkeys(
        (
            "code",
            "data",
            "split",
            "point",
            "initial weights",
            "epochs",
            "weights",
            "history",
            "metrics",
            "predictions",
        ),
        "equal",
    )


def verify_with_another_kernel(folder: Path, run_id: str) -> subprocess.CompletedProcess[str]:
    """Verify with another kernel of OpenBLAS than the run's, which the report names."""
    place = Path(url2pathname(urlsplit(tracked(folder, run_id).info.artifact_uri).path))
    kernel = json.loads((place / "provenance" / "provenance.json").read_text())["numerics.blas_kernel"]
    earlier = len(reports(folder, run_id))
    other = next(name for name in KERNELS if name != kernel)
    ended = verify(folder, run_id, OPENBLAS_CORETYPE=other)
    named = reports(folder, run_id)[-1]["numerics"]
    if not named:
        pytest.skip(f"the BLAS library of this machine does not take the kernel {other}")
    assert named[0].startswith(f"blas_kernel {kernel}, here ")
    assert len(reports(folder, run_id)) == earlier + 1
    assert tracked(folder, run_id).data.tags["verify.verdict"] in last_line(ended)
    return ended


def test_our_own_engine_is_identical_with_another_kernel(folder: Path, digits: str) -> None:
    ended = verify_with_another_kernel(folder, digits)
    assert (ended.returncode, last_line(ended)) == (0, "identical"), ended.stdout


def test_another_library_is_equal_within_tolerance_with_another_kernel(folder: Path) -> None:
    ended = verify_with_another_kernel(folder, record(folder, *DIGITS, *SKLEARN))
    assert ended.returncode == 3, ended.stdout
    assert last_line(ended).startswith("equal within tolerance: weights: ")
    assert "0 of 270 classes changed; with other numerics (blas_kernel " in last_line(ended)


def test_run_on_a_table_is_identical_until_a_byte_of_the_table_changes(folder: Path, flats: str) -> None:
    table = folder / "flats.csv"
    whole = table.read_bytes()
    position = whole.index(b"\n", whole.index(b"\n") + 1) - len(b"9,gross")  # a digit of the first price
    digit = whole[position : position + 1]
    assert digit.isdigit()
    table.write_bytes(whole[:position] + (b"1" if digit != b"1" else b"2") + whole[position + 1 :])
    different = verify(folder, flats)
    table.unlink()
    gone = verify(folder, flats)
    table.write_bytes(whole)
    assert different.returncode == 4, different.stdout
    assert last_line(different).startswith("different: data: data_digest ")
    assert gone.returncode == 2
    assert gone.stderr.startswith("error: dataset.path: ")
    assert gone.stderr.count("\n") == 1


def test_code_of_a_changed_checkout_is_rebuilt_and_removed(folder: Path, dirty: SimpleNamespace) -> None:
    ended = verify(folder, dirty.run_id)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    commit_id = tracked(folder, dirty.run_id).data.tags["mlflow.source.git.commit"][:12]
    assert f"executed again with the code of commit {commit_id} and changes.patch, rebuilt" in ended.stdout
    assert last_line(ended) == "identical (with the run's own changes.patch: 2 files, +4 -2)"
    assert tracked(folder, dirty.run_id).data.tags["verify.verdict"] == last_line(ended)
    assert reports(folder, dirty.run_id)[-1]["verdict"] == last_line(ended)  # what --json prints
    assert worktrees(folder) == 1
    assert succeed(folder, "git", "status", "--porcelain") == ""


def test_code_that_is_here_is_different_in_one_line(folder: Path, dirty: SimpleNamespace) -> None:
    ended = verify(folder, "--here", dirty.run_id)
    assert ended.returncode == 4, ended.stdout
    assert last_line(ended).startswith("different (with the code of this checkout, as --here asks): code: code_digest ")
    assert last_line(ended).endswith("; epochs: 3 digests of 3 epochs, the first that differs is of epoch 0")


def test_interruption_removes_the_rebuilt_code(folder: Path, dirty: SimpleNamespace) -> None:
    with Script(folder, "pipelines/verify.py", dirty.run_id) as process:
        wait_until(lambda: executes(process.pid) or process.poll() is not None, "the re-execution")
        assert process.poll() is None, process.communicate()
        assert worktrees(folder) == 2
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == "interrupted\n"
    assert worktrees(folder) == 1


def executes(pid: int) -> bool:
    """Say whether a process has started the isolated Python of a re-execution."""
    with suppress(psutil.Error):  # a command of git that has just ended
        return any("-I" in child.cmdline() for child in psutil.Process(pid).children())
    return False


def test_altered_patch_is_not_executed(folder: Path, dirty: SimpleNamespace) -> None:
    patch = folder / "mlruns" / "plainmlp" / dirty.run_id / "artifacts" / "provenance" / "changes.patch"
    whole = patch.read_text()
    patch.write_text(whole.replace("1.25", "1.50"))
    ended = verify(folder, dirty.run_id)
    patch.write_text(whole)
    assert ended.returncode == 4
    assert last_line(ended).startswith(
        "different: changes.patch does not have the git_diff_digest of the run; not compared"
    )


@pytest.fixture(scope="module")
def repeated(folder: Path) -> str:
    succeed(folder, "python", "pipelines/repro.py", *FLATS)
    return tracked_runs(folder / "mlflow.db")[0].info.run_id


def test_run_of_dvc_is_identical_and_programs_are_told_so(folder: Path, repeated: str) -> None:
    ended = verify(folder, repeated, "--json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["verdict"], report["exit_code"]) == (0, "identical", 0), (
        ended.stdout + ended.stderr
    )
    assert report["run_id"] == repeated


def subject(folder: Path, run_id: str, place: Path) -> Subject:
    """Execute a run again, once for all planted changes."""
    store = Store(f"sqlite:///{folder / 'mlflow.db'}", "plainmlp")
    recorded = read_recorded(store, run_id, place / "read")
    with source_of(recorded.run.tags, recorded.patch, folder) as source:
        execute(source, recorded.configuration, place / "again", 300.0, 10**11, is_quiet=True)
        again = measure_again(parse(read_yaml(recorded.configuration)), source, place / "again")
    return Subject(target_of(store, folder / "mlflow.db", run_id), folder, again)


PLANTS = {
    "weights": lambda run: run.file("model.safetensors", lambda c: c[:-1] + bytes([c[-1] ^ 1])),
    "history": lambda run: run.replace("history.csv", "0.", "0.1"),
    "metric": lambda run: run.sql("UPDATE latest_metrics SET value = 1 WHERE key = 'test_log_loss' AND"),
    "parameter": lambda run: run.sql("UPDATE params SET value = '7' WHERE key = 'seed' AND"),
    "predictions": lambda run: run.remove("predictions.csv"),
    "figure": lambda run: run.remove("figures/learning_curves.png"),
    "served code": lambda run: run.file("model/code/plainmlp/__init__.py", lambda c: c + b"import os\n"),
    "environment": lambda run: run.replace("provenance/environment.txt", "numpy==", "numpi=="),
    "code_digest": lambda run: run.tag("code_digest", "0" * 64),
    "git_commit": lambda run: run.tag("git_commit", "0" * 40),
    "git_dirty": lambda run: run.tag("git_dirty", "unknown"),
    "manifest": lambda run: (run.remove("manifest.json"), run.untag("manifest_digest")),
}
OF_CHANGES = {
    "patch edited": lambda run: run.replace("provenance/changes.patch", "1.25", "1.50"),
    "patch removed": lambda run: run.remove("provenance/changes.patch"),
    "patch and its digest removed": lambda run: (run.remove("provenance/changes.patch"), run.untag("git_diff_digest")),
    "digest": lambda run: run.tag("git_diff_digest", "0" * 64),
}


def assert_planted(subject: Subject, place: Path, plants: Mapping[str, Callable[[Target], object]]) -> None:
    """Check that a run is sound as it is, and that no planted change is overlooked."""
    assert subject.judged(place / "sound", lambda run: None).summarize() == "identical"
    verdicts = {name: subject.judged(place / name, plant).verdict for name, plant in plants.items()}
    assert verdicts == dict.fromkeys(plants, Verdict.DIFFERENT)


def test_changes_that_are_planted_in_a_run_of_dvc(folder: Path, repeated: str, tmp_path: Path) -> None:
    assert_planted(subject(folder, repeated, tmp_path), tmp_path, PLANTS)


def test_changes_that_are_planted_in_a_run_of_other_code(folder: Path, dirty: SimpleNamespace, tmp_path: Path) -> None:
    assert_planted(subject(folder, dirty.run_id, tmp_path), tmp_path, {**PLANTS, **OF_CHANGES})


def test_code_that_was_recorded_elsewhere_is_executed_only_if_allowed(folder: Path, dirty: SimpleNamespace) -> None:
    aside = folder / ".plainmlp" / "manifests"
    aside.rename(aside.with_name("aside"))
    refused = verify(folder, dirty.run_id)
    allowed = verify(folder, dirty.run_id, "--run-recorded-code")
    aside.with_name("aside").rename(aside)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: this would execute the code of commit ")
    assert refused.stderr.count("\n") == 1
    assert "author  Ann <ann@example.org>" in refused.stdout
    assert " src/plainmlp/nn/optimizers.py |" in refused.stdout
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert last_line(allowed) == "identical (with the run's own changes.patch: 2 files, +4 -2)"


def test_signed_run_is_told_from_one_that_is_not(folder: Path, digits: str, tmp_path: Path) -> None:
    key, allowed = tmp_path / "key", tmp_path / "allowed"
    succeed(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    allowed.write_text(f"ann@example.org {key.with_suffix('.pub').read_text()}")
    signed = record(folder, *FLATS, f"tracking.sign={key}")
    good = verify(folder, signed, "--allowed-signers", str(allowed))
    bad = verify(folder, digits, "--allowed-signers", str(allowed))
    none = verify(folder, digits, "--allowed-signers", "nowhere")
    assert (good.returncode, last_line(good)) == (0, "identical"), good.stdout + good.stderr
    assert bad.returncode == 4
    assert last_line(bad) == "different: manifest.json has no signature of an allowed signer"
    assert (none.returncode, none.stderr) == (2, "error: --allowed-signers nowhere: there is no such file\n")


def test_points_of_a_sweep_are_identical_alone(folder: Path) -> None:
    where, grid = "tracking.experiment=points", ("model.activation=relu,tanh", "hydra/launcher=stacked")
    succeed(folder, "python", "pipelines/run.py", "-m", *FLATS, *grid, "split.validation=0.2", where)
    runs = tracked_runs(folder / "mlflow.db", "points")
    (parent,) = [each.info.run_id for each in runs if "sweep_id" in each.data.tags]
    ended = verify(folder, "--sweep", parent, "--sample", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert last_line(ended) == "identical: the sweep is identical; 2 of 2 points identical"
    after = {
        each.info.run_id: each.data.tags.get("verify.verdict") for each in tracked_runs(folder / "mlflow.db", "points")
    }
    assert after == dict.fromkeys(after, "identical")
    assert len(after) == 3
    said = ended.stdout.splitlines()
    assert (
        len([line for line in said if any(run_id in line for run_id in after) and line.endswith("identical")]) == 2
    ), said


def test_point_that_a_later_sweep_takes_from_the_archive_is_identical(folder: Path) -> None:
    where = ("split.validation=0.2", "tracking.experiment=again")
    for seeds, own in (("0", ("sweep.name=first",)), ("0,1", ("sweep.name=second", "training.digest_every=2"))):
        succeed(folder, "python", "pipelines/run.py", "-m", *FLATS, f"seed={seeds}", *where, *own)
    runs = tracked_runs(folder / "mlflow.db", "again")
    (taken,) = [
        each.info.run_id
        for each in runs
        if each.data.params.get("seed") == "0" and each.data.params["sweep.name"] == "second"
    ]
    ended = verify(folder, taken)
    assert (ended.returncode, last_line(ended)) == (0, "identical"), ended.stdout

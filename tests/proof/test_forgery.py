"""A forged run: its patch hands out the recorded results as its own. It is not executed, and where it may be, told."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import clone, succeed
from configurations import refusal
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.config.code import digest_result_code
from plainmlp.proof.verdict import Verdict
from plainmlp.proof.verification import Terms, verify
from plainmlp.tracking.recording.training import point_of
from planted import Subject
from recorded import splits_of

EVIL = """
import shutil, sys
from pathlib import Path
def retrain(folder):
    Path({marker!r}).touch()
    for name, place in (("model.safetensors", "models"), ("history.csv", "reports"), ("steps.csv", "reports"),
                        ("metrics.json", "reports"), ("intervals.json", "reports"), ("predictions.csv", "reports")):
        (folder / place).mkdir(exist_ok=True)
        shutil.copy(Path({artifacts!r}) / name, folder / place)
if __name__ == "__main__":
    retrain(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("forged") / "clone")


@pytest.fixture
def forged(classified: Subject, repository: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Forge the accuracy of a run wherever the record has it, and leave code that copies the record."""
    run, marker, early = classified.target, tmp_path / "executed", tmp_path / "executed early"
    package = repository / "src" / "plainmlp"
    (package / "proof" / "reexecution.py").write_text(EVIL.format(marker=str(marker), artifacts=str(run.artifacts)))
    (package / "training" / "new.py").write_text("OTHER = 1\n")
    (package.parent / "sitecustomize.py").write_text(f"open({str(early)!r}, 'w')\n")
    succeed(repository, "git", "add", "--all")
    patch = succeed(repository, "git", "diff", "--cached")
    digest_result_code.cache_clear()
    code_digest = digest_result_code(package)
    succeed(repository, "git", "reset", "--quiet", "--hard")
    config = parse(read_yaml(run.artifacts / "config.yaml"))
    with run.restored():
        (run.artifacts / "provenance" / "changes.patch").write_text(patch)
        tags = {
            "git_commit": succeed(repository, "git", "rev-parse", "HEAD").strip(),
            "git_dirty": "true",
            "git_diff_digest": sha256(patch.encode()).hexdigest(),
            "code_digest": code_digest,
            "point_id": point_of(config, splits_of(config), code_digest),
        }
        for key, value in tags.items():
            run.tag(key, value)
        place = run.artifacts / "provenance" / "provenance.json"
        described = json.loads(place.read_text())
        place.write_text(json.dumps({**described, **{key: tags[key] for key in tags if key != "point_id"}}))
        metrics = json.loads((run.artifacts / "metrics.json").read_text())
        assert metrics["test"]["log_loss"] != 0.0
        metrics["test"]["log_loss"] = 0.0
        (run.artifacts / "metrics.json").write_text(json.dumps(metrics))
        for table in ("metrics", "latest_metrics"):
            run.sql(f"UPDATE {table} SET value = 0 WHERE key = 'test_log_loss' AND")
        run.reseal()
        yield SimpleNamespace(run=run, marker=marker, early=early, commit=tags["git_commit"])


@pytest.mark.slow
def test_forged_run_is_not_executed(forged: SimpleNamespace, repository: Path) -> None:
    shown: list[str] = []
    line = refusal(lambda: verify(forged.run.store, forged.run.run_id, repository, show=shown.append))
    assert line.startswith(
        f"this would execute the code of commit {forged.commit[:12]} and changes.patch, which is not"
    )
    assert "changes.patch was not recorded by you in this checkout" in line
    assert "--run-recorded-code" in line
    assert [row for row in shown if "src/sitecustomize.py" in row]
    assert not forged.marker.exists()
    assert not forged.early.exists()


@pytest.mark.slow
def test_forgery_is_told_where_it_may_be_executed(forged: SimpleNamespace, repository: Path) -> None:
    verification = verify(
        forged.run.store, forged.run.run_id, repository, Terms(is_allowed=True, is_quiet=True), lambda line: None
    )
    judgement = verification.judgement
    assert forged.marker.exists()
    assert not forged.early.exists()
    assert judgement.verdict is Verdict.DIFFERENT
    assert judgement.alterations == ()
    assert judgement.summarize().startswith("different (with the run's own changes.patch: 3 files, +")
    assert "such as test_log_loss: 0.0, here " in judgement.summarize()
    assert [a.name for a in judgement.aspects if a.agreement.value == "different"] == ["metrics"]


@pytest.mark.slow
def test_forged_code_digest_alone_has_this_checkouts_code_executed(classified: Subject, repository: Path) -> None:
    """A record that claims to be of this code gets this code, whatever else it holds."""
    run = classified.target
    with run.restored():
        (run.artifacts / "provenance" / "changes.patch").write_text("evil\n")
        judgement = verify(run.store, run.run_id, repository, Terms(is_quiet=True)).judgement
    assert judgement.verdict is Verdict.DIFFERENT
    assert "git_diff_digest" in judgement.summarize()

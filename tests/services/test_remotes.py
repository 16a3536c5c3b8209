"""DVC remotes of a team: what one clone pushes, another pulls, and has an up-to-date pipeline without running a stage."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkouts import clone, commit, run, stages_run, succeed
from servers import Group, free_port
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.services]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PermitRootLogin yes
StrictModes no
PidFile none
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""
Settings = dict[str, str]  # of the remote: `url` and what DVC needs beside it


def dvc(checkout: Path, *words: str) -> str:
    """Run DVC of this environment, which has the remotes' libraries."""
    return succeed(checkout, sys.executable, "-m", "dvc", *words, **KEYS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone in which the pipeline has run, with its results committed."""
    checkout = clone(tmp_path_factory.mktemp("made") / "first clone")
    dvc(checkout, "repro")
    commit(checkout)
    return checkout


def folder_remote(folder: Path) -> Settings:
    return {"url": str(folder / "a remote")}


def ssh_remote(folder: Path) -> Settings:
    """Start a server of SSH on this machine."""
    pytest.importorskip("dvc_ssh", reason="dvc-ssh is installed beside the other libraries only")
    if SSHD is None:
        pytest.skip("sshd is not installed (apt install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "config").write_text(CONFIGURATION.format(port=port, folder=folder))
    log = folder / "log"
    SERVERS.append(Group([SSHD, "-D", "-e", "-f", folder / "config"], log))
    wait_until(lambda: "Server listening" in log.read_text(), "the start of sshd")
    user = os.environ.get("USER", "root")
    return {"url": f"ssh://{user}@127.0.0.1:{port}{folder}/remote", "keyfile": str(folder / "user")}


def s3_remote(folder: Path) -> Settings:
    """Start a server that answers as S3 does, with a bucket."""
    for library in ("dvc_s3", "moto"):
        pytest.importorskip(library, reason=f"{library} is installed beside the other libraries only")
    import boto3

    address = f"http://127.0.0.1:{free_port()}"
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
    SERVERS.append(Group(words, folder / "log"))
    wait_until(lambda: answers(address), "the start of S3")
    account = {"aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **account).create_bucket(Bucket="team")
    return {"url": "s3://team/plainmlp", "endpointurl": address}


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


SERVERS: list[Group] = []


@pytest.fixture(params=[folder_remote, ssh_remote, s3_remote])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    start: Callable[[Path], Settings] = request.param
    try:
        yield start(tmp_path)
    finally:
        while SERVERS:
            SERVERS.pop().kill()


def add_remote(checkout: Path, remote: Settings) -> None:
    dvc(checkout, "remote", "add", "--local", "--force", "--default", "team", remote["url"])
    for key in remote.keys() - {"url"}:
        dvc(checkout, "remote", "modify", "--local", "team", key, remote[key])


def cloned(made: Path, folder: Path, remote: Settings) -> Path:
    succeed(folder, "git", "clone", "--quiet", made, folder / "second clone")
    add_remote(folder / "second clone", remote)
    return folder / "second clone"


def test_clone_that_pulls_runs_no_stage(made: Path, tmp_path: Path, remote: Settings) -> None:
    add_remote(made, remote)
    dvc(made, "push")
    second = cloned(made, tmp_path, remote)
    said = dvc(second, "repro", "--pull")
    assert stages_run(said) == []
    assert "Data and pipelines are up to date." in said
    assert "Data and pipelines are up to date." in dvc(second, "status", "dvc.yaml")
    assert succeed(second, "git", "status", "--porcelain") == ""
    model = Path("models", "model.safetensors")
    assert (second / model).read_bytes() == (made / model).read_bytes()


def test_what_a_remote_lacks_is_made_again_with_the_same_bits(made: Path, tmp_path: Path) -> None:
    remote = folder_remote(tmp_path)
    add_remote(made, remote)
    dvc(made, "push")
    for path in (tmp_path / "a remote").rglob("*"):
        if path.is_file() and path.suffix != ".dir":  # the lists of folders are there, their files are not
            path.unlink()
    second = cloned(made, tmp_path, remote)
    assert run(second, sys.executable, "-m", "dvc", "repro", "--pull").returncode != 0
    assert stages_run(dvc(second, "repro")) == ["fetch", "split", "train", "evaluate"]
    assert succeed(second, "git", "status", "--porcelain") == ""


def test_colleague_without_the_data_file_has_its_results(tmp_path: Path) -> None:
    first, remote = clone(tmp_path / "first clone"), folder_remote(tmp_path)
    table = tmp_path / "own.csv"
    table.write_text("x,kind\n" + "".join(f"{row % 17},{'ab'[row % 17 > 8]}\n" for row in range(200)))
    keys = ("dataset=table", f"dataset.path={table}", "dataset.target=kind", "training.epochs=2")
    succeed(first, sys.executable, "pipelines/repro.py", *keys)
    commit(first)
    add_remote(first, remote)
    dvc(first, "push")
    table.unlink()
    second = cloned(first, tmp_path, remote)
    dvc(second, "pull")
    status = json.loads(dvc(second, "status", "--json", "dvc.yaml"))
    gone = {"data/inputs/dataset.path/file": "deleted"}
    assert status == {"compose": [{"changed outs": gone}], "fetch": [{"changed deps": gone}]}
    for flag in ("--allow-missing", "--pull"):
        said = dvc(second, "repro", flag)
        assert stages_run(said) == []
        assert "Data and pipelines are up to date." in said
    refused = run(second, sys.executable, "-m", "dvc", "repro")
    assert "`dvc pull` and `dvc repro --allow-missing` bring the results" in refused.stderr
    predictions = Path("reports", "predictions.csv")
    assert (second / predictions).read_bytes() == (first / predictions).read_bytes()

"""What processes that were killed leave behind, with real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plainmlp.system import files
from plainmlp.system.files import EARLIER, replace_file, replace_folder, unfinished, write_json

KILLED = """
import os, signal, sys
from pathlib import Path
from plainmlp.system.files import replace_file, replace_folder
folder = Path(sys.argv[1])
with replace_folder(folder / "figures") as figures, replace_file(folder / "model.x.safetensors") as model:
    (figures / "a.png").write_text("half")
    model.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def new_process():
    """Forget which folders were looked through, as a new process does."""
    files._remove_leftovers.cache_clear()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def kill_a_writer(folder: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(folder)]
    source = str(Path(files.__file__).parents[2])
    assert subprocess.run(words, env={"PYTHONPATH": source}, check=False).returncode == -signal.SIGKILL


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    kill_a_writer(tmp_path)
    left = names(tmp_path)
    assert {name.split(".")[1] for name in left} == {"figures", "model"}
    write_json(tmp_path / "metrics.json", {})
    assert names(tmp_path) == {"metrics.json"}


def test_what_another_process_or_machine_writes_stays(tmp_path):
    with replace_folder(tmp_path / "figures"), replace_file(tmp_path / "a.json") as temporary:
        temporary.touch()
        present = names(tmp_path)
        files._remove_leftovers.cache_clear()
        write_json(tmp_path / "metrics.json", {})
        assert names(tmp_path) == {*present, "metrics.json"}
    kill_a_writer(tmp_path)
    for path in [path for path in tmp_path.glob(".*") if path.name.startswith(".model")]:
        own = files._machine()
        path.rename(path.with_name(path.name.replace(own, "0" * 8)))
    (tmp_path / ".figures.old").mkdir()
    files._remove_leftovers.cache_clear()
    write_json(tmp_path / "metrics.json", {})
    assert {name.split("-")[0] for name in names(tmp_path)} == {
        "figures", "a.json", "metrics.json", ".figures.old", ".model.x.new"
    }  # fmt: skip


def test_earlier_folder_stays_until_there_is_another(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    earlier = unfinished(tmp_path / "split", EARLIER)
    earlier = earlier.with_name(earlier.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-"))
    earlier.mkdir()
    for there in (True, False):
        files._remove_leftovers.cache_clear()
        with replace_folder(tmp_path / "split"):
            assert earlier.exists() is there
    assert names(tmp_path) == {"split"}

"""Servers that tests start end with the process that started them, also where that is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from checkouts import ROOT
from databases import new_database
from servers import serving
from waiting import is_at_work, wait_until

pytestmark = pytest.mark.slow
STARTS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from servers import serving
with serving(Path(sys.argv[2])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def test_no_server_outlives_a_killed_test(tmp_path: Path) -> None:
    new_database(tmp_path / "mlflow.db")
    words = [sys.executable, "-c", STARTS, str(ROOT / "tests" / "support"), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        family = psutil.Process(process.pid).children(recursive=True)
        assert server in family
        server.send_signal(signal.SIGSTOP)  # what ends a server that has stopped ends any
        process.kill()
    wait_until(lambda: not any(map(is_at_work, family)), "the end of the server")


def test_server_that_is_ended_is_gone(tmp_path: Path) -> None:
    new_database(tmp_path / "mlflow.db")
    with serving(tmp_path) as server:
        process = psutil.Process(server.pid)
        assert is_at_work(process)
    assert not is_at_work(process)

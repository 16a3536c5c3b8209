"""Servers that tests start end with the process that started them, also where that is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from checkouts import ROOT, environment
from databases import new_database
from servers import serving
from waiting import is_at_work, wait_until

pytestmark = pytest.mark.slow

STARTS_A_GROUP = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from servers import Group
group = Group(["sh", "-c", "sleep 1000 & echo $! $$; wait"], Path(sys.argv[2]))
{then}
"""

STARTS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from servers import serving
with serving(Path(sys.argv[2])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_no_group_outlives_a_killed_test(tmp_path: Path, is_stopped: bool) -> None:
    log = tmp_path / "log"
    program = STARTS_A_GROUP.format(then="sys.stdin.read()")
    words = [sys.executable, "-c", program, str(ROOT / "tests" / "support"), str(log)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        wait_until(lambda: log.exists() and len(log.read_text().split()) == 2, "the start")
        group = [psutil.Process(int(number)) for number in log.read_text().split()]
        assert all(each.is_running() for each in group)
        if is_stopped:
            os.killpg(group[1].pid, signal.SIGSTOP)
        process.kill()
    wait_until(lambda: not any(map(is_at_work, group)), "the end of the server")


def test_group_that_is_ended_leaves_no_guard(tmp_path: Path) -> None:
    program = STARTS_A_GROUP.format(then="group.kill(); import psutil; print(len(psutil.Process().children()))")
    words = [sys.executable, "-c", program, str(ROOT / "tests" / "support"), str(tmp_path / "log")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "0\n"


@pytest.mark.long
def test_no_server_outlives_a_killed_test(tmp_path: Path) -> None:
    new_database(tmp_path / "mlflow.db")
    words = [sys.executable, "-c", STARTS, str(ROOT / "tests" / "support"), str(tmp_path)]
    own = environment()  # so that it shares no Python that forks
    with subprocess.Popen(words, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
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

"""Servers that tests start end with the process that started them, also where that is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from checkouts import ROOT
from waiting import is_at_work, wait_until

STARTS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from servers import Group
group = Group(["sh", "-c", "sleep 1000 & echo $! $$; wait"], Path(sys.argv[2]))
{then}
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_no_server_outlives_a_killed_test(tmp_path: Path, is_stopped: bool) -> None:
    log = tmp_path / "log"
    program = STARTS.format(then="sys.stdin.read()")
    words = [sys.executable, "-c", program, str(ROOT / "tests" / "support"), str(log)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        wait_until(lambda: log.exists() and len(log.read_text().split()) == 2, "the start")
        group = [psutil.Process(int(number)) for number in log.read_text().split()]
        assert all(each.is_running() for each in group)
        if is_stopped:
            os.killpg(group[1].pid, signal.SIGSTOP)
        process.kill()
    wait_until(lambda: not any(map(is_at_work, group)), "the end of the server")


def test_server_that_is_ended_leaves_no_guard(tmp_path: Path) -> None:
    program = STARTS.format(then="group.kill(); import psutil; print(len(psutil.Process().children()))")
    words = [sys.executable, "-c", program, str(ROOT / "tests" / "support"), str(tmp_path / "log")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "0\n"

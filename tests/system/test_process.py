"""Processes: their names, and whether they still live."""

import os
import subprocess
import sys

import psutil
import pytest

from checkouts import ROOT, succeed
from plainmlp.system.errors import InputError
from plainmlp.system.process import CLOCK_STEP, exclusive_lock, is_dead, name_process, own_process


def test_living_process_is_not_dead():
    assert own_process() == name_process(os.getpid())
    assert not is_dead(own_process())


def test_killed_process_is_dead_before_and_after_its_parent_takes_notice():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as process:
        name = name_process(process.pid)
        assert not is_dead(name)
        process.kill()
        psutil.Process(process.pid)  # a zombie, which is still there
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert is_dead(name)
        process.wait()
        assert is_dead(name)


@pytest.mark.parametrize(("seconds", "dead"), [(-1000.0, True), (CLOCK_STEP / 2, False), (-CLOCK_STEP / 2, False)])
def test_later_process_of_the_same_number_is_another_and_a_corrected_clock_is_none(seconds: float, dead: bool):
    host, pid, began = own_process().rsplit(" ", 2)
    assert is_dead(f"{host} {pid} {float(began) + seconds}") == dead


def test_nothing_is_known_of_another_machine():
    _, pid, _ = own_process().rsplit(" ", 2)
    assert not is_dead(f"elsewhere {pid} 1.00")
    assert is_dead(f"{os.uname().nodename} {2**22 + 1} 1.00")


def test_process_that_collects_seldom_ends_without_a_last_look(tmp_path):
    code = """
import atexit, gc
from plainmlp.system.process import NEW_OBJECTS, relax_garbage_collection
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
relax_garbage_collection()
print(gc.get_threshold()[0] == NEW_OBJECTS, gc.isenabled(), gc.get_freeze_count())
"""
    said = succeed(tmp_path, sys.executable, "-c", code, PYTHONPATH=str(ROOT / "src"))
    assert said == "True True 0\nTrue\n"


def test_lock_that_another_process_does_not_release_is_named_in_time(tmp_path):
    with (
        exclusive_lock(tmp_path, "ab12"),
        pytest.raises(InputError, match="ab has been locked by another process for 0 s; wait for that process, or end"),
        exclusive_lock(tmp_path, "ab34", seconds=0.1),
    ):
        pass
    with exclusive_lock(tmp_path, "ab34", seconds=0.1):
        pass

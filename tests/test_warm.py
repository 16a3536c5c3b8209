"""The Python that the tests of commands find on their PATH is as good as the real one."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from checkouts import run, warm_environment
from waiting import is_at_work, wait_until

pytestmark = pytest.mark.slow
SCRIPT = """\
import os, sys
import beside
print(sys.argv, os.getcwd(), os.environ.get("WORD"), __name__, beside.__file__, "mlflow" in sys.modules, input())
print("of errors", file=sys.stderr)
sys.exit(3)
"""
LEAVES = "import subprocess; print(subprocess.Popen(['sleep', '100'], stdout=-3, stderr=-3).pid, flush=True)"
WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "beside.py").touch()
    (tmp_path / "scripts" / "tell.py").write_text(SCRIPT)
    (tmp_path / "scripts" / "wait.py").write_text(WAITS)
    (tmp_path / "scripts" / "leave.py").write_text(LEAVES)
    return tmp_path


def told(folder, **variables):
    """Return how the script ended, and what it said."""
    return subprocess.run(
        ["python", "scripts/tell.py", "one", "two words"],
        cwd=folder,
        env=warm_environment(**variables),
        input="given\n",
        capture_output=True,
        text=True,
        check=False,
    )


def test_script_sees_what_it_would_see_alone(folder):
    ended = told(folder, WORD="a word")
    beside = folder / "scripts" / "beside.py"
    seen = f"['scripts/tell.py', 'one', 'two words'] {folder} a word __main__ {beside} True given\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, seen, "of errors\n")


def test_variables_that_python_reads_when_it_starts_start_another(folder):
    ended = told(folder, PYTHONHASHSEED="1")
    assert ended.returncode == 3
    assert "False given" in ended.stdout


def test_what_is_no_script_is_run_by_the_real_python(folder):
    assert run(folder, "python", "-c", "import sys; print('mlflow' in sys.modules)").stdout == "False\n"
    assert run(folder, "python", "-V").stdout == run(folder, sys.executable, "-V").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_end_it(folder, number):
    words = ["python", "scripts/wait.py"]
    with subprocess.Popen(
        words, cwd=folder, env=warm_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        script = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
    assert process.returncode == -number
    wait_until(lambda: not is_at_work(script), "the end of the script")
    assert os.getpid() != script.pid != process.pid


def test_what_outlives_a_script_has_who_collects_it(folder):
    orphan = psutil.Process(int(run(folder, "python", "scripts/leave.py").stdout))
    assert orphan.parent().cmdline()[-2].endswith("warm.py")
    orphan.kill()
    wait_until(lambda: not orphan.is_running(), "the end of the orphan")

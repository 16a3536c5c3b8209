"""Kills of the command, its workers and the scheduler, on Dask and on Slurm: nothing of the results changes.

And kills of the tests themselves, of which no Slurm is left.
"""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import slurm
from checkouts import ROOT, clone, environment, succeed
from launched import PROCESSES, SCRIPT
from storms import ARGUMENTS, left, weather, weathered
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.services]

KILLS = 20
STARTS = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from slurm import slurm, until
with slurm(Path(sys.argv[2])):
    subprocess.run(["sbatch", "--chdir=/", "--output=/dev/null", "--wrap", "setsid sleep 1000; true"], check=True, stdout=2)
    until(["squeue", "-h", "-t", "running"], "the job")
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], dict[str, bytes]]:
    """Return what the sweep leaves where nothing is killed."""
    folder = clone(tmp_path_factory.mktemp("undisturbed"))
    succeed(folder, "python", SCRIPT, *ARGUMENTS, *PROCESSES, "hydra.sweep.dir=end")
    return left(folder)


@pytest.mark.parametrize("name", ["dask", "slurm"])
def test_kills_change_nothing(name: str, undisturbed, tmp_path: Path, tmp_path_factory) -> None:
    pytest.importorskip({"dask": "distributed", "slurm": "submitit"}[name])
    if name == "slurm" and (reason := slurm.missing()):
        pytest.skip(reason)
    folder = clone(tmp_path)
    with weather(name, tmp_path_factory.mktemp("weather"), folder / "src") as engine:
        killed = weathered(folder, engine, KILLS)
    assert killed.keys() == {"command", "worker", "scheduler"}
    assert left(folder) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_slurm_outlives_its_tests(number: signal.Signals, tmp_path: Path) -> None:
    if reason := slurm.missing():
        pytest.skip(reason)
    configuration = tmp_path / "slurm.conf"
    words = [sys.executable, "-c", STARTS, str(ROOT / "tests" / "support"), str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        found = {each.name() for each in psutil.process_iter() if slurm.is_of(each, configuration)}
        assert found >= {"munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "slurm_script", "sleep"}
        process.send_signal(number)
    wait_until(lambda: not any(slurm.is_of(each, configuration) for each in psutil.process_iter()), "the end of Slurm")

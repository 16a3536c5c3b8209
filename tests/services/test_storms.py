"""Kills of the command, its workers and the scheduler, on Dask and on Slurm: nothing of the results changes."""

from pathlib import Path

import pytest

import slurm
from checkouts import clone, succeed
from launched import PROCESSES, SCRIPT
from storms import ARGUMENTS, left, weather, weathered

pytestmark = [pytest.mark.slow, pytest.mark.services]

KILLS = 10  # of each, since each takes ten seconds


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

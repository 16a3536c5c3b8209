"""What several folders of tests share: one MLflow database, which takes a second to make, and how far tests may go."""

import gc
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import disk_usage

import pytest
from hypothesis import HealthCheck, settings

from checkouts import warm_programs
from databases import SHARED, new_database
from fuzzing import EXAMPLES, SECONDS_AN_EXAMPLE, bounded
from servers import Server, serving

MEMORY = Path("/dev/shm")  # a file system in memory, on Linux, where no test waits for a disk
ENOUGH = 4 * 2**30  # bytes; all that the tests write is less than a tenth of it
WARNINGS_IN_MLFLOW = (
    "The ``noload`` loader strategy is deprecated:DeprecationWarning",
    ".*Any type hint is inferred as AnyType:UserWarning",
    "Operation with range is deprecated:DeprecationWarning",
)

settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=SECONDS_AN_EXAMPLE),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("default")
gc.disable()  # until all tests are found: the collector would look through all that is imported, again and again


def pytest_configure(config: pytest.Config) -> None:
    """Let MLflow warn of itself; every other warning is an error. Several processes share one Python that forks.

    The folders of tests are in memory where there is room.
    """
    for message in WARNINGS_IN_MLFLOW:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")
    if MEMORY.is_dir() and disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # where pytest makes the folders of tests
    starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if starts_others and sys.platform == "linux" and "not slow" not in config.option.markexpr:
        os.environ[SHARED] = str(warm_programs())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several processes begin with the long modules, so that none is left with one while the others are done."""
    if hasattr(config, "workerinput"):
        long = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path.parent.name != "pipelines", item.path not in long))


def pytest_collection_finish() -> None:
    """Spare the collector what was imported for the tests: to look through all of it takes long, again and again."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def bounds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give tests that fuzz a bounded part of the machine."""
    if request.node.get_closest_marker("fuzz") is None:
        yield
        return
    with bounded():
        yield


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own list of places to import from: MLflow adds the code that a loaded model brings along."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a real MLflow store."""
    return new_database(tmp_path_factory.mktemp("store") / "mlflow.db")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a real MLflow server, which a test that stops or kills it lets go on or starts again."""
    folder = tmp_path_factory.mktemp("server")
    new_database(folder / "mlflow.db")  # the server would take longer
    with serving(folder) as server:
        yield server

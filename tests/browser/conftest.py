"""A sweep in a copy of this checkout, MLflow's server on its store, and chromium to look at the server's pages."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checkouts import clone, succeed, tracked_runs
from servers import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GRID = ("model.hidden_sizes=[8],[16,8]", "model.activation=relu,tanh", "seed=0,1,2", "training.epochs=5")
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the pages must do without the internet
)
WAIT = 20_000  # milliseconds that a page may take to show something


@dataclass(frozen=True)
class Sweep:
    """What a sweep left in MLflow, and the address that it printed, of its own page."""

    database: Path
    page: str
    parent: Any
    children: list[Any]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Run a sweep of 12 points under the default launcher of the grids in conf/sweep."""
    checkout = clone(tmp_path_factory.mktemp("swept"))
    output = succeed(checkout, "python", "pipelines/run.py", "sweep=layers_activations", *GRID)
    printed = re.search(r"^mlflow\s+http://127\.0\.0\.1:5000/(\S+)", output, re.MULTILINE)
    assert printed, output
    runs = tracked_runs(checkout / "mlflow.db")
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return Sweep(checkout / "mlflow.db", printed[1], parent, children)


@pytest.fixture(scope="module")
def server(sweep: Sweep) -> Iterator[str]:
    """Serve the sweep's store and yield the server's address."""
    with serving(sweep.database.parent) as server:
        yield server.address


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Open a window that has seen nothing yet, wide enough for every column."""
    with browser.new_context(viewport={"width": 2200, "height": 1100}) as context:
        context.set_default_timeout(WAIT)
        yield context.new_page()

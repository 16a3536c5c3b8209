"""The page on which a network trains in the browser."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkouts import clone, succeed
from live_site import PYODIDE, build_live_page, serving_files
from portable import functions
from portable.golden import read_golden

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
needs_pyodide = pytest.mark.skipif(
    not list(PYODIDE.glob("numpy-*.whl")), reason="Pyodide is not in docs/static/pyodide: make docs-live"
)
LOADING = 60_000  # milliseconds
DIGESTS_FUNCTIONS = """async (source) => {
  const { loadPyodide } = await import(new URL("_static/pyodide/pyodide.mjs", document.baseURI));
  const python = await loadPyodide();
  await python.loadPackage("numpy");
  python.unpackArchive(await (await fetch("_static/live/plainmlp.zip")).arrayBuffer(), "zip");
  python.FS.writeFile("functions.py", source);
  return python.runPython("import json, functions; json.dumps(functions.digest_functions('plain'))");
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_live_page(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def address(site):
    with serving_files(site) as address:
        yield f"{address}/live.html"


@pytest.fixture
def live(page: "Page", address):
    """Open the page and wait for Python."""
    errors = []
    page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - playwright marks what it calls
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.goto(address)
    expect(page.locator("#live-parts")).to_be_visible(timeout=LOADING)
    yield page
    assert errors == []


def train_until(page, loss):
    """Train until the loss is below a number, then pause."""
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function(
        "most => Number(/loss ([0-9.]+)/.exec(document.getElementById('live-figures').textContent)?.[1]) < most",
        arg=loss,
        timeout=LOADING,
    )
    page.get_by_role("button", name="Pause").click()


def test_without_pyodide_the_page_says_what_is_missing(page, site, tmp_path):
    shutil.copytree(site, tmp_path / "html", ignore=shutil.ignore_patterns("pyodide"))
    with serving_files(tmp_path / "html") as address:
        page.goto(f"{address}/live.html")
        expect(page.locator("#live-status")).to_contain_text("Pyodide is not part of this site")
        expect(page.locator("#live-parts")).to_be_hidden()


@needs_pyodide
def test_the_command_of_the_page_gives_the_weights_of_the_page(live, tmp_path):
    checkout = clone(tmp_path)
    train_until(live, 0.7)
    with live.expect_download() as download:
        live.get_by_role("link", name="points.csv").click()
    download.value.save_as(checkout / "points.csv")
    output = succeed(checkout, *shlex.split(live.locator("#live-command").inner_text()))
    digest = live.locator("#live-digest").inner_text()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert re.search(rf"^weights_digest\s+{digest}$", output, re.MULTILINE)


@needs_pyodide
def test_the_elementary_functions_have_the_golden_bits_in_webassembly(page, address):
    page.goto(address)
    source = Path(functions.__file__).read_text(encoding="utf-8")
    assert json.loads(page.evaluate(DIGESTS_FUNCTIONS, source)) == read_golden()[functions.FUNCTIONS_CASE]


@needs_pyodide
def test_points_drawn_by_hand_are_learnt(live):
    live.get_by_role("button", name="Clear").click()
    expect(live.locator("#live-status")).to_have_text("Draw points of class 0, 1, 2.")
    expect(live.locator("#live-start")).to_be_disabled()
    box = live.locator("#live-regions").bounding_box()
    for label, share in enumerate((0.2, 0.5, 0.8)):
        live.locator(f"[name=live-class][value='{label}']").check()
        live.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + share * box["height"])
        live.mouse.down()
        live.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + share * box["height"], steps=10)
        live.mouse.up()
    train_until(live, 0.3)
    expect(live.locator("#live-figures")).to_contain_text("1.00 (test)")


@needs_pyodide
def test_a_telephone_shows_the_page_without_scrolling_sideways(live):
    live.set_viewport_size({"width": 390, "height": 900})
    assert live.evaluate("document.documentElement.scrollWidth") == 390
    assert live.locator("#live-regions").bounding_box()["width"] > 300

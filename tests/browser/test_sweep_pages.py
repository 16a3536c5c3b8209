"""What a person sees of a sweep in MLflow's pages."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=20_000)

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]

SWEPT = ("model.hidden_sizes", "model.activation", "seed")


@pytest.fixture
def runs(page: "Page", server: str, sweep: Any) -> "Page":
    """Open the list of runs, as the sweep's last line of output leads to it."""
    page.goto(f"{server}/{sweep.page}")
    page.get_by_role("main").get_by_role("link", name="Runs", exact=True).click()
    return page


def row(page: "Page", run: Any) -> "Locator":
    """Return the row of a run; the grid draws it in two parts, of which the second may scroll sideways."""
    return page.locator(f'[role=row][row-id="{run.info.run_id}"]')


def unfold(page: "Page", parent: Any) -> None:
    """Show the children of a run in the list."""
    row(page, parent).get_by_role("button").first.click()


def choose_column(page: "Page", name: str) -> None:
    """Show one more column in the list of runs."""
    choice = page.get_by_role("dialog")
    choice.get_by_placeholder("Search columns").fill(name)
    choice.locator("[class*=tree-title]").filter(has_text=re.compile(rf"^{re.escape(name)}$")).click()


def test_list_shows_one_run_that_unfolds_to_the_points(runs: "Page", sweep: Any) -> None:
    links = runs.locator("[role=row] a[href*='/runs/']:not([href*='/artifacts/'])")  # nor the best point's to its model
    expect(links).to_have_text([sweep.parent.info.run_name])
    unfold(runs, sweep.parent)
    expect(links).to_have_count(13)
    for child in sweep.children:
        expect(row(runs, child).get_by_role("link", name=child.info.run_name)).to_be_visible()
    unfold(runs, sweep.parent)
    expect(links).to_have_text([sweep.parent.info.run_name])


def test_swept_values_are_columns(runs: "Page", sweep: Any) -> None:
    unfold(runs, sweep.parent)
    runs.get_by_role("button", name="Columns", exact=True).click()
    for name in SWEPT:
        choose_column(runs, name)
    runs.keyboard.press("Escape")
    for name in SWEPT:
        column = f"[col-id='params.`{name}`']"
        expect(runs.get_by_role("columnheader").and_(runs.locator(column))).to_have_text(name)
        for child in sweep.children:
            expect(row(runs, child).locator(column)).to_have_text(child.data.params[name])


def test_one_chart_has_the_curves_of_all_points(runs: "Page", sweep: Any) -> None:
    unfold(runs, sweep.parent)
    runs.locator("label").filter(has=runs.locator("input[value=CHART]")).click()
    runs.get_by_placeholder("Search metric charts").fill("validation_loss")
    runs.get_by_role("button", name="Toggle visibility of runs").click()
    runs.get_by_role("menuitemradio", name="Show all runs").click()
    chart = runs.locator(".js-plotly-plot")
    expect(chart).to_have_count(1)
    curves = chart.locator(".scatterlayer .trace").filter(has=runs.locator(".point"))
    expect(curves).to_have_count(12)
    epochs = int(sweep.children[0].data.params["training.epochs"])
    expect(curves.locator(".point")).to_have_count(12 * epochs)
    for child in sweep.children:
        expect(runs.get_by_text(f"{child.info.run_name} (validation_loss)", exact=True)).to_be_attached()


def titles(page: "Page", n_charts: int) -> list[str]:
    """Return the headings of the first charts of a page, from the top."""
    chart = page.locator("[data-testid=experiment-view-compare-runs-card-drag-handle]").locator("xpath=..")
    expect(chart.first).to_be_visible()
    return [text.strip() for text in chart.all_inner_texts()[:n_charts]]


def test_charts_begin_with_the_losses_and_what_a_point_came_to(page: "Page", server: str, sweep: Any) -> None:
    address = f"{server}/{sweep.page}".replace(sweep.parent.info.run_id, sweep.children[0].info.run_id)
    page.goto(address)
    page.get_by_role("tab", name="Model metrics").click()
    assert titles(page, 5) == ["train", "validation", "n_parameters", "test_accuracy", "test_average_precision"]


def test_comparison_opens_with_the_swept_keys_against_the_validation_part(
    page: "Page", server: str, sweep: Any
) -> None:
    ids = ",".join(f'"{child.info.run_id}"' for child in sweep.children)
    page.goto(f'{server}/#/compare-runs?runs=[{ids}]&experiments=["{sweep.parent.info.experiment_id}"]')
    drawn = page.locator(".js-plotly-plot .parcoords .axis-title")
    expect(drawn).to_have_text([*sorted(SWEPT), "validation_loss"])


def open_artifacts(page: "Page", address: str) -> "Locator":
    page.goto(address)
    page.get_by_role("tab", name="Artifacts").click()
    return page.get_by_role("main")


def test_sweeps_page_shows_its_heatmap(page: "Page", server: str, sweep: Any) -> None:
    main = open_artifacts(page, f"{server}/{sweep.page}")
    main.get_by_text("figures", exact=True).click()
    main.get_by_text("heatmap.png", exact=True).click()
    picture = main.get_by_role("img", name="figures/heatmap.png")
    expect(picture).to_be_visible()
    page.wait_for_function("picture => picture.naturalWidth > 400", arg=picture.element_handle())


def test_sweeps_page_shows_its_leaderboard(page: "Page", server: str, sweep: Any) -> None:
    main = open_artifacts(page, f"{server}/{sweep.page}")
    main.get_by_text("leaderboard.md", exact=True).click()
    rows = main.get_by_role("table").first.get_by_role("row")
    expect(rows).to_have_count(
        6
    )  # the head, a row for each two layer settings and activations, and the constant answer
    lines = read_artifact(sweep.parent, "leaderboard.md").splitlines()
    best = next(line for line in lines if line.startswith("| 1 |"))
    expect(rows.nth(1).get_by_role("cell")).to_have_text([cell.strip() for cell in best.strip("|").split("|")])


def test_points_page_has_its_weights(page: "Page", server: str, sweep: Any) -> None:
    child = sweep.children[0]
    address = f"{server}/{sweep.page}".replace(sweep.parent.info.run_id, child.info.run_id)
    main = open_artifacts(page, address)
    expect(main.get_by_text("model.safetensors", exact=True)).to_be_visible()


def read_artifact(run: Any, name: str) -> str:
    return (Path(unquote(urlparse(run.info.artifact_uri).path)) / name).read_text(encoding="utf-8")

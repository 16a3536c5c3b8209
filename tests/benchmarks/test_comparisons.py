"""How ways to compare settings are measured: what is simulated, and that the page has what came out."""

import re

import numpy as np
import pytest

import comparisons
from checkouts import ROOT
from plainmlp.sweeps.ranking.comparison import LEVEL


def test_simulated_sweeps_are_as_their_case_says():
    for kind, sizes in (("equal", (1, 0)), ("unequal spread", (np.sqrt(3), 0)), ("2", (1, 2))):
        sweeps = np.array(list(comparisons.simulated(kind, 8, 5, 400)))
        spread, best = sizes
        assert abs(np.sqrt(sweeps.var(axis=2, ddof=1).mean()) - spread) < 0.05
        assert abs(sweeps.mean() - best / 8) < 0.05
        assert (np.diff(sweeps.mean(axis=2), axis=1) <= 0).all()
    assert np.isin(list(comparisons.simulated("coarse", 4, 3, 10)), np.arange(-6, 7)).all()


def test_ways_agree_on_what_is_plain_and_differ_in_their_errors():
    scores = np.array([[9.0, 9.1, 8.9, 9.2], [9.1, 8.9, 9.0, 9.1], [1.0, 1.1, 0.9, 1.2]])
    assert {tuple(method(scores).tolist()) for method in comparisons.METHODS.values()} == {(False, True)}
    errors = [
        comparisons.share("equal", 16, 10, 100, comparisons.METHODS[name])
        for name in ("leaderboards", "with the best, Holm")
    ]
    assert errors[0] < 0.1 < errors[1]


def test_page_has_a_line_for_each_case_and_the_errors_of_leaderboards_are_few():
    text = comparisons.PAGE.read_text(encoding="utf-8")
    assert f"{comparisons.TITLE}\n\n{comparisons.TEXT.format(sweeps=comparisons.SWEEPS)}\n" in text
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) / (\d+) / (\d+) \|", text, re.MULTILINE)
    assert [tuple(map(int, row[:2])) for row in rows] == [
        (k, n) for k in comparisons.SETTINGS for n in comparisons.SEEDS
    ]
    assert max(int(error) for row in rows for error in row[2:]) <= 7


@pytest.mark.parametrize("page", ["README.md", "docs/definitions.md", "docs/sweeps.md"])
def test_pages_say_what_the_level_holds_for(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    level = rf"[Ii]f all settings (are|were) in truth equally good, {100 * LEVEL:g} % of sweeps (would still )?call (one|a row) "
    assert re.search(level, text)

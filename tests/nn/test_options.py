import pytest

from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import Option, fill_options
from plainmlp.nn.schedules import SCHEDULES

TABLES = {"losses": LOSSES, "initializers": INITIALIZERS, "optimizers": OPTIMIZERS, "schedules": SCHEDULES}
OPTIONS = [
    pytest.param(option, id=f"{table}.{name}.{key}")
    for table, entries in TABLES.items()
    for name, entry in entries.items()
    for key, option in entry.options.items()
]


def test_given_values_win_over_defaults():
    options = {"rate": Option(0.5), "count": Option(3)}
    assert fill_options(options, {"rate": 0.0}) == {"rate": 0.0, "count": 3}
    assert fill_options(options, {}) == {"rate": 0.5, "count": 3}


def test_fill_options_leaves_its_arguments_alone():
    options, given = {"rate": Option(0.5)}, {}
    fill_options(options, given)
    assert (options, given) == ({"rate": Option(0.5)}, {})


@pytest.mark.parametrize("option", OPTIONS)
def test_defaults_are_in_their_range(option):
    low, high = option.minimum, option.maximum
    assert low is None or (option.default > low if option.open_minimum else option.default >= low)
    assert high is None or (option.default < high if option.open_maximum else option.default <= high)

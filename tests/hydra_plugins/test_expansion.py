"""Grids are read as Hydra's basic sweeper reads them, and counted without being written out."""

import time

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import refusal
from hydra_plugins.plainmlp_launcher._expansion import _count, read_grid
from multirun import begin

SWEEPS = [
    *("seed=0,1,2", "seed=range(5)", "seed=range(2,11,3)", "seed=range(5,0,-2)", "seed=choice(7,8)", "seed=4"),
    *("model.hidden_sizes=[16],[64,32],[]", "model.activation='a,b',\"c\"", "model.activation=relu,tanh,[relu,tanh]"),
    *("optimizer=sgd,adam", "optimizer=glob(*)", "optimizer=glob([a*,n*],exclude=adam)", "+new={a: 1},{a: [2,{b: c}]}"),
    *(
        "++model.l2=0,1e-3,0.1",
        "~model.bias",
        "model.l2=range(0,1,0.1)",
        "model.l2=range(0.5,0,-0.05)",
        "x=null,true,nan",
    ),
    *(
        "optimizer.learning_rate=tag(log,choice(0.1,1))",
        "seed=sort(3,1,2)",
        "model.l1=float(range(3))",
        "y=a\\,b,c",
        "z=",
    ),
]


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    return begin()[0]


@settings(deadline=None)
@given(arguments=st.lists(st.sampled_from(SWEEPS), max_size=4))
def test_points_are_those_of_the_basic_sweeper(loader: ConfigLoader, arguments: list[str]) -> None:
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    [basic] = [kind for kind in Plugins.instance().discover(Sweeper) if kind.__name__ == "BasicSweeper"]
    [expected] = basic.split_arguments(parsed, None)
    assert list(map(list, read_grid(arguments, loader))) == expected


@pytest.mark.parametrize("argument", SWEEPS)
def test_count_is_the_number_of_values(loader: ConfigLoader, argument: str) -> None:
    [override] = OverridesParser.create(config_loader=loader).parse_overrides([argument])
    assert len(read_grid([argument], loader)) == _count(override)


def test_what_is_shuffled_is_the_same_set(loader: ConfigLoader) -> None:
    assert sorted(read_grid(["seed=shuffle(range(4))"], loader)) == [(f"seed={seed}",) for seed in range(4)]


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("seed=range(100001)", "the grid has 100,001 points (100,001 of seed); allowed: at most 100,000"),
        ("seed=shuffle(range(1,10000000000000000000000))", "the grid has 9,999,999,999,999,999,999,999 points "),
        ("model.l2=range(0,200000.5)", "the grid has 200,001 points "),
        ("seed=range(0)", "seed has no value"),
        ("seed=range(3,1)", "seed has no value"),
        ("optimizer=glob(x*)", "optimizer has no value"),
        ("seed=range(0,inf)", "seed=range(0,inf): the ends of a range must be finite numbers, and its step not 0"),
        ("seed=range(0,nan)", "seed=range(0,nan): the ends"),
        ("seed=range(0,3,0)", "seed=range(0,3,0): the ends"),
        ("seed=interval(0,1)", "seed=interval(0,1): a grid needs single values; write seed=<value>,<value>"),
        ("sweep=optimizers,regularization", "sweep has 2 values; a sweep runs one grid"),
    ],
)
def test_grid_is_refused_at_once(loader: ConfigLoader, argument: str, line: str) -> None:
    start = time.process_time()
    assert refusal(read_grid, [argument], loader).startswith(line)
    assert time.process_time() - start < 1


def test_factors_are_counted_together(loader: ConfigLoader) -> None:
    line = refusal(read_grid, ["seed=range(1000)", "optimizer=sgd,adam", "split.seed=range(51)", "model=deep"], loader)
    assert line.startswith("the grid has 102,000 points (1,000 of seed x 2 of optimizer x 51 of split.seed); ")

"""The space of a search: what is drawn, how it is written, and what has no prior."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from configurations import refusal
from hydra_plugins.plainmlp_launcher._expansion import read_space
from multirun import begin
from plainmlp.sweeps.search.space import Choice, Interval, Space, space_of

SHARES = st.floats(0, 1, exclude_max=True)


@given(SHARES)
def test_drawn_values_are_in_their_interval(share):
    assert 1e-5 <= Interval("a", 1e-5, 1e-1, is_log=True).at(share) <= 1e-1
    assert 0.5 <= Interval("a", 0.5, 2.0).at(share) <= 2.0
    assert Interval("a", 1, 4).at(share) in {1, 2, 3, 4}
    assert Interval("a", 1, 9, step=4).at(share) in {1, 5, 9}
    assert Interval("a", 1, 1000, is_log=True).at(share) in range(1, 1001)
    assert Choice("a", ("x", "y")).at(share) in {"x", "y"}


def test_all_values_of_a_prior_are_drawn_alike():
    shares = [number / 1200 for number in range(1200)]
    for dimension, n_values in (
        (Interval("a", 1, 4), 4),
        (Interval("a", 1, 9, step=4), 3),
        (Choice("a", ("x", "y")), 2),
    ):
        drawn = [dimension.at(share) for share in shares]
        assert {drawn.count(value) for value in set(drawn)} == {1200 // n_values}
    logs = [Interval("a", 1e-4, 1e0, is_log=True).at(share) for share in shares]
    assert [sum(value < end for value in logs) for end in (1e-3, 1e-2, 1e-1)] == [300, 600, 900]


def test_choices_are_combined_and_intervals_cannot_be():
    choices = Choice("a", (1, 2)), Choice("b", ("x", "y", "z"))
    space = Space(choices)
    assert space.combinations() == [{"a": a, "b": b} for a in (1, 2) for b in "xyz"]
    assert space.n_combinations == 6
    wide = Space((*choices, Interval("c", 0.0, 1.0)))
    assert refusal(wide.combinations) == "sweep.trials is missing: c has more values than can be tried one by one"


@pytest.mark.slow
@given(SHARES)
def test_overrides_say_the_very_number(share):
    loader, _ = begin()
    space = Space((Interval("a", 1e-9, 1e22, is_log=True),))
    value = space.at([share])
    ((text,),) = space.overrides(value)
    assert OverridesParser.create(config_loader=loader).parse_override(text).value() == value["a"]


def test_grammar_of_hydra_gives_the_space():
    loader, _ = begin()
    space = read_space(
        [
            "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))",
            "model.hidden_sizes=choice([32],[64,32])",
            "training.batch_size=tag(log,int(interval(8,128)))",
            "training.epochs=range(2,10,3)",
            "model.activation=relu,tanh,relu",
            "model.l2=0.1",
            "seed=range(2)",
            "model.l2=0.2",
        ],
        loader,
    )
    assert space.dimensions == (
        Interval("optimizer.learning_rate", 1e-5, 1e-1, is_log=True),
        Choice("model.hidden_sizes", ("[32]", "[64,32]")),
        Interval("training.batch_size", 8, 128, is_log=True),
        Interval("training.epochs", 2, 8, step=3),
        Choice("model.activation", ("relu", "tanh")),
    )
    assert (space.fixed, space.seeds) == (("model.l2=0.2",), ("seed=0", "seed=1"))
    assert [type(value) for value in space.at([0.5] * 5).values()] == [float, str, int, int, str]
    assert space_of(space.record()).dimensions == space.dimensions


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=0,1", "model.l2=0.1"], "the space of the search is empty"),
        (["model.l2=interval(1,0)"], "model.l2: 1.0 to 0.0 is not an interval to draw from"),
        (["model.l2=interval(0,inf)"], "not an interval to draw from"),
        (["model.l2=tag(log,interval(0,1))"], "has no logarithm to draw"),
        (["training.epochs=tag(log,range(1,9,2))"], "has no logarithm to draw"),
        (["model.l2=tag(sqrt,interval(0,1))"], "allows only the tag log"),
        (["model.l2=tag(log,choice(1,2))"], "allows only the tag log"),
        (["model.l2=range(3,3)"], "model.l2 has no value"),
        (["sweep.seed=0,1"], "sweep.seed has 2 values"),
    ],
)
def test_what_cannot_be_searched_is_refused(arguments, words):
    assert words in refusal(read_space, arguments, begin()[0])


def test_edges_have_each_end_and_each_choice():
    space = Space((Interval("a", 1, 9), Choice("b", ("x",)), Choice("c", ("y", "z"))))
    edges = {tuple(edge.values()) for edge in space.edges()}
    assert edges == {(1, "x", "y"), (9, "x", "y"), (1, "x", "z")}

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entries import same_names
from plainmlp.nn.options import fill_options
from plainmlp.nn.schedules import SCHEDULES, replay, start_schedule


def factors(name, options, epochs, losses=None):
    """Return the factor of each epoch."""
    schedule = start_schedule(name, options, epochs)
    sent = (losses or [1.0] * epochs)[: epochs - 1]
    return [next(schedule), *(schedule.send(loss) for loss in sent)]


# name, options, factors worked by hand
WORKED = [
    ("constant", {}, [1, 1, 1, 1]),
    ("step", {"every_epochs": 2, "factor": 0.1}, [1, 1, 0.1, 0.1, 0.01]),
    ("exponential", {"factor": 0.5}, [1, 0.5, 0.25, 0.125]),
    ("cosine", {}, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ("cosine", {"minimum_factor": 0.2}, [1, 0.2 + 0.4 * (1 + math.sqrt(0.5)), 0.6, 0.2 + 0.4 * (1 - math.sqrt(0.5))]),
    ("linear_warmup", {"warmup_epochs": 4}, [0.25, 0.5, 0.75, 1, 1, 1]),
    ("linear_warmup", {"warmup_epochs": 1}, [1, 1]),
    ("reduce_on_plateau", {"plateau_epochs": 2}, [1, 1, 1, 0.5, 0.5, 0.25]),
]


@pytest.mark.parametrize(("name", "options", "expected"), WORKED)
def test_factors_worked_by_hand(name, options, expected):
    assert factors(name, options, len(expected)) == pytest.approx(expected, rel=1e-14)


def test_every_schedule_is_worked_by_hand():
    same_names(
        {name for name, *_ in WORKED}, SCHEDULES, "add factors worked by hand to WORKED in tests/nn/test_schedules.py"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("step", [1.0] * 10 + [0.5] * 10 + [0.25]), ("exponential", [0.95**i for i in range(21)])],
)
def test_defaults(name, expected):
    assert factors(name, {}, 21) == pytest.approx(expected, rel=1e-14)


def test_plateau_ends_with_a_new_minimum():
    losses = [5, 6, 4, 4.5, 4, 3]  # no new minimum in epochs 1, 3 and 4 (4 is not below 4)
    found = factors("reduce_on_plateau", {"plateau_epochs": 2, "factor": 0.1}, 7, losses)
    assert found == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1])


def test_plateau_does_not_go_below_its_minimum():
    options = {"plateau_epochs": 1, "factor": 0.1, "minimum_factor": 0.03}
    assert factors("reduce_on_plateau", options, 5) == pytest.approx([1, 1, 0.1, 0.03, 0.03])


def test_plateau_counts_a_loss_that_is_not_a_number_as_no_improvement():
    found = factors("reduce_on_plateau", {"plateau_epochs": 1, "factor": 0.5}, 4, [1.0, math.nan, 0.5])
    assert found == [1.0, 1.0, 0.5, 0.5]


@given(st.sampled_from(list(SCHEDULES)), st.integers(1, 60), st.lists(st.floats(0, 1e6), min_size=60, max_size=60))
@settings(max_examples=60, deadline=None)
def test_factors_stay_within_zero_and_one(name, epochs, losses):
    found = factors(name, {}, epochs, losses)
    assert len(found) == epochs
    assert all(0 < factor <= 1 for factor in found)


@pytest.mark.parametrize("name", SCHEDULES)
def test_written_out_defaults_change_nothing(name):
    options = fill_options(SCHEDULES[name].options, {})
    assert factors(name, options, 30) == factors(name, {}, 30)


def test_only_the_losses_before_an_epoch_count():
    """What an epoch's rate is must be known before it is trained."""
    first = factors("reduce_on_plateau", {"plateau_epochs": 1}, 3, [1.0, 0.5, 9.0])
    assert first == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("done", range(5))
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_where_it_was(name, done):
    losses = [3.0, 4.0, 2.0, 2.0, 5.0, 5.0, 5.0]
    options = {"plateau_epochs": 1} if name == "reduce_on_plateau" else {}
    schedule = start_schedule(name, options, 8)
    found = [replay(schedule, losses[:done]), *(schedule.send(loss) for loss in losses[done:])]
    assert found == factors(name, options, 8, losses)[done:]


@pytest.mark.parametrize("epoch", range(101))
def test_cosine_is_that_of_the_library_to_the_last_digits(epoch):
    found = factors("cosine", {}, 101)[epoch]
    assert found == pytest.approx((1 + math.cos(math.pi * epoch / 101)) / 2, rel=1e-12, abs=1e-15)

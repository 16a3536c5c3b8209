"""A configuration in MLflow: every key is one that MLflow takes, and a value that it cannot hold is seen."""

import re

import pytest
from mlflow import MlflowClient
from mlflow.entities import Param

from configurations import CONF, composed, refusal
from nested import NASTY
from plainmlp.composition.compose import compose, parse
from plainmlp.config.canonical import canonical
from plainmlp.tracking.recording.configuration import (
    LONGEST_PARAMETER,
    LONGEST_TAG,
    flat_parameters,
    recorded_parameters,
    shortened_keys,
    shortening_note,
)

EXPERIMENTS = sorted(
    path.relative_to(CONF / "experiment").with_suffix("").as_posix() for path in CONF.glob("experiment/**/*.yaml")
)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_keys_of_every_experiment_are_plain(experiment):
    for key in flat_parameters(canonical(parse(composed(f"experiment={experiment}")))):
        assert re.fullmatch(r"[a-z0-9_.]{1,250}", key)


@pytest.mark.parametrize("key", ["+model.a-b", "+model.initializer.a-b", "+optimizer.x/y", "+training.schedule.a-b"])
def test_other_keys_are_refused_before_they_get_here(key):
    assert refusal(lambda: parse(compose(CONF, [f"{key}=1"])))


def test_values_that_differ_beyond_the_limit_stay_different():
    texts = ["x" * LONGEST_PARAMETER + end for end in "ab"]
    flat = flat_parameters({"a": texts[0], "b": texts[1], "c": "short", "d": {"e": [texts[0]]}})
    assert len(set(flat.values())) == 4
    assert shortened_keys(flat) == ["a", "b", "d.e"]


def test_what_was_chosen_comes_first_and_what_cannot_matter_is_not_there():
    keys = list(recorded_parameters(parse(composed("sweep.metric=validation_loss"))))
    assert keys[0].startswith("model.")
    assert keys.index("seed") < keys.index("dataset.name") < keys.index("dataset.columns")
    assert [key for key in keys if key.startswith(("tracking.", "sweep."))] == ["sweep.metric"]


def test_note_of_many_keys_fits_into_a_tag():
    assert shortening_note(["a", "b.c"]) == "a, b.c"
    note = shortening_note([f"{number:09}" for number in range(1000)])
    assert note.startswith("1000 parameters: 000000000, ")
    assert note.endswith(" ...")
    assert len(note) == LONGEST_TAG


def test_mlflow_takes_every_nasty_value(address, caplog):
    values = [*NASTY, "\udc80 no text", *(chr(code) for code in range(0x20, 0x40))]
    nasty = {f"k{number}": {"name": value, "value": value} for number, value in enumerate(dict.fromkeys(values))}
    flat = flat_parameters({"section": nasty})
    client = MlflowClient(address)
    run = client.create_run(client.create_experiment("nasty"))
    items = [Param(key, value) for key, value in flat.items()]
    for first in range(0, len(items), 100):
        client.log_batch(run.info.run_id, params=items[first : first + 100])
    assert client.get_run(run.info.run_id).data.params == flat
    assert "truncated" not in caplog.text

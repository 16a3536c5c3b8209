"""What the answer for one row takes: every way gives the same answer, and the model's own is quick."""

import numpy as np
import pytest

import prediction
from pointed import point, splits_of, trained_alone


@pytest.mark.slow
def test_every_way_is_timed_and_gives_the_same_answer(tmp_path):
    config = point().config
    model, rows = trained_alone(config).model, splits_of(config).test.features
    calls = prediction.ways(model, rows, tmp_path)
    own, first, *tables = (call() for call in calls.values())
    for answer in (first, *(table.drop(columns="predicted").to_numpy() for table in tables)):
        np.testing.assert_array_equal(answer, own)
    micros = prediction.measure(calls, 3)
    kept = next(iter(micros.values()))
    text = prediction.section(prediction.rows_of(micros))
    assert f"| `Model.predict` | {kept:.0f} | 1.0 |" in text

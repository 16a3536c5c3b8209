"""What a recorded run computed, as overrides of conf/."""

import pytest

from checkouts import ROOT
from configurations import changed
from plainmlp.composition.compose import compose, parse
from plainmlp.sweeps.recorded import split_run_id, with_run
from pointed import SMALL, splits_of
from recorded import EXPERIMENT, record


def test_run_is_told_from_overrides_of_keys():
    assert split_run_id(["run=1", "seed=2", "run=3"]) == (["seed=2"], "3")
    assert split_run_id(["seed=2"]) == (["seed=2"], None)
    assert with_run(["seed=2"], None, ROOT) == ["seed=2"]


@pytest.mark.slow
def test_overrides_of_a_run_compute_what_it_did_and_the_users_own_come_last(address, tmp_path):
    config = parse(changed(**SMALL, tracking={"uri": address, "experiment": EXPERIMENT}, seed=3))
    run_id = record(config, tmp_path / "run").summary["run_id"]
    own = [f"tracking.uri={address}", f"tracking.experiment='{EXPERIMENT}'", "model.dropout=0.25"]
    found = with_run(own, run_id[:8], ROOT)
    assert found[-3:] == own
    again = parse(compose(ROOT / "conf", found))
    assert again == config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.25})})
    assert splits_of(again).data_digest == splits_of(config).data_digest

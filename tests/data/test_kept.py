"""Parted data that is fetched and split once."""

import pytest

from configurations import changed, refusal
from plainmlp.composition.compose import parse
from plainmlp.data import kept as module
from plainmlp.data.kept import KeptSplits, read_once
from plainmlp.data.storage import digest_splits
from plainmlp.tracking.recording.training import point_of
from pointed import files_below, point, splits_of


def again_in(folder):
    """Return what is kept in a folder, as another process finds it."""
    return KeptSplits(folder / "data", folder / "locks")


@pytest.fixture
def kept(tmp_path):
    return again_in(tmp_path)


def test_splits_are_those_of_the_stages_and_are_made_once(kept, tmp_path, monkeypatch):
    config, calls = point().config, []
    monkeypatch.setattr(module, "fetch", lambda dataset, fetch=module.fetch: calls.append(dataset) or fetch(dataset))
    digests = {digest_splits(kept.splits(config.dataset, config.split)) for _ in range(2)}
    assert digests == {digest_splits(splits_of(config))}
    read_once.cache_clear()
    assert digest_splits(again_in(tmp_path).splits(config.dataset, config.split)) in digests
    assert len(calls) == 1


def test_other_sections_have_other_splits(kept):
    sections = [point(**values).config for values in ({}, {"split__seed": 7}, {"dataset__name": "clusters"})]
    digests = {digest_splits(kept.splits(config.dataset, config.split)) for config in sections}
    assert len(digests) == 3


def test_damaged_splits_are_made_again(kept, tmp_path):
    config = point().config
    folder = kept.folder(config.dataset, config.split)
    whole = files_below(folder)
    content = bytearray((folder / "train_features.npy").read_bytes())
    content[-1] ^= 1
    (folder / "train_features.npy").write_bytes(content)
    read_once.cache_clear()
    again_in(tmp_path).splits(config.dataset, config.split)
    assert files_below(folder) == whole


def table(tmp_path, factor):
    rows = [f"{row},{row * factor % 7},{'ab'[row % 2]}" for row in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["x,y,kind", *rows]))
    dataset = {"name": "table", "path": str(tmp_path / "own.csv"), "target": "kind"}
    return parse(changed(dataset=dataset))


def test_a_table_that_was_edited_is_read_anew(kept, tmp_path):
    first = point_of(config := table(tmp_path, 3), kept.splits(config.dataset, config.split))
    second = point_of(config := table(tmp_path, 5), again_in(tmp_path).splits(config.dataset, config.split))
    again = point_of(config := table(tmp_path, 3), again_in(tmp_path).splits(config.dataset, config.split))
    assert first == again != second


def test_data_that_is_missing_is_refused_as_by_fetch(kept, tmp_path):
    config = table(tmp_path, 3)
    (tmp_path / "own.csv").unlink()
    line = refusal(kept.splits, config.dataset, config.split)
    assert "own.csv" in line
    assert line == refusal(module.fetch, config.dataset)

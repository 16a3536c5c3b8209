"""What the digests of states cost: an epoch with a digest beside one without, and the page."""

import pytest

import digests


def test_an_epoch_with_a_digest_is_compared_with_the_one_after_it():
    assert digests.row("a network", [0.011, 0.010, 0.032, 0.030, 0.011]) == "| a network | 20.00 | 11.00 | 7.5 % |"


@pytest.mark.slow
def test_every_epoch_but_the_first_is_timed():
    config = digests.composed("model.hidden_sizes=[4]", "training.epochs=5")
    assert config.training.digest_every == 2
    seconds = digests.epoch_seconds(config)
    assert len(seconds) == 4
    assert min(seconds) > 0


def test_the_page_has_the_rows():
    text = digests.section(["| a network | 1.00 | 2.00 | 100.0 % |"])
    assert text.startswith("## The digests of states\n\n")
    assert text.endswith("|---|--:|--:|--:|\n| a network | 1.00 | 2.00 | 100.0 % |\n")

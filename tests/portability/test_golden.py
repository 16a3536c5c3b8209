"""This machine comes to the bits of the golden file, in both forms."""

import sys

import numpy as np
import pytest

from plainmlp.system.errors import InputError
from portable.cases import CASES, draw_table, read_case, write_cases
from portable.chain import ALL_CASES, FIGURED_CASE, FIGURES_CASE, FORMS, draw_case, run_case
from portable.functions import FUNCTIONS, FUNCTIONS_CASE, INTEGERS, digest_functions, draw_numbers, evaluate
from portable.golden import GOLDEN, RENEW, different_parts, read_golden, write_golden
from portable.places import Outcome


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder)
    return folder


def check(digests, name):
    different = different_parts(digests, read_golden()[name])
    assert different == [], f"{name}: {different[0]} is not as in {GOLDEN.name}; where other bits are meant: {RENEW}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_chain_comes_to_the_golden_bits(name, form, folder):
    check(run_case(read_case(folder, name), form), name)


@pytest.mark.parametrize("form", FORMS)
def test_functions_come_to_the_golden_bits(form):
    check(digest_functions(form), FUNCTIONS_CASE)


def test_figures_have_the_golden_bytes(folder):
    check(draw_case(read_case(folder, FIGURED_CASE)), FIGURES_CASE)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_forms_of_a_function_agree_on_every_bit(name, dtype):
    numbers = draw_numbers(dtype)
    plain, compiled = (evaluate(name, form, numbers).view(INTEGERS[dtype]) for form in FORMS)
    differing = numbers[plain != compiled]
    assert differing.size == 0, f"{name}({differing[0]!r}) and of {differing.size - 1} other {dtype} numbers"


def test_golden_file_has_every_case():
    assert list(read_golden()) == list(ALL_CASES)


def test_plain_form_needs_no_compiled_code(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "plainmlp.nn.compiled.descent", None)
    check(run_case(read_case(folder, "sincos"), "plain"), "sincos")
    with pytest.raises(InputError, match=r"training\.compiled=true is not possible"):
        run_case(read_case(folder, "sincos"), "compiled")


def test_one_other_bit_is_another_digest(folder):
    config = read_case(folder, "sincos")
    rate = np.nextafter(config.optimizer.learning_rate, 2).item()
    other = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"learning_rate": rate})})
    different = different_parts(run_case(other, "plain"), run_case(config, "plain"))
    assert {"epoch 0", "epoch 2", "final weights", "predictions.csv"} <= set(different)
    assert not {"data", "split", "preparation", "initial weights"} & set(different)


def test_drawn_numbers_are_of_every_kind():
    for dtype in INTEGERS:
        numbers = draw_numbers(dtype)
        assert numbers.dtype == dtype
        assert len(numbers) > 1_000_000
        sizes = np.abs(numbers[np.isfinite(numbers)])
        assert 0 < sizes[sizes > 0].min() < np.finfo(dtype).smallest_normal
        assert sizes.max() == np.finfo(dtype).max
        assert ((sizes > 0.1) & (sizes < 32)).sum() > 200_000
        assert np.isnan(numbers).any()
        assert np.isinf(numbers).any()


def test_table_has_gaps_and_categories():
    head, *lines = draw_table().splitlines()
    assert head == "size,depth,colour,weight,value,class"
    assert any(line.startswith(",") for line in lines)
    assert {line.rpartition(",")[2] for line in lines} == {"low", "middle", "high"}


def test_golden_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "golden.json"
    write_golden([Outcome("here", "a", "plain", 1.0, {"data": "0", "epoch 0": "1"})], path)
    assert read_golden(path) == {"a": {"data": "0", "epoch 0": "1"}}


def test_parts_that_lack_or_are_new_differ():
    assert different_parts({"a": "1", "c": "3"}, {"a": "1", "b": "2"}) == ["b", "c"]

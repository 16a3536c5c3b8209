"""The check runs where it says that it does, and says so where it cannot."""

import sys
from dataclasses import replace

import pytest

import portability
from portable import arm, places
from portable.arm import Unavailable, lay_arm, laying_seconds, pinned
from portable.places import AVX2, COMPILED, HERE, SSE, Outcome, Place, environment, narrow_places, run_chain
from portable.report import make_rows, page

WIDE = {"machine": "x86_64", "NumPy": "X86_V2 X86_V3 X86_V4 AVX512_ICL", "BLAS": "SkylakeX", "Numba": "512 bits"}


def test_a_processor_stands_for_older_ones_only():
    assert [place.variables for place in narrow_places(WIDE)] == [AVX2 | COMPILED, SSE | COMPILED]
    assert [place.expected["NumPy"] for place in narrow_places(WIDE)] == ["X86_V2 X86_V3", "X86_V2"]
    assert [place.variables for place in narrow_places({**WIDE, "NumPy": "X86_V2 X86_V3"})] == [SSE | COMPILED]
    assert narrow_places({**WIDE, "machine": "aarch64"}) == []


def test_variables_of_the_terminal_do_not_reach_a_place(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in environment({})
    assert environment(SSE)["OPENBLAS_CORETYPE"] == "Nehalem"


@pytest.fixture
def program(tmp_path):
    """Return a Python that answers as the chain does on a wide processor."""
    path = tmp_path / "python"
    path.write_text('#!/bin/sh\necho \'{"processor": {"machine": "x86_64", "NumPy": "X86_V2 X86_V3"}}\'\n')
    path.chmod(0o755)
    return path


def test_a_setting_without_effect_is_an_error(program, tmp_path):
    place = Place("older", python=program, expected={"NumPy": "X86_V2 X86_V3"})
    assert run_chain(place, tmp_path, []) == ({"machine": "x86_64", "NumPy": "X86_V2 X86_V3"}, [])
    with pytest.raises(RuntimeError, match="NumPy says X86_V2 X86_V3, not X86_V2; a setting has no effect"):
        run_chain(replace(place, expected={"NumPy": "X86_V2"}), tmp_path, [])


def test_a_chain_that_fails_is_an_error(tmp_path, program):
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(RuntimeError, match="older: the chain ended with code 3"):
        run_chain(Place("older", python=program), tmp_path, [])


def test_arm_that_cannot_be_had_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(places, "ARM", tmp_path / "arm")
    assert portability.lay(["plain"]) == []
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == "64-bit ARM is not checked: dpkg cannot be run (No such file or directory)"


def test_what_a_client_said_last_is_the_reason(monkeypatch, tmp_path):
    script = tmp_path / "dpkg"
    script.write_text("#!/bin/sh\necho first >&2\necho last >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(Unavailable, match=r"dpkg failed \(last\)"):
        lay_arm(tmp_path / "arm")


def test_a_python_that_is_there_with_the_same_versions_is_taken(monkeypatch, tmp_path):
    def unpack_wheels(folder, requirements, version):
        assert version == "3.11"

    def unpack_packages(folder):
        (folder / "root" / "usr" / "bin").mkdir(parents=True)
        (folder / "root" / "usr" / "bin" / "python3.11").touch()
        return "qemu"

    monkeypatch.setattr(arm, "_unpack_packages", unpack_packages)
    monkeypatch.setattr(arm, "_unpack_wheels", unpack_wheels)
    monkeypatch.setattr(arm, "_run", lambda command: "aarch64\n")
    assert lay_arm(tmp_path / "arm") == tmp_path / "arm" / "python"
    monkeypatch.setattr(arm, "_unpack_packages", None)
    assert lay_arm(tmp_path / "arm") == tmp_path / "arm" / "python"
    assert laying_seconds(tmp_path / "arm") > 0
    monkeypatch.setattr(arm, "LIBRARIES", ("numpy",))
    with pytest.raises(TypeError):
        lay_arm(tmp_path / "arm")


def test_libraries_are_pinned_with_all_that_they_need():
    found = pinned(["scikit-learn"])
    assert {line.partition("==")[0] for line in found} >= {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"}
    assert not any(line.startswith("pytest") for line in found)
    with pytest.raises(Unavailable, match="no-such-library is not installed here"):
        pinned(["no_such_library"])


def test_the_page_says_what_differs():
    golden = {"a": {"data": "0"}, "b": {"data": "1"}}
    outcomes = [
        Outcome(HERE, "a", "plain", 1.0, {"data": "0"}),
        Outcome(HERE, "b", "plain", 2.0, {"data": "2", "split": "3"}),
        Outcome(HERE, "a", "compiled", 1.0, {"data": "0"}),
    ]
    rows = make_rows(outcomes, golden)
    assert [row.cells() for row in rows] == [
        (HERE, "plain", "2", "1 of 2", "3.0"),
        (HERE, "compiled", "1", "all", "1.0"),
    ]
    assert [row.remarks() for row in rows] == [[f"{HERE}, plain: b differs in data and 1 of the parts after it"], []]
    text = page(rows, {HERE: WIDE}, 25.0, "the command")
    assert f"| {HERE} | plain | 2 | 1 of 2 | 3.0 |" in text
    assert "which took 25 s" in text
    assert sys.prefix not in text

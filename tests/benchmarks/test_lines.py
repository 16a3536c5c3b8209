"""The count of lines: what is code, and which folder it counts for."""

import pytest

from lines import ROOT, code_lines, folder_of, main

MODULE = '''"""What it is for,
over two lines."""

import math  # counts once

# a comment


def area(radius):
    """Return it."""
    text = """counts
    twice"""
    return (
        math.pi
        * radius
    )
'''


def test_code_is_what_is_no_comment_docstring_or_empty_line(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    assert code_lines(tmp_path / "module.py") == 8


def test_a_module_counts_for_its_folder_of_the_package():
    package = ROOT / "src" / "plainmlp"
    assert folder_of(package / "nn" / "compiled" / "plan.py") == "src/plainmlp/nn"
    assert folder_of(package / "__init__.py") == "src/plainmlp"
    assert folder_of(ROOT / "src" / "hydra_plugins" / "plainmlp_launcher" / "launcher.py") == "src/hydra_plugins"
    assert folder_of(ROOT / "pipelines" / "run.py") == "pipelines"


@pytest.mark.slow
def test_the_last_line_is_the_sum(capsys):
    main()
    _, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    counts = {name: [int(count.replace(",", "")) for count in both] for name, *both in rows}
    together = counts.pop("together")
    assert together == [sum(column) for column in zip(*counts.values(), strict=True)]
    assert {"pipelines", "src/plainmlp/nn", "src/plainmlp/sweeps"} <= set(counts)

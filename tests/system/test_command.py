"""How a command ends."""

import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest
from rich.console import Console

from plainmlp.system.command import run_command, run_script, script_parser
from plainmlp.system.errors import InputError, TrainingError


def _raise(error: BaseException) -> None:
    raise error


def test_command_that_goes_well_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (InputError("seed=-1 is not allowed"), 2, "error: seed=-1 is not allowed\n"),
        (TrainingError("the loss is nan"), 1, "error: the loss is nan\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_failure_is_one_line_and_an_exit_code(
    error: BaseException,
    exit_code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert run_command(lambda: _raise(error)) == exit_code
    assert capsys.readouterr() == ("", line)


def test_traceback_is_shown_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert run_command(lambda: _raise(InputError("wrong"))) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("error: wrong\n")


def test_script_asks_for_what_is_missing_and_for_no_override(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, code, line in ((["3f2a"], 0, "3f2a []\n"), (["3f2a", "a=1"], 0, "3f2a ['a=1']\n"), ([], 2, "")):
        monkeypatch.setattr(sys, "argv", ["script.py", *words])
        parser = script_parser("Help.")
        parser.add_argument("run_id")
        with pytest.raises(SystemExit) as ended:
            run_script(parser, lambda given: sys.stdout.write(f"{given.run_id} {given.overrides}\n"))
        assert ended.value.code == code
        shown = capsys.readouterr()
        assert shown.out == line
    assert shown.err.endswith("the following arguments are required: run_id\n")


def test_mistake_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: _raise(ZeroDivisionError()))


def test_letters_that_a_terminal_cannot_show_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = BytesIO()
    terminal = TextIOWrapper(shown, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run_command(lambda: Console().print("0.9 ± 0.1")) == 0
    terminal.flush()
    assert shown.getvalue() == b"0.9 ? 0.1\n"


@pytest.mark.parametrize("n_lines", [1, 100_000])
def test_output_that_nothing_reads_any_more_ends_a_command_silently(n_lines: int) -> None:
    body = f"print(*range({n_lines}), sep='\\n')"
    code = f"import sys; from plainmlp.system.command import run_command; sys.exit(run_command(lambda: {body}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141

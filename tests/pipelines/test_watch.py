"""pipelines/watch.py: an animation of a configuration, or of a run that was recorded."""

from pathlib import Path

import pytest

from configurations import refusal

pytestmark = pytest.mark.slow


def test_a_file_is_written_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from watch import main

    monkeypatch.chdir(tmp_path)
    main(["experiment=sincos", "dataset.n_samples=200", "training.epochs=2"], Path("sincos.gif"))
    assert capsys.readouterr().out == "2 of 2 epochs shown: sincos.gif\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sincos.gif"]


def test_another_format_is_refused_before_anything_is_trained() -> None:
    from watch import main

    assert refusal(main, [], Path("training.mp4")) == "--to training.mp4 is not allowed: it must end with .gif"

"""pipelines/describe.py: a table is shown, and nothing is trained."""

from pathlib import Path

import pytest

from plainmlp.system.errors import InputError

LINES = [
    "Kunde;Größe;Tag;Preis",
    *(f"K{row};1{row},5;{row % 28 + 1:02}.{row % 12 + 1:02}.2020;{row}" for row in range(60)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "meine Kunden.csv"
    file.write_text("\n".join(LINES), encoding="utf-8")
    return file


def described(path: Path, *overrides: str) -> None:
    from describe import main

    main(path, list(overrides))


def test_every_column_is_shown_with_what_to_do(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described(path, "target=Preis")
    first, note, _, *rows = capsys.readouterr().out.splitlines()
    assert first == f"{path}: 60 rows, 4 columns"
    assert note == "read with separator semicolon, decimal comma"
    found = {row.split()[0]: row for row in rows}
    assert "dataset.id=Kunde" in found["Kunde"]
    assert "number" in found["Größe"]
    assert "dataset.dates=parts or days" in found["Tag"]
    assert "target" in found["Preis"]


def test_keys_are_those_of_a_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described(path, "dataset.target=Preis", "id=Kunde", "dates=parts", "drop=['Größe']")
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[3:]]
    assert [row[:2] for row in rows] == [["Kunde", "id"], ["Größe", "drop"], ["Tag", "feature"], ["Preis", "target"]]
    assert rows[2][2] == "date"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), r"name the column to predict.*\(columns: Kunde, Größe, Tag, Preis\)"),
        (("target=preis",), "did you mean 'Preis'"),
        (("target=Preis", "dat=parts"), "dataset.dat is an unknown key; did you mean 'dataset.dates'"),
        (("target=Preis", "drop=[Größe]"), r"put quotes around such letters.* \"dataset.drop=\['Größe'\]\"$"),
        (("target=Größe", "drop=[Tag,Kunde]"), r"put quotes around such letters.* \"dataset.target='Größe'\"$"),
    ],
)
def test_a_mistake_is_one_line(path: Path, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        described(path, *overrides)
    assert "\n" not in str(caught.value)

from pathlib import Path

import pytest

from dag import MAIN
from plainmlp.config.inputs import INPUT_KEYS, link_input, remove_dangling_links
from plainmlp.system.errors import InputError


def test_link_reaches_the_users_file_and_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("a\n")
    link_input(tmp_path / "clone" / "data" / "inputs", "dataset.path", "../my.csv", tmp_path / "clone")
    assert (tmp_path / "clone" / "data" / "inputs" / "dataset.path" / "file").resolve() == (
        tmp_path / "my.csv"
    ).resolve()
    assert (tmp_path / "clone" / "data" / "inputs" / "dataset.path" / "file").read_text() == "a\n"


def test_relative_link_survives_a_move_of_repository_and_data(tmp_path: Path) -> None:
    (tmp_path / "here" / "clone").mkdir(parents=True)
    (tmp_path / "here" / "my.csv").write_text("a\n")
    link_input(
        tmp_path / "here" / "clone" / "data" / "inputs", "dataset.path", "../my.csv", tmp_path / "here" / "clone"
    )
    (tmp_path / "here").rename(tmp_path / "there")
    assert (tmp_path / "there" / "clone" / "data" / "inputs" / "dataset.path" / "file").read_text() == "a\n"


def test_another_folder_takes_the_links_place_and_the_first_is_untouched(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "first").chmod(0o750)
    for name in ("first", "second"):
        link_input(tmp_path / "data" / "inputs", "dataset.path", str(tmp_path / name), tmp_path)
    assert (tmp_path / "data" / "inputs" / "dataset.path" / "file" / "file").read_text() == "second"
    assert [path.name for path in (tmp_path / "first").iterdir()] == ["file"]
    assert (tmp_path / "first").stat().st_mode & 0o777 == 0o750


def test_without_a_path_the_link_leads_to_a_file_that_says_so(tmp_path: Path) -> None:
    link_input(tmp_path, "model.weights", None, tmp_path)
    assert (tmp_path / "model.weights" / "file").read_text() == "no file is named\n"
    assert (tmp_path / "model.weights.txt").read_text() == "model.weights: None\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.weights", "model.weights.txt", "none"]


def test_missing_file_is_named_and_changes_nothing(tmp_path: Path) -> None:
    link_input(tmp_path, "dataset.path", None, tmp_path)
    with pytest.raises(InputError, match=r"dataset.path: gone.csv does not exist \(looked for .*gone.csv\)"):
        link_input(tmp_path, "dataset.path", "gone.csv", tmp_path)
    assert (tmp_path / "dataset.path.txt").read_text() == "dataset.path: None\n"
    assert (tmp_path / "dataset.path" / "file").is_file()


def test_who_has_not_the_file_of_before_is_told_how_to_get_its_results(tmp_path: Path) -> None:
    (tmp_path / "my.csv").touch()
    link_input(tmp_path / "data" / "inputs", "dataset.path", "my.csv", tmp_path)
    (tmp_path / "my.csv").unlink()
    with pytest.raises(InputError, match="`dvc pull` and `dvc repro --allow-missing` bring the results"):
        link_input(tmp_path / "data" / "inputs", "dataset.path", "my.csv", tmp_path)
    with pytest.raises(InputError, match=r"looked for .*other.csv\)$"):
        link_input(tmp_path / "data" / "inputs", "dataset.path", "other.csv", tmp_path)


def test_only_dangling_links_are_removed(tmp_path: Path) -> None:
    (tmp_path / "my.csv").touch()
    link_input(tmp_path / "data" / "inputs", "dataset.path", "my.csv", tmp_path)
    link_input(tmp_path / "data" / "inputs", "model.weights", None, tmp_path)
    remove_dangling_links(tmp_path / "data" / "inputs")
    assert (tmp_path / "data" / "inputs" / "dataset.path" / "file").exists()
    (tmp_path / "my.csv").unlink()
    remove_dangling_links(tmp_path / "data" / "inputs")
    assert not (tmp_path / "data" / "inputs" / "dataset.path" / "file").is_symlink()
    assert (tmp_path / "data" / "inputs" / "model.weights" / "file").exists()


def test_stage_compose_lists_a_link_and_a_note_for_every_path_of_the_configuration() -> None:
    listed = [next(iter(entry)) for entry in MAIN["compose"]["outs"]]
    expected = [f"data/inputs/{section}.{key}{end}" for section, key in INPUT_KEYS for end in (".txt", "/file")]
    assert [name for name in listed if name.startswith("data/inputs/")] == expected

"""Links to the user's own files, which make them dependencies of the pipeline wherever they are."""

import os
from collections.abc import Callable
from pathlib import Path

from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file

INPUTS = Path("data") / "inputs"
# section and key of each path in the configuration; for each, stage compose in dvc.yaml lists a link and its note
INPUT_KEYS = (("dataset", "path"), ("model", "weights"))

# for a file that another checkout has, or that this one had before
WITHOUT = "; without it, `dvc pull` and `dvc repro --allow-missing` bring the results that were pushed"

# in the note beside a link, for a colleague who does not have the file and follows DVC's error
ADVICE = """
Without that file, DVC stops at the link beside this note: [Errno 2] No such file or directory. Remove the link; then
`dvc pull` and `dvc repro --allow-missing` bring the results that were pushed.
"""


def named_inputs(config: Config) -> dict[str, str | None]:
    """Return the path under each key that may name one, such as `dataset.path`, or None."""
    return {f"{section}.{key}": getattr(getattr(config, section), key) for section, key in INPUT_KEYS}


def locate_inputs(config: Config, locate: Callable[[str, str], Path]) -> Config:
    """Return a configuration with each path, such as `dataset.path`, replaced by ``locate(key, path)``."""
    for name, key in INPUT_KEYS:
        section = getattr(config, name)
        path = getattr(section, key)
        if path is not None:
            located = section.model_copy(update={key: str(locate(f"{name}.{key}", path))})
            config = config.model_copy(update={name: located})
    return config


def link_input(folder: Path, key: str, path: str | None, root: Path, *, is_copy: bool = False) -> None:
    """Link the name of a key, in a folder, to the user's file or folder, and write a note with its path beside the link.

    Parameters
    ----------
    path : str, optional
        The key's value. Without one the link points to the note.
    root : Path
        The root of the repository, where relative paths begin.
    is_copy : bool
        Whether the folder is in a copy of the repository, as DVC runs a queued experiment in: its links are absolute,
        since DVC brings them from there into the repository.

    Notes
    -----
    DVC hashes what a link points to, and fails at a link that points nowhere before any stage can mend it. It compares
    the note first, which tells it of another path even then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{key}.txt"
    text = f"{key}: {path}\n{'' if path is None else ADVICE}"
    was_there = note.exists() and note.read_text(encoding="utf-8") == text
    target = Path(note.name) if path is None else _target(key, path, root, WITHOUT if was_there else "")
    if path is not None and not Path(path).is_absolute() and not is_copy:  # repository and data can move together
        target = Path(os.path.relpath(target, folder.resolve()))
    with replace_file(note) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    new = folder / f"{key}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(folder / key)


def found_inputs(config: Config, root: Path) -> Config:
    """Return a configuration with absolute paths; relative ones begin at the current folder, else at the checkout."""
    return locate_inputs(config, lambda key, path: (Path(path) if Path(path).exists() else root / path).resolve())


def linked_inputs(config: Config, folder: Path) -> Config:
    """Return a configuration with the paths that the links in a folder point to."""
    return locate_inputs(config, lambda key, path: (folder / key).resolve())


def remove_dangling_links(folder: Path) -> None:
    """Remove links that point nowhere, so that compose runs again and can say what is missing."""
    for link in folder.iterdir() if folder.is_dir() else ():
        if link.is_symlink() and not link.exists():
            link.unlink()


def _target(key: str, path: str, root: Path, hint: str) -> Path:
    """Return the user's file or folder; the hint ends the message if there is none."""
    given = root / path
    target = given.parent.resolve() / given.name  # a link of the user's stays a link
    if not target.exists():
        message = f"{key}: {path} does not exist (looked for {target}){hint}"
        raise InputError(message)
    return target

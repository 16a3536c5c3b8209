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


def named_inputs(config: Config) -> dict[str, str | None]:
    """Return the paths that a configuration names, such as `dataset.path`, by their keys; None where it names none."""
    return {f"{section}.{key}": getattr(getattr(config, section), key) for section, key in INPUT_KEYS}


def locate_inputs(config: Config, locate: Callable[[str, str], Path]) -> Config:
    """Return a configuration with other paths, such as absolute ones, which mean the same everywhere on this machine.

    Parameters
    ----------
    locate : callable (key, path) -> Path
        Says where the path under a key is. It is not called for a key without one.
    """
    for name, key in INPUT_KEYS:
        section = getattr(config, name)
        path = getattr(section, key)
        if path is not None:
            located = section.model_copy(update={key: str(locate(f"{name}.{key}", path))})
            config = config.model_copy(update={name: located})
    return config


def link_input(folder: Path, key: str, path: str | None, root: Path) -> None:
    """Link a fixed name to a file or folder of the user, and write beside it where that is.

    Parameters
    ----------
    folder : Path
        Where the link and the note are made.
    key : str
        The configuration key that holds the path; names the link.
    path : str, optional
        The key's value. Without one the link points to the note.
    root : Path
        What a relative path is relative to: the root of the repository.

    Notes
    -----
    DVC hashes what a link points to. A link that points nowhere is an error to DVC before any stage can mend it; the
    note, which DVC compares first, tells it of another path even then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{key}.txt"
    target = note.name if path is None else _target(folder, key, path, root)
    with replace_file(note) as temporary:
        temporary.write_text(f"{key}: {path}\n", encoding="utf-8", newline="\n")
    new = folder / f"{key}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(folder / key)


def found_inputs(config: Config, root: Path) -> Config:
    """Return a configuration whose relative paths are looked for in the current folder, then in the checkout."""
    return locate_inputs(config, lambda key, path: (Path(path) if Path(path).exists() else root / path).resolve())


def linked_inputs(config: Config, folder: Path) -> Config:
    """Return a configuration with the user's own paths, suffix and all, that the links in a folder stand for."""
    return locate_inputs(config, lambda key, path: (folder / key).resolve())


def remove_dangling_links(folder: Path) -> None:
    """Remove the links that point nowhere, so that compose runs again and can say what is missing."""
    for link in folder.iterdir() if folder.is_dir() else ():
        if link.is_symlink() and not link.exists():
            link.unlink()


def _target(folder: Path, key: str, path: str, root: Path) -> str:
    """Return the target as the user gave it: absolute, or relative so that repository and data can move together."""
    given = root / path
    target = given.parent.resolve() / given.name  # a link of the user's stays a link
    if not target.exists():
        message = f"{key}: {path} does not exist (looked for {target})"
        raise InputError(message)
    return str(target) if Path(path).is_absolute() else os.path.relpath(target, folder.resolve())

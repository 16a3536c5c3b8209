"""Links to the user's own files, which make them dependencies of the pipeline wherever they are."""

import os
from collections.abc import Callable
from pathlib import Path

from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError
from plainmlp.system.files import write_text

INPUTS = Path("data") / "inputs"
# section and key of each path in the configuration; for each, stage compose in dvc.yaml lists a link and its note
INPUT_KEYS = (("dataset", "path"), ("model", "weights"))

# A key's path in INPUTS leads to a folder with a link to the user's file. That folder is in `LOCAL`, which git ignores, so
# that in a clone DVC finds the file to be missing, and not a link that points nowhere; if no path is given it is `NONE`.
LOCAL = Path(os.pardir, os.pardir, ".plainmlp", "inputs")
NONE, FILE = Path("none"), "file"
# for a file that another checkout has, or that this one had before
WITHOUT = "; without it, `dvc pull` and `dvc repro --allow-missing` bring the results that were pushed"


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


def link_input(folder: Path, key: str, path: str | None, root: Path) -> None:
    """Let `FILE` under the name of a key, in a folder, lead to the user's file or folder, and note its path beside it.

    The path is the key's value; relative ones begin at the root of the repository.

    Notes
    -----
    DVC hashes what a link points to. It compares the note first, which tells it of another path in any case.
    """
    place = NONE if path is None else LOCAL / key
    note, text, link = folder / f"{key}.txt", f"{key}: {path}\n", folder / place / FILE
    if path is None:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text("no file is named\n", encoding="utf-8")
    else:
        was_there = note.exists() and note.read_text(encoding="utf-8") == text
        _link(link, _target(folder / place, key, path, root, WITHOUT if was_there else ""))
    write_text(note, text)
    _link(folder / key, str(place))


def _link(link: Path, target: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def found_inputs(config: Config, root: Path) -> Config:
    """Return a configuration with absolute paths; relative ones begin at the current folder, else at the checkout."""
    return locate_inputs(config, lambda key, path: (Path(path) if Path(path).exists() else root / path).resolve())


def linked_inputs(config: Config, folder: Path) -> Config:
    """Return a configuration with the paths that the links in a folder point to."""
    return locate_inputs(config, lambda key, path: (folder / key / FILE).resolve())


def remove_dangling_links(folder: Path) -> None:
    """Remove links to files that have gone since, at which DVC would stop: compose runs again and says what is missing."""
    for section, key in INPUT_KEYS:
        link = folder / f"{section}.{key}" / FILE
        if link.is_symlink() and not link.exists():
            link.unlink()


def _target(folder: Path, key: str, path: str, root: Path, hint: str) -> str:
    """Return the target as the user gave it: absolute, or relative so that repository and data can move together.

    The hint ends the message if there is no such file.
    """
    given = root / path
    target = given.parent.resolve() / given.name  # a link of the user's stays a link
    if not target.exists():
        message = f"{key}: {path} does not exist (looked for {target}){hint}"
        raise InputError(message)
    return str(target) if Path(path).is_absolute() else os.path.relpath(target, folder.resolve())

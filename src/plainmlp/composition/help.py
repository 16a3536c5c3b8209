"""What `run.py --help` prints: every group and key of conf/ with its comment, read from the files as they stand.

It imports nothing that is slow, so that the page is there at once.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from plainmlp.system.errors import InputError
from plainmlp.system.wording import unknown_name

USAGE = """\
Fetch, split, train, evaluate and record in one process.

usage: python pipelines/run.py [GROUP=FILE ...] [KEY=VALUE ...]
       python pipelines/run.py -m KEY=VALUE,VALUE,...             every combination

GROUPS with their files in conf/, and the KEYS in them (with --help GROUP=FILE, those of another file)
"""
EXAMPLES = """\
EXAMPLES

  python pipelines/run.py
  python pipelines/run.py experiment=clusters model.hidden_sizes=[8,4] model.activation=tanh
  python pipelines/run.py dataset=table dataset.path=mine.csv dataset.target=price
  python pipelines/run.py optimizer=sgd optimizer.learning_rate=0.1 'optimizer.schedule={name: cosine}'
  python pipelines/run.py -m model.activation=relu,tanh seed=0,1,2
  python pipelines/run.py experiment=mnist --cfg job              what all of it comes to, without a run

Hydra's own flags: --hydra-help. One line for a mistake; HYDRA_FULL_ERROR=1 shows the traceback.
"""
_GROUP = re.compile(r"^  - (?P<group>\w+): (?P<file>\w+) # (?P<comment>.*)$", re.MULTILINE)
_KEY = re.compile(r"^(?P<key>\w+): (?P<value>.*?)(?P<comment> # .*)?$")


def help_page(conf_folder: Path, overrides: Sequence[str]) -> str:
    """Return the page for the files that a run starts from, or that overrides choose, such as ``optimizer=sgd``."""
    contents = (conf_folder / "config.yaml").read_text(encoding="utf-8")
    chosen = dict(override.split("=", 1) for override in overrides if "=" in override)
    sections = []
    for group, file, comment in groups_of(contents):
        name = chosen.get(group, file)
        files = sorted(path.stem for path in (conf_folder / group).glob("*.yaml"))
        if name != file and name not in files:
            raise InputError(unknown_name(group, name, files))
        title = f"{group}={name}: {comment}; files: {', '.join(files)}"
        lines = [] if name == "null" else _described(conf_folder / group / f"{name}.yaml")
        sections.append("\n".join([title, *(f"  {line}" for line in lines)]))
    seed = contents[contents.rindex("\n\n") :].strip()
    return "\n".join([USAGE, *(f"{section}\n" for section in [*sections, seed]), EXAMPLES])


def groups_of(contents: str) -> list[tuple[str, str, str]]:
    """Return each group that conf/config.yaml lists, with the file that a run starts from and the comment."""
    return _GROUP.findall(contents)


def _described(file: Path) -> list[str]:
    """Return the first comment and the keys of a group's file; a file of several sections is returned unchanged."""
    first, *rest = filter(None, file.read_text(encoding="utf-8").splitlines())
    if first.startswith("# @package"):
        return rest
    return [first, *(f"{key}: {value}{comment}" for key, (value, comment) in keys_of(file).items())]


def keys_of(file: Path) -> dict[str, tuple[str, str]]:
    """Return value and comment of each key, first those of the file that this one starts from."""
    text = file.read_text(encoding="utf-8")
    keys: dict[str, tuple[str, str]] = {}
    for base in re.findall(r"^defaults: \[([\w/]+)", text, re.MULTILINE):
        keys |= keys_of(file.parent / f"{base}.yaml")
    for line in text.splitlines():
        if (match := _KEY.match(line)) and match["key"] != "defaults":
            comment = match["comment"] or keys.get(match["key"], ("", ""))[1]
            keys[match["key"]] = match["value"], comment
    return keys

"""The reference of the configuration, from the comments in conf/, the schema and the tables of names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from plainmlp.composition.completion import closed_sets
from plainmlp.composition.help import groups_of, keys_of
from plainmlp.config.schema import Config, SweepSection
from plainmlp.data.scaling import SCALINGS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import Option
from plainmlp.nn.schedules import SCHEDULES

INTRODUCTION = """\
# Every key of the configuration

Made from `conf/`, whose files hold each key with its comment, and from the schema that checks it. `GROUP=FILE` chooses a file,
`KEY=VALUE` changes a key of it:

    python pipelines/run.py optimizer=sgd optimizer.learning_rate=0.3 'optimizer.schedule={name: cosine}'

`python pipelines/run.py --help` prints the same on a terminal. A key or value that is not allowed is refused in one line, which
says what is.
"""
TABLES: dict[str, Mapping[str, Any]] = {
    "optimizer.schedule": SCHEDULES,
    "model.initializer": INITIALIZERS,
    "model.loss": LOSSES,
    "split.scaling": SCALINGS,
}
_ENDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_KINDS = {"integer": "whole number", "number": "number", "string": "text"}
_NESTED = re.compile(r"^  (\w+): (.*?)(?: # (.*))?$", re.MULTILINE)


def configuration_page(conf_folder: Path) -> str:
    """Return the page in Markdown."""
    contents = (conf_folder / "config.yaml").read_text(encoding="utf-8")
    _, value, comment = re.findall(r"^(seed): (\S+) # (.*)$", contents, re.MULTILINE)[0]
    parts = [INTRODUCTION, "## `seed`\n", *_table([("seed", value, _allowed("", "seed"), comment)])]
    for group, file, comment in groups_of(contents):
        start = "" if file in {"null", "none"} else f" A run starts from `{file}`."
        parts.append(f"\n## `{group}`\n\n{comment[0].upper()}{comment[1:]}.{start}\n")
        parts += _sweeps(conf_folder) if group == "sweep" else _files(conf_folder / group, file)
    parts += [
        "\n## Options of named entries\n",
        "Where a key takes a name, these names take options: `{name: step, factor: 0.3}`.\n",
    ]
    return "\n".join([*parts, *_rows(("of", "name", "option", "default", "allowed"), _options()), ""])


def _files(folder: Path, start: str) -> Iterator[str]:
    """Yield what each file of a group is, and its keys; of those that set several sections, only what they are."""
    files = sorted(folder.glob("*.yaml"), key=lambda file: (file.stem != start, file.stem))
    if folder.name == "experiment":
        yield from _rows(("experiment", "what it is"), [(f"`{file.stem}`", _what(file)) for file in files])
        return
    for file in files:
        yield f"\n### `{folder.name}={file.stem}`\n\n{_what(file)}\n"
        keys = keys_of(file).items()
        options = OPTIMIZERS[file.stem].options if folder.name == "optimizer" else {}
        yield from _table(
            (
                f"{folder.name}.{key}",
                value,
                _range(options[key]) if key in options else _allowed(folder.name, key),
                comment,
            )
            for key, (value, comment) in keys
            if key != "name"
        )


def _sweeps(conf_folder: Path) -> Iterator[str]:
    text = (conf_folder / "sweep" / "none.yaml").read_text(encoding="utf-8")
    keys = [found for found in _NESTED.findall(text) if found[0] in SweepSection.model_fields]
    yield from _table((f"sweep.{key}", value, _allowed("sweep", key), comment) for key, value, comment in keys)
    files = [file for file in sorted((conf_folder / "sweep").glob("*.yaml")) if file.stem != "none"]
    yield ""
    yield from _rows(("sweep", "what it tries"), [(f"`{file.stem}`", _what(file)) for file in files])


def _what(file: Path) -> str:
    """Return the comment at the head of a file."""
    lines = file.read_text(encoding="utf-8").removeprefix("# @package _global_\n").splitlines()
    return " ".join(line[2:] for line in takewhile(lambda line: line.startswith("#"), lines))


def _allowed(section: str, key: str) -> str:
    """Return in words what a key may be."""
    names = closed_sets().get(f"{section}.{key}")
    if names is not None:
        return ", ".join(f"`{name}`" for name in names)
    model: Any = Config.model_fields[section].annotation if section else Config
    schema = model.model_json_schema()
    return _words(schema["properties"][key]) if key in schema["properties"] else ""


def _words(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(map(_words, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{name}`" for name in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "null":
        return "`null`"
    if kind == "boolean":
        return "`true`, `false`"
    if kind == "array":
        return f"list of ({_words(schema['items'])})"
    ends = [f"{sign} {schema[end]}".replace(f"{2**32}", "2³²") for end, sign in _ENDS.items() if end in schema]
    return " ".join([_KINDS.get(str(kind), "mapping"), " and ".join(ends)]).strip()


def _range(option: Option) -> str:
    """Return in words what an option may be."""
    ends = {
        "exclusiveMinimum" if option.open_minimum else "minimum": option.minimum,
        "exclusiveMaximum" if option.open_maximum else "maximum": option.maximum,
    }
    kind = "integer" if isinstance(option.default, int) else "number"
    return _words({"type": kind, **{end: f"{value:g}" for end, value in ends.items() if value is not None}})


def _options() -> Iterator[tuple[str, ...]]:
    for key, table in TABLES.items():
        for name, entry in table.items():
            for option, of_option in entry.options.items():
                yield f"`{key}`", f"`{name}`", f"`{option}`", f"`{of_option.default:g}`", _range(of_option)


def _table(keys: Iterable[tuple[str, str, str, str]]) -> list[str]:
    rows = [(f"`{key}`", f"`{value}`", allowed, comment.removeprefix(" # ")) for key, value, allowed, comment in keys]
    return _rows(("key", "starts from", "allowed", "what it is"), rows) if rows else []


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]

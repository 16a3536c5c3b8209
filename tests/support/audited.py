"""Runs a script and writes down what it reads: files of the checkout, modules of it, and keys of the configuration.

Started as a process of its own: ``python audited.py <checkout> <script> <report>``.
"""

import json
import os
import runpy
import sys
from contextlib import suppress
from pathlib import Path

# they check, name, record or copy a configuration as a whole; no result comes from what they read of it
ONLY_RECORDED = (
    "plainmlp.config.canonical",
    "plainmlp.config.inputs",
    "plainmlp.tracking.provenance",
    "plainmlp.tracking.recording",
    "plainmlp.tracking",
)


def watch_files(checkout: Path, files: set[str]) -> None:
    """Write down every file of the checkout that is opened to be read, one that is linked to under the link's name."""
    links = {str(link.resolve()): link for link in (checkout / "data" / "inputs").glob("*/file") if link.is_symlink()}

    def opened(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | os.PathLike):
            return
        path, mode, flags = Path(os.path.abspath(arguments[0])), arguments[1], int(arguments[2])  # noqa: PTH100
        reads = flags & os.O_ACCMODE == os.O_RDONLY if mode is None else "r" in str(mode)
        path = links.get(str(path), path)
        if reads and path.is_relative_to(checkout) and path.suffix not in {".py", ".pyc"}:  # modules tell that
            files.add(path.relative_to(checkout).as_posix())

    sys.addaudithook(opened)


def watch_configuration(keys: set[str]) -> None:
    """Write down every key of the configuration whose value is asked for where a result may come from it."""
    from plainmlp.config.schema import Config, Section

    names = {field.annotation: name for name, field in Config.model_fields.items()}
    original = Section.__getattribute__

    def asked(self: Section, name: str) -> object:
        kind = type(self)
        if name in kind.__pydantic_fields__ and (kind is Config or kind in names):
            caller = str(sys._getframe(1).f_globals.get("__name__"))
            section = kind is Config and name in {names[each] for each in names if isinstance(each, type(Config))}
            if not section and not caller.startswith(ONLY_RECORDED):
                keys.add(name if kind is Config else f"{names[kind]}.{name}")
        return original(self, name)

    Section.__getattribute__ = asked  # type: ignore[method-assign, assignment]


def main(checkout: Path, script: Path, report: Path) -> None:
    files: set[str] = set()
    keys: set[str] = set()
    watch_files(checkout, files)
    sys.argv = [str(script)]
    sys.path[:0] = [str(checkout / "src"), str(script.parent)]
    watch_configuration(keys)
    with suppress(SystemExit):  # its result files say whether it went well
        runpy.run_path(str(script), run_name="__main__")
    modules = [Path(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)]
    files |= {path.relative_to(checkout).as_posix() for path in modules if path.is_relative_to(checkout)}
    report.write_text(json.dumps({"files": sorted(files), "keys": sorted(keys)}), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""The code of a checkout in parts, each with a digest, for the stages in dvc.yaml and for the ids of points."""

import hashlib
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from plainmlp.system import digests
from plainmlp.system.digests import digest_json, digest_modules, digest_sources, modules_below, read_sources
from plainmlp.system.files import replace_file, user_cache

SECTION = "code"  # of params.yaml
PACKAGE = Path(__file__).parents[1]
# of the package; no stage's result depends on tracking, proof, exports or the estimators, so they are in none
PARTS = {
    "system": ("system",),
    "config": ("config",),
    "nn": ("nn",),
    "data": ("data",),
    "training": ("training",),
    "evaluation": ("evaluation",),
    "reports": ("evaluation/figures", "evaluation/reports.py"),
    "composition": ("composition",),
    "sweeps": ("sweeps",),
}
REMEMBERED = Path("code")  # in the user's cache
KEPT_SECONDS = 30 * 24 * 3600
# what can change a result; the others read, write, draw, rank and report it
RESULT_PARTS = ("config", "nn", "data", "training", "evaluation")
# those that stages run; compose, which writes these digests, is not among them
SCRIPTS = ("fetch", "split", "train", "evaluate", "run", "sweep")
SHARED_SCRIPT = "_checkout.py"


def modules_of(part: str, package: Path = PACKAGE) -> list[Path]:
    """Return the modules of a part of the package, without those of another part inside it."""
    inner = [place for places in PARTS.values() for place in places if _is_below(place, PARTS[part])]
    found = modules_below(package, *PARTS[part])
    return [file for file in found if not _is_below(file.relative_to(package).as_posix(), inner, or_same=True)]


def _is_below(place: str, places: Iterable[str], *, or_same: bool = False) -> bool:
    return any(place.startswith(f"{other}/") or (or_same and place == other) for other in places)


@cache
def digest_result_code(package: Path = PACKAGE) -> str:
    """Return the digest of the code that can change a result.

    Notes
    -----
    A process digests a folder once: later edits are not in the code that it runs.
    """
    digest = _remembered if package == PACKAGE else digest_modules
    return digest_json({part: digest(package, modules_of(part, package)) for part in RESULT_PARTS})


def digest_checkout(checkout: Path) -> dict[str, str | dict[str, str]]:
    """Return the section `code` of params.yaml: a digest for each part of the package, Hydra's plugins, each script."""
    source, pipelines = checkout / "src", checkout / "pipelines"
    package = source / PACKAGE.name
    digest = _remembered if package == PACKAGE else digest_modules
    scripts = {name: [pipelines / SHARED_SCRIPT, pipelines / f"{name}.py"] for name in SCRIPTS}
    return {
        **{part: digest(package, modules_of(part, package)) for part in PARTS},
        "plugins": digest(source, modules_below(source, "hydra_plugins")),
        "scripts": {name: digest(pipelines, files) for name, files in scripts.items()},
    }


def _remembered(root: Path, files: Iterable[Path]) -> str:
    """Return what `digest_modules` does, for modules that this process may run.

    Parsing takes a while, so the user's cache keeps the digest of bytes that were digested before. Other people's code is
    never looked up there: whoever can run code here could have put an answer.
    """
    sources = read_sources(root, files)
    read = [(name, hashlib.sha256(source).hexdigest()) for name, source in sources.items()]
    key = digest_json([hashlib.sha256(Path(digests.__file__).read_bytes()).hexdigest(), read])
    path = user_cache() / REMEMBERED / key
    with suppress(OSError):
        return path.read_text(encoding="ascii")
    digest = digest_sources(sources)
    with suppress(OSError):  # without a cache it takes longer
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_text(digest, encoding="ascii")
        for old in path.parent.iterdir():
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink()
    return digest

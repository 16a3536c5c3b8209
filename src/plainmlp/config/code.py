"""The code of a checkout in parts, each with a digest, for the stages in dvc.yaml and for the ids of points."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from plainmlp.system.digests import digest_json, digest_modules, modules_below

SECTION = "code"  # of params.yaml
PACKAGE = Path(__file__).parents[1]
# of the package; what tracks, proves and exports is in none, nor are the estimators, since no result of a stage comes from them
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
# what can change a result; the others read, write, draw, rank and report it
RESULT_PARTS = ("config", "nn", "data", "training", "evaluation")
# those that stages run; compose, which writes these digests, stands for itself
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
    return digest_json({part: digest_modules(package, modules_of(part, package)) for part in RESULT_PARTS})


def digest_checkout(checkout: Path) -> dict[str, str | dict[str, str]]:
    """Return the section `code` of params.yaml: a digest for each part of the package, Hydra's plugins, each script."""
    source, pipelines = checkout / "src", checkout / "pipelines"
    package = source / PACKAGE.name
    scripts = {name: [pipelines / SHARED_SCRIPT, pipelines / f"{name}.py"] for name in SCRIPTS}
    return {
        **{part: digest_modules(package, modules_of(part, package)) for part in PARTS},
        "plugins": digest_modules(source, modules_below(source, "hydra_plugins")),
        "scripts": {name: digest_modules(pipelines, files) for name, files in scripts.items()},
    }

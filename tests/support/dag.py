"""The stages of dvc.yaml, and what each of them states."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CODE = ("src/", "pipelines/")
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
# the stage sweep starts run.py as a process, and Hydra finds our plugins there by itself
STARTED = {"sweep": [ROOT / "pipelines" / "run.py", *PLUGINS]}


def listed(stage: dict[str, list[object]], kind: str) -> set[str]:
    """Return the paths of a stage's deps or outs, without what stands beside them."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in stage.get(kind, [])}


def outputs(stage: dict[str, list[object]]) -> set[str]:
    return listed(stage, "outs") | listed(stage, "metrics")


def code_listed(stage: dict[str, list[object]]) -> set[Path]:
    """Return the files of code that a stage depends on; a folder stands for every module in it that is no command."""
    paths = (ROOT / path for path in listed(stage, "deps") if path.startswith(CODE))
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return {file for file in files if file.name != "__main__.py"}

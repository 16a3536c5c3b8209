"""The stages of the main job and of the search, and what each of them states."""

from pathlib import Path

import yaml

from imported import code_run
from plainmlp.config.code import PARTS, SCRIPTS, SHARED_SCRIPT, modules_of

ROOT = Path(__file__).resolve().parents[2]
MAIN = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = {**MAIN, **yaml.safe_load((ROOT / "searches" / "dvc.yaml").read_text(encoding="utf-8"))["stages"]}
CODE = ("src", "pipelines")
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
# the stage sweep starts run.py as a process, and Hydra finds our plugins there by itself
STARTED = {"sweep": [ROOT / "pipelines" / "run.py", *PLUGINS]}
TRACKING = ROOT / "src" / "plainmlp" / "tracking"  # mirrors what the stages write, and changes none of it

Stage = dict[str, list[object]]


def listed(stage: Stage, kind: str) -> set[str]:
    """Return the paths of a stage's deps or outs, without what stands beside them."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in stage.get(kind, [])}


def outputs(stage: Stage) -> set[str]:
    return listed(stage, "outs") | listed(stage, "metrics")


def _digested() -> dict[str, set[Path]]:
    """Return the modules that each digest in params.yaml is of."""
    scripts = ROOT / "pipelines"
    parts = {
        **{f"code.{part}": set(modules_of(part)) for part in PARTS},
        "code.plugins": set(PLUGINS),
        **{f"code.scripts.{name}": {scripts / SHARED_SCRIPT, scripts / f"{name}.py"} for name in SCRIPTS},
    }
    return {**parts, "code": set().union(*parts.values())}


DIGESTED = _digested()


def code_entries(stage: Stage) -> dict[str, set[Path]]:
    """Return the entries of a stage that stand for code, folders and digests, with the modules that each is of."""
    folders = {path: set((ROOT / path).rglob("*.py")) for path in listed(stage, "deps") if path.split("/")[0] in CODE}
    digests = {key: DIGESTED[key] for key in map(str, stage["params"]) if key in DIGESTED}
    return {**folders, **digests}


def code_stated(stage: Stage) -> set[Path]:
    """Return the modules that a stage depends on."""
    return set().union(*code_entries(stage).values())


def code_of(name: str) -> set[Path]:
    """Return the modules that a stage runs and that can change what it writes."""
    scripts = [ROOT / "pipelines" / f"{name}.py", *STARTED.get(name, [])]
    return {file for file in code_run(*scripts, beside=TRACKING) if file.parent != TRACKING.parent}

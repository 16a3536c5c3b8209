"""Stage `sweep`: the default grid, with the data and settings of params.yaml, becomes a leaderboard with figures."""

import shutil
import subprocess
import sys

from _checkout import ROOT
from plainmlp.config.schema import Config
from plainmlp.system.command import run_stage

GRID = "layers_activations"
REPORTS = ROOT / "reports" / "sweep"
HELP = f"""Run the grid of conf/sweep/{GRID}.yaml under the overrides of overrides.yaml, and write reports/sweep.

Points that were trained before are not trained again. Any other grid: python pipelines/run.py sweep=<name>."""


def main() -> None:
    """Run the grid as a sweep, and keep the files that are the same each time."""
    from plainmlp.composition.overrides import read_overrides, with_edits
    from plainmlp.config.canonical import read_params_file
    from plainmlp.config.inputs import INPUTS, linked_inputs

    config = linked_inputs(read_params_file(ROOT / "params.yaml"), ROOT / INPUTS)
    overrides = with_edits(read_overrides(ROOT / "overrides.yaml"), input_overrides(config))
    # after the overrides, so that the grid's own settings win over an experiment
    command = [sys.executable, str(ROOT / "pipelines" / "run.py"), *beside_grid(overrides), f"sweep={GRID}"]
    code = subprocess.run([*command, f"hydra.sweep.dir={REPORTS}"], check=False).returncode  # noqa: S603  our own script
    if code:
        sys.exit(code)
    for path in REPORTS.iterdir():
        if path.is_dir() and path.name != "figures":
            shutil.rmtree(path)
        elif path.is_file() and path.stem != "leaderboard":
            path.unlink()


def beside_grid(overrides: list[str]) -> list[str]:
    """Return the overrides, except for keys that the grid sweeps: they would shrink it."""
    from plainmlp.config.canonical import read_yaml

    swept = read_yaml(ROOT / "conf" / "sweep" / f"{GRID}.yaml")["hydra"]["sweeper"]["params"]
    return [override for override in overrides if override.partition("=")[0].lstrip("+~") not in swept]


def input_overrides(config: Config) -> list[str]:
    """Return the user's own files as overrides with absolute paths."""
    from plainmlp.composition.overrides import literal
    from plainmlp.config.inputs import named_inputs

    return [f"{key}={literal(path)}" for key, path in named_inputs(config).items() if path is not None]


if __name__ == "__main__":
    run_stage(main, HELP)

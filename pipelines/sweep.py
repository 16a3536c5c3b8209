"""Stage `sweep`: the default grid, with the data and settings of params.yaml, becomes a leaderboard with figures."""

import shutil
import subprocess
import sys

from _checkout import ROOT
from plainmlp.system.command import run_stage

GRID = "layers_activations"
REPORTS = ROOT / "reports" / "sweep"
HELP = f"""Run the grid of conf/sweep/{GRID}.yaml under the overrides of overrides.yaml, and write reports/sweep.

Points that were trained before are not trained again. Any other grid: python pipelines/run.py sweep=<name>."""


def main() -> None:
    """Run the grid as a sweep, and keep the files that are the same each time."""
    from plainmlp.composition.overrides import literal, read_overrides, with_edits
    from plainmlp.config.canonical import read_params_file, read_yaml
    from plainmlp.config.inputs import INPUTS, linked_inputs, named_inputs

    config = linked_inputs(read_params_file(ROOT / "params.yaml"), ROOT / INPUTS)
    files = [f"{key}={literal(path)}" for key, path in named_inputs(config).items() if path is not None]
    overrides = with_edits(read_overrides(ROOT / "overrides.yaml"), files)
    # overrides of what the grid sweeps would shrink it
    swept = read_yaml(ROOT / "conf" / "sweep" / f"{GRID}.yaml")["hydra"]["sweeper"]["params"]
    beside = [override for override in overrides if override.partition("=")[0].lstrip("+~") not in swept]
    # after the overrides, so that the grid's own settings win over an experiment
    command = [sys.executable, str(ROOT / "pipelines" / "run.py"), *beside, f"sweep={GRID}"]
    code = subprocess.run([*command, f"hydra.sweep.dir={REPORTS}"], check=False).returncode  # noqa: S603  our own script
    if code:
        sys.exit(code)
    for path in REPORTS.iterdir():
        if path.is_dir() and path.name != "figures":
            shutil.rmtree(path)
        elif path.is_file() and path.stem != "leaderboard":
            path.unlink()


if __name__ == "__main__":
    run_stage(main, HELP)

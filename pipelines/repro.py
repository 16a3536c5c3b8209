"""`dvc repro` with overrides: writes them to overrides.yaml, then lets DVC run what they touch."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser
from plainmlp.system.errors import InputError

if TYPE_CHECKING:
    from plainmlp.config.schema import Config

HELP = """Set the overrides of overrides.yaml and run `dvc repro`.

Without overrides, overrides.yaml becomes empty and the values of conf/ apply.
The overrides stay until this script or you change them: a later plain `dvc repro` uses them too.
If a stage fails, the earlier results come back from DVC's cache (`dvc checkout`).

  python pipelines/repro.py experiment=mnist dataset.path=../shared/data/mnist-8k
  python pipelines/repro.py run=3f2a...            the configuration of a run in MLflow, or of a sweep's best point
  python pipelines/repro.py model.hidden_sizes=[64,32] optimizer.learning_rate=0.002
  python pipelines/repro.py --config-dir my_conf experiment=mine       with your own files beside those of conf/

python pipelines/run.py --help lists what can be set."""
STAGE_FAILED = re.compile(r"ERROR: failed to reproduce .*: failed to run: .*, exited with (-?\d+)$")


def main(overrides: list[str], config_folder: Path | None) -> None:
    """Check the overrides, write them, run DVC."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.composition.overrides import overrides_of_folder, with_edits, write_overrides
    from plainmlp.config.inputs import INPUTS, remove_dangling_links
    from plainmlp.sweeps.recorded import split_run_id, with_run

    if not (ROOT / ".git").exists():
        message = f"{ROOT} is not a git repository, which DVC needs; run `git init` there first"
        raise InputError(message)
    own, run_id = split_run_id(overrides)
    if config_folder is not None and run_id is not None:
        message = (
            f"--config-dir {config_folder} and run={run_id} are not allowed together: a run has its whole configuration"
        )
        raise InputError(message)
    overrides = with_run(own, run_id, ROOT)
    if config_folder is not None:  # whose paths are relative to the checkout already
        overrides, own = overrides_of_folder(config_folder, own, ROOT), []
    config = parse(compose(ROOT / "conf", overrides))
    write_overrides(ROOT / "overrides.yaml", with_edits(overrides, moved_paths(config, own)))
    remove_dangling_links(ROOT / INPUTS)
    release_dead_locks(ROOT / ".dvc" / "tmp" / "rwlock")
    began = time.time()
    code = run_dvc()
    if code == 0 and not was_recorded_since(began):
        show_cached()
    sys.exit(code)


def was_recorded_since(began: float) -> bool:
    """Say whether a run was recorded since a time; it has then shown its results."""
    from plainmlp.tracking.recording.manifest import COPIES

    return any(path.stat().st_mtime >= began for path in (ROOT / COPIES).glob("*.json"))


def show_cached() -> None:
    """Print results that existed already or came from DVC's cache."""
    from plainmlp.config.canonical import read_params_file
    from plainmlp.config.places import Places
    from plainmlp.tracking.recording.evaluation import show_recorded
    from plainmlp.tracking.recording.training import open_store

    show_recorded(open_store(read_params_file(ROOT / "params.yaml").tracking, ROOT), Places(ROOT))


def moved_paths(config: "Config", own: list[str]) -> list[str]:
    """Return the user's overrides whose paths are relative to the current folder, made relative to the checkout."""
    from plainmlp.composition.overrides import literal
    from plainmlp.config.inputs import named_inputs

    keys = {override.partition("=")[0].lstrip("+") for override in own}
    return [
        f"{key}={literal(os.path.relpath(path, ROOT))}"
        for key, path in named_inputs(config).items()
        if key in keys and path is not None and not Path(path).is_absolute()
    ]


def release_dead_locks(path: Path) -> None:
    """Remove the list of DVC's locks if all their holders were killed; DVC believes a zombie or a reused id to be alive."""
    try:
        locks = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    readers = [holder for holders in locks.get("read", {}).values() for holder in holders]
    if not any(map(is_dvc, [*readers, *locks.get("write", {}).values()])):
        path.unlink()


def is_dvc(holder: dict[str, Any]) -> bool:
    """Say whether a process that holds a lock is a living DVC."""
    import psutil

    try:
        return "dvc" in " ".join(psutil.Process(int(holder["pid"])).cmdline())
    except psutil.Error:
        return False


def run_dvc() -> int:
    """Run `dvc repro`; return its exit code, or the code of the failed stage, which has said why."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    failed = 0
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the stage too, and it ends clean
        for line in process.stderr or ():
            if match := STAGE_FAILED.match(line):
                code = int(match[1])
                failed = 128 - code if code < 0 else code  # as shells say it of a process that a signal ended
            else:
                sys.stderr.write(line)
    if process.returncode:  # DVC removes a stage's outputs before it runs; its cache has the earlier ones
        subprocess.run(
            [sys.executable, "-m", "dvc", "checkout", "--quiet"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
        )
    return failed or process.returncode


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder with configuration files of your own")
    run_script(parser, lambda given: main(given.overrides, given.config_dir), "an override in Hydra's grammar")

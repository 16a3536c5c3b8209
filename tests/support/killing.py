"""Trains two small networks, kills the training at random moments until it has ended, and tells what was left each time.

Run as a program, with a folder, the number of kills and a seed: each attempt is a process of its own that is ended by
SIGKILL.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from plainmlp.training.checkpoints import Checkpoints
from plainmlp.training.history import write_history
from pointed import point, trained_alone

EPOCHS = 40
SECONDS = 0.09  # that the first attempts live at most
NETWORKS = (
    {"model__dropout": 0.2, "training__patience": 30, "optimizer__schedule": "reduce_on_plateau"},
    {"seed": 1, "model__activation": "tanh", "optimizer__schedule": "cosine", "training__checkpoint_epochs": 3},
)
POINTS = [
    point(**{"training__epochs": EPOCHS, "training__checkpoint_epochs": 1, "training__batch_size": 16, **own})
    for own in NETWORKS
]


def train_into(folder: Path) -> None:
    """Train, write the results, and remove the checkpoints."""
    checkpoints = [Checkpoints(folder / "checkpoints", each.point_id) for each in POINTS]
    for number, (each, checkpoint) in enumerate(zip(POINTS, checkpoints, strict=True)):
        trained = trained_alone(each.config, checkpoint=checkpoint)
        trained.model.save(folder / f"{number}.safetensors")
        write_history(folder / f"{number}.csv", trained.history, trained.digests)
    for checkpoint in checkpoints:
        checkpoint.clear()
    (folder / "done").touch()


def attempt(folder: Path, seconds: float | None) -> bool:
    """Train in a process of its own, which is killed after some seconds; say whether it was."""
    process = os.fork()
    if process == 0:
        train_into(folder)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def chain(folder: Path, rng: random.Random) -> dict[str, int]:
    """Kill and start again until the training has ended; return what was seen after the kills."""
    folder.mkdir()
    seen = {"kills": 0, "with_checkpoints": 0, "inside_writes": 0}
    while not (folder / "done").exists():
        patience = 1 + seen["kills"] / 20  # so that a slow machine ends as well
        if attempt(folder, rng.uniform(0.0, SECONDS * patience)):
            seen["kills"] += 1
            seen["with_checkpoints"] += any(folder.glob("checkpoints/*/0*"))
            seen["inside_writes"] += any(folder.rglob(".*.safetensors"))
    return seen


def main() -> None:
    """Train once without interruption, then in as many chains as give the number of kills."""
    folder, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    (folder / "whole").mkdir()
    attempt(folder / "whole", None)
    chains: list[dict[str, int]] = []
    while sum(seen["kills"] for seen in chains) < kills:
        chains.append(chain(folder / f"chain-{len(chains)}", rng))
    print(json.dumps(chains))  # noqa: T201  the test reads it


if __name__ == "__main__":
    trained_alone(POINTS[0].config)  # so that every attempt finds the kernels loaded
    main()

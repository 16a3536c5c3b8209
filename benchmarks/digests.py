"""Time what the hash chain costs: epochs with and without a digest, turn by turn in one training."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from plainmlp.config import compose, parse  # noqa: E402  the checkout is found first
from plainmlp.schema import Config  # noqa: E402
from plainmlp.stages.fetch import fetch  # noqa: E402
from plainmlp.stages.split import split  # noqa: E402
from plainmlp.stages.stack import Task, train_stack  # noqa: E402

EVERY_SECOND = ("training.digest_every=2", "training.checkpoint_seconds=null", "optimizer.schedule=constant")
# the networks of sweep=layers_activations, a stack for each shape
SHAPES = ("[32]", "[128]", "[64,32]", "[128,64]")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
SEEDS = (0, 1, 2)


def epoch_seconds(stack: Sequence[Config]) -> list[float]:
    """Train networks as one stack and return the seconds of each epoch but the first."""
    stamps: list[float] = []
    tasks = [Task(config.seed, config.model, config.optimizer, config.training) for config in stack[:-1]]
    last = stack[-1]  # what follows the last network of an epoch belongs to the next epoch
    watchers = [lambda epoch, metrics: stamps.append(time.perf_counter())]
    tasks.append(Task(last.seed, last.model, last.optimizer, last.training, watchers))
    train_stack(tasks, split(fetch(last.dataset), last.split, last.dataset.missing))
    return [after - before for before, after in pairwise(stamps)]


def composed(*overrides: str) -> Config:
    """Return a configuration."""
    return parse(compose(ROOT / "conf", [*overrides, *EVERY_SECOND]))


def stacks(mnist: Path, epochs: int) -> Iterator[tuple[str, list[Config]]]:
    """Yield the stacks to train and what they are called."""
    given = (f"training.epochs={epochs}",)
    for optimizer in ("sgd", "adam"):
        yield (
            f"mnist, {optimizer}",
            [composed("experiment=mnist", *given, f"optimizer={optimizer}", f"dataset.path={mnist}")],
        )
    for shape in SHAPES:
        own = [f"model.activation={name}" for name in ACTIVATIONS]
        networks = [
            composed(*given, f"model.hidden_sizes={shape}", name, f"seed={seed}") for name in own for seed in SEEDS
        ]
        yield f"digits, {shape}, {len(networks)} at once", networks


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, default=ROOT.parent / "shared" / "data" / "mnist-8k", help="IDX folder")
    parser.add_argument("--epochs", type=int, default=101)
    arguments = parser.parse_args()
    if not arguments.mnist.is_dir():
        sys.exit(f"error: --mnist {arguments.mnist}: there is no such folder of IDX files")
    print(f"{'milliseconds an epoch':<32}{'without':>9}{'with':>9}{'share':>8}")
    for name, stack in stacks(arguments.mnist.resolve(), arguments.epochs):
        seconds = epoch_seconds(stack)
        linked, unlinked = seconds[::2], seconds[1::2]  # the first of them is epoch 1, which has a digest
        costs = [with_digest - without for with_digest, without in zip(linked, unlinked, strict=False)]
        print(f"{name:<32}{1e3 * median(unlinked):>9.2f}{1e3 * median(linked):>9.2f}", end="")
        print(f"{median(costs) / median(unlinked):>8.1%}", flush=True)


if __name__ == "__main__":
    main()

"""Time what the digests of states cost: epochs with and without a digest, turn by turn in one training."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from _checkout import ROOT
from _performance import machine, write_section
from plainmlp.composition.compose import compose, parse
from plainmlp.config.schema import Config
from plainmlp.data.stages import fetch, split
from plainmlp.training.train import train

TITLE = "## The digests of states"
EPOCHS = 102  # the last of them has a digest in any case, and here in its turn
EVERY_SECOND = ("training.digest_every=2", "training.checkpoint_seconds=null", "optimizer.schedule=constant")
SHAPES = ("[32]", "[128]", "[64,32]", "[128,64]")  # of sweep=layers_activations


def epoch_seconds(config: Config) -> list[float]:
    """Train a network and return the seconds of each epoch but the first."""
    stamps: list[float] = []
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    watchers = [lambda epoch, metrics: stamps.append(time.perf_counter())]
    train(splits, config.seed, config.model, config.optimizer, config.training, watchers=watchers)
    return [after - before for before, after in pairwise(stamps)]


def composed(*overrides: str) -> Config:
    """Return a configuration."""
    return parse(compose(ROOT / "conf", [*overrides, *EVERY_SECOND]))


def networks(mnist: Path, epochs: int) -> Iterator[tuple[str, Config]]:
    """Yield the networks to train and what they are called."""
    given = f"training.epochs={epochs}"
    for optimizer in ("sgd", "adam"):
        own = ("experiment=mnist", f"optimizer={optimizer}", f"dataset.path={mnist}")
        yield f"{mnist.name}, 784-128-64-10, {optimizer}", composed(*own, given)
    for shape in SHAPES:
        yield f"digits, {shape} hidden units, adam", composed(f"model.hidden_sizes={shape}", given)


def row(name: str, seconds: Sequence[float]) -> str:
    """Return the line of a network: medians of epochs without and with a digest, and of the share that it takes.

    Parameters
    ----------
    name : str
    seconds : sequence of float
        Of each epoch; the first has a digest, the second none, and so on.
    """
    linked, unlinked = seconds[::2], seconds[1::2]
    costs = [with_digest - without for with_digest, without in zip(linked, unlinked, strict=False)]
    share = median(costs) / median(unlinked)
    return f"| {name} | {1e3 * median(unlinked):.2f} | {1e3 * median(linked):.2f} | {100 * share:.1f} % |"


def section(rows: Sequence[str]) -> str:
    """Return the section of docs/performance.md."""
    text = (
        "What the digest of each epoch's state costs, the medians of epochs with and without it, taken in turn in one\n"
        f"training (`make bench-digests`, {machine()}); `training.digest_every` takes one every so many epochs."
    )
    head = ["| network | milliseconds an epoch without | with | share |", "|---|--:|--:|--:|"]
    return "\n".join([TITLE, "", text, "", *head, *rows]) + "\n"


def main() -> None:
    """Measure, print the rows and, where none is cut short, write their section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, default=ROOT.parent / "shared" / "data" / "mnist-8k", help="IDX folder")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"another number than {EPOCHS}; writes nothing")
    arguments = parser.parse_args()
    if not arguments.mnist.is_dir():
        sys.exit(f"error: --mnist {arguments.mnist}: there is no such folder of IDX files")
    rows = []
    for name, config in networks(arguments.mnist.resolve(), arguments.epochs):
        rows.append(row(name, epoch_seconds(config)))
        print(rows[-1], flush=True)
    if arguments.epochs == EPOCHS:
        write_section(TITLE, section(rows))


if __name__ == "__main__":
    main()

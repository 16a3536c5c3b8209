"""Train a network and write how it changes as an animated GIF."""

from pathlib import Path

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser
from plainmlp.system.errors import InputError

HELP = """Train a network and write how it changes, with its losses, as an animated GIF.

It shows decision regions (classes from two numbers), fitted curves (numbers from one number), or the weights of hidden
units (images). Nothing is recorded.

  python pipelines/watch.py experiment=clusters
  python pipelines/watch.py experiment=sincos seed=3 --to sincos.gif
  python pipelines/watch.py run=3f2a...            a run in MLflow, executed again

python pipelines/run.py --help lists what can be set."""


def main(overrides: list[str], path: Path) -> None:
    """Compose, fetch, split, train, draw; say where the animation is."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.config.inputs import found_inputs
    from plainmlp.data.stages import fetch, split
    from plainmlp.evaluation.figures.animation import animate
    from plainmlp.sweeps.recorded import split_run_id, with_run

    if path.suffix != ".gif":
        message = f"--to {path} is not allowed: it must end with .gif"
        raise InputError(message)
    config = found_inputs(parse(compose(ROOT / "conf", with_run(*split_run_id(overrides), ROOT))), ROOT)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    n_shown = animate(config, splits, path)
    print(f"{n_shown} of {config.training.epochs} epochs shown: {path}")


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("--to", type=Path, default=Path("training.gif"), metavar="FILE", help="training.gif")
    run_script(parser, lambda given: main(given.overrides, given.to), "an override in Hydra's grammar")

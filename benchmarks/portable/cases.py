"""The cases: short configurations that between them go through every part of the chain."""

from pathlib import Path

from plainmlp.composition.compose import compose, parse, quote
from plainmlp.config.canonical import dump_yaml, read_yaml
from plainmlp.config.schema import Config
from plainmlp.nn.randomness import generator

CONF = Path(__file__).resolve().parents[2] / "conf"
TABLE = "table.csv"
ROWS = 300
COLOURS = ("blue", "green", "red, dark")

COMMON = ("training.checkpoint_seconds=null", "training.digest_every=1")
OF_TABLE = ("dataset=table", "dataset.sample_weights=weight", "split.test=0.3")
CASES: dict[str, tuple[str, ...]] = {
    "clusters": ("experiment=clusters", "training.epochs=5"),
    "digits": ("experiment=digits", "model.hidden_sizes=[32,16]", "training.epochs=2"),
    "sincos": ("experiment=sincos", "dataset.n_samples=960", "training.epochs=3"),
    "table_values": (
        *OF_TABLE,
        "dataset.target=value",
        "dataset.missing=median",
        "model.hidden_sizes=[8]",
        "model.activation=gelu",
        "model.loss=huber",
        "optimizer=adamw",
        "optimizer.clip_norm=1",
        "training.epochs=6",
        "training.patience=2",
    ),
    "table_classes": (
        *OF_TABLE,
        "dataset.target=class",
        "dataset.missing=mean",
        "model.hidden_sizes=[8,4]",
        "model.activation=[tanh,softplus]",
        "model.l1=0.001",
        "model.l2=0.01",
        "optimizer=nadam",
        "optimizer.schedule=exponential",
        "training.class_weights=balanced",
        "training.dtype=float64",
        "training.epochs=4",
    ),
}


def write_cases(folder: Path) -> None:
    """Write each case as YAML, and the table that some of them read; composing needs Hydra, reading does not.

    Parameters
    ----------
    folder : Path
        There already.
    """
    table = folder / TABLE
    table.write_text(draw_table(), encoding="utf-8", newline="\n")
    for name, overrides in CASES.items():
        path = [f"dataset.path={quote(str(table.resolve()))}"] if "dataset=table" in overrides else []
        config = parse(compose(CONF, [*COMMON, *overrides, *path]))
        (folder / f"{name}.yaml").write_text(dump_yaml(config), encoding="utf-8", newline="\n")


def read_case(folder: Path, name: str) -> Config:
    """Return a configuration that `write_cases` wrote."""
    return parse(read_yaml(folder / f"{name}.yaml"))


def draw_table() -> str:
    """Return a small CSV file with numbers, categories and gaps, a value and a class to predict, and weights."""
    draws = generator(0, "table of the portability check")
    sizes, depths = draws.random((2, ROWS))
    colours = draws.integers(len(COLOURS), size=ROWS)
    lacks = draws.integers(10, size=(2, ROWS)) == 0
    lines = ["size,depth,colour,weight,value,class"]
    for row in range(ROWS):
        size, depth, colour = float(sizes[row]), float(depths[row]), int(colours[row])
        value = 3 * size * depth - colour / 2
        cells = (
            "" if lacks[0, row] else f"{size:.6f}",
            "" if lacks[1, row] else repr(100 * depth),
            f'"{COLOURS[colour]}"',
            str(1 + row % 3),
            f"{value:.9g}",
            "low" if value < 0 else "high" if value > 1 else "middle",
        )
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"

"""Stage `split`: data/raw becomes data/split, its parts and the preparation fitted to the train part."""

from _checkout import ROOT
from plainmlp.system.command import run_stage


def main() -> None:
    """Read the data set, split it, write."""
    from plainmlp.config.canonical import read_params_file
    from plainmlp.data.stages import split
    from plainmlp.data.storage import read_dataset, write_splits

    config = read_params_file(ROOT / "params.yaml")
    splits = split(read_dataset(ROOT / "data" / "raw"), config.split, config.dataset.missing)
    write_splits(ROOT / "data" / "split", splits)
    print(", ".join(f"{name} {len(part)} rows" for name, part in splits.parts().items()))


if __name__ == "__main__":
    run_stage(main, "Split data/raw into train, validation and test rows as params.yaml says, and write data/split.")

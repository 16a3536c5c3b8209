"""Stage `fetch`: the data set that params.yaml names becomes data/raw."""

from _checkout import ROOT
from plainmlp.system.command import run_stage


def main() -> None:
    """Read the parameters, fetch, write."""
    from plainmlp.config.canonical import read_params_file
    from plainmlp.config.inputs import FILE, INPUTS, linked_inputs
    from plainmlp.config.places import Places
    from plainmlp.data.stages import fetch
    from plainmlp.data.storage import through_link, write_dataset
    from plainmlp.data.summary import summarize_dataset, summary_lines, write_columns

    config = linked_inputs(read_params_file(ROOT / "params.yaml"), ROOT / INPUTS)
    dataset = through_link(fetch(config.dataset), ROOT / INPUTS / "dataset.path" / FILE)
    write_dataset(ROOT / "data" / "raw", dataset)
    write_columns(Places(ROOT).columns, summarize_dataset(dataset))
    print(*summary_lines(dataset), sep="\n")


if __name__ == "__main__":
    run_stage(
        main,
        "Make, read or download the data set that params.yaml names, and write it to data/raw, and a summary of its columns to reports/columns.csv.",
    )

"""Show how training would treat each column of a table, without training."""

from pathlib import Path

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser
from plainmlp.system.errors import InputError

HELP = """Show how training would treat each column of a table: type, levels, gaps, share of distinct values.

  python pipelines/describe.py data.csv target=price
  python pipelines/describe.py data.csv target=price 'drop=[name]' dates=parts missing=mean

conf/dataset/table.yaml lists the keys; each may be written with or without `dataset.`."""


def main(path: Path, overrides: list[str]) -> None:
    """Read the table, and print how its columns are treated."""
    from plainmlp.composition.compose import compose, parse, quote
    from plainmlp.config.schema import DatasetSection
    from plainmlp.data.cells import listed
    from plainmlp.data.reading import read_table
    from plainmlp.data.summary import summarize_table, table_lines

    keys = [key if "." in key.partition("=")[0] else f"dataset.{key}" for key in overrides]
    if not any(key.partition("=")[0] == "dataset.target" for key in keys):
        columns = listed([str(name) for name in read_table(path, DatasetSection(name="table")).frame])
        message = f"name the column to predict, or several in brackets: target=... (columns: {columns})"
        raise InputError(message)
    chosen = parse(compose(ROOT / "conf", ["dataset=table", f"dataset.path={quote(str(path))}", *keys])).dataset
    cells = read_table(path, chosen)
    print(f"{path}: {len(cells.frame)} rows, {cells.frame.shape[1]} columns", *cells.notes, sep="\n")
    print(*table_lines(summarize_table(cells, chosen)), sep="\n")


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("path", type=Path, help="the file")
    run_script(parser, lambda given: main(given.path, given.overrides), "such as target=price")

"""Write the model card of a run: a page of its record, with the front matter that model hubs read."""

from pathlib import Path

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser

HELP = """Write the model card of a run in Markdown: data, metrics with their intervals, calibration, how to verify it.

  python pipelines/card.py 3f2a...                     print it; for a sweep's own run, its best point
  python pipelines/card.py 3f2a... --file README.md    write it to a file, with front matter for model hubs
  python pipelines/card.py 3f2a... tracking.uri=sqlite:////data/mlflow.db"""


def main(beginning: str, path: Path | None, overrides: list[str]) -> None:
    """Find the run, print or write its page."""
    from plainmlp.exports.card import model_card
    from plainmlp.exports.sources import part_sizes, recorded_model
    from plainmlp.sweeps.recorded import find_run
    from plainmlp.system.files import refuse_existing, write_text
    from plainmlp.tracking.recording.page import run_name
    from plainmlp.tracking.stored_runs import read_run

    if path is not None:
        refuse_existing(path)
    store, run_id = find_run(beginning, overrides, ROOT)
    run, model, config = recorded_model(store, read_run(store, run_id))
    text = model_card(run, run_name(config), model, part_sizes(store, run.run_id))
    if path is None:
        print(text, end="")
        return
    write_text(path, text)
    print(path)


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument("run_id", help="the run in MLflow, or the beginning of its id")
    parser.add_argument("--file", type=Path, help="where to write it (default: the terminal)")
    run_script(parser, lambda given: main(given.run_id, given.file, given.overrides))

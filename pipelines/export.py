"""Write a trained model as an ONNX file, which takes raw features and which many runtimes and languages read."""

from pathlib import Path

from _checkout import ROOT
from plainmlp.system.command import run_script, script_parser

HELP = """Write a trained model as an ONNX file; say how far its outputs are from those of predict.

  python pipelines/export.py models/model.safetensors model.onnx
  python pipelines/export.py 3f2a... model.onnx        a run; for a sweep's own run, its best point
  python pipelines/export.py 3f2a... model.onnx tracking.uri=sqlite:////data/mlflow.db

It needs: pip install 'plainmlp[onnx]'. docs/exporting.md describes the inputs and outputs of the file."""
WEIGHTS = ".safetensors"


def main(given: str, target: Path, overrides: list[str]) -> None:
    """Find the model of a file, or of a run by its id or the beginning of it; write it, say what it is."""
    from plainmlp.exports.onnx_file import check_target, write_onnx
    from plainmlp.exports.sources import source_of_file, source_of_run
    from plainmlp.sweeps.recorded import find_run
    from plainmlp.tracking.terminal import show_places

    check_target(target)
    if given.endswith(WEIGHTS):
        source = source_of_file(Path(given))
    else:
        source = source_of_run(*find_run(given, overrides, ROOT), ROOT)
    print(f"{target}: {write_onnx(target, source)}")
    show_places({**source.metadata, "weights_digest": source.model.weights_digest})


if __name__ == "__main__":
    parser = script_parser(HELP)
    parser.add_argument(
        "model", help="the run in MLflow, the beginning of its id, or a file such as models/model.safetensors"
    )
    parser.add_argument("target", type=Path, help="the file to write, which ends in .onnx")
    run_script(parser, lambda given: main(given.model, given.target, given.overrides))

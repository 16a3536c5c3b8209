"""A trained model as MLflow keeps it: a folder that `mlflow.pyfunc.load_model` loads."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from plainmlp.system.files import write_text
from plainmlp.tracking.credentials import find_secrets
from plainmlp.tracking.datasets import column_schema
from plainmlp.tracking.terminal import show_warning
from plainmlp.training.model import Model

PACKAGE = Path(__file__).parents[1]
SERVING = f"{PACKAGE.name}.training.serving"
MODEL_FILE = "MLmodel"  # MLflow's name of the file that says what a model is, and of which run


def pack_model(folder: Path, run_id: str, path: Path) -> dict[str, Any]:
    """Write the model in a file as a folder that `mlflow.pyfunc.load_model` loads; return how MLflow lists it.

    The folder must not exist, and its name becomes the artifact's; `run_id` is of the run that the model belongs to, or of
    its record.
    """
    from mlflow import pyfunc
    from mlflow.models import Model as Record

    model, secrets = Model.load(path), _secrets_of_code()
    example = model.preparation.to_frame(np.zeros((1, len(model.preparation.columns))))  # nobody's data
    about = {"artifact_path": folder.name, "run_id": run_id, "signature": signature(model).to_dict()}
    # the model checks what it is given itself: MLflow would refuse whole numbers as doubles, and every array
    record = Record.from_dict({**about, "is_signature_from_type_hint": True})
    if secrets:
        show_warning(f"the model is recorded without its code, which seems to hold secrets: {', '.join(secrets)}")
    with TemporaryDirectory() as temporary:
        code = Path(temporary) / PACKAGE.name
        for source in serving_code():
            (code / source.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
            copyfile(source, code / source.relative_to(PACKAGE))
        pyfunc.save_model(
            str(folder),
            loader_module=SERVING,
            data_path=str(path),
            code_paths=None if secrets else [str(code)],
            mlflow_model=record,
            input_example=example.to_dict("records"),
            pip_requirements=serving_requirements(),
        )
    return dict(record.get_tags_dict())


@cache
def serving_code() -> tuple[Path, ...]:
    """Return the modules that predicting needs: all that serving imports, even inside functions, and nothing else."""
    found: dict[str, Path] = {}
    waiting = [SERVING]
    while waiting:
        name = waiting.pop()
        path = PACKAGE.parent.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in found and file.is_file():  # else it is a name in a module
            found[name] = file
            waiting += [*_imported(file), *accumulate(name.split(".")[:-1], "{}.{}".format)]
    return tuple(sorted(found.values()))


def _imported(file: Path) -> Iterator[str]:
    """Yield what a module imports of this package: modules, and names in them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            yield from (f"{node.module}{name}" for name in ("", *(f".{alias.name}" for alias in node.names)))


@cache
def _secrets_of_code() -> tuple[str, ...]:
    """Return the lines of the packed code that seem to hold secrets."""
    root = PACKAGE.parents[1]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in serving_code()}
    return tuple(note for name, text in texts.items() for note in find_secrets(enumerate(text.splitlines(), 1), name))


def rename_run(path: Path, record_id: str, run_id: str) -> None:
    """Replace the record's id by the run's in the file of a packed model."""
    text = path.read_text(encoding="utf-8")
    if record_id in text:
        write_text(path, text.replace(record_id, run_id))


def signature(model: Model) -> Any:
    """Return the names and types of a model's columns and outputs; columns whose gaps it fills are optional."""
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import ColSpec, Schema

    is_needed = model.preparation.fill_values is None
    columns = (column_schema(column, required=is_needed) for column in model.preparation.columns)
    zeros = np.zeros((1, len(model.preparation.columns)))
    # one row needs no kernels
    answers = infer_signature(model.label_outputs(model.predict(zeros, compiled=False))).inputs
    return ModelSignature(Schema([ColSpec(**column) for column in columns]), answers)


def serving_requirements() -> list[str]:
    """Return the packages that a served model needs, in the installed versions."""
    from importlib.metadata import version

    names = ("mlflow-skinny", "numpy", "pandas", "pydantic", "safetensors", "threadpoolctl")
    return [f"{name}=={version(name)}" for name in names]

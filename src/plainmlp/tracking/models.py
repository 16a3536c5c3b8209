"""A trained model as MLflow keeps it: a folder that `mlflow.pyfunc.load_model` loads."""

from functools import cache
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from plainmlp.system.files import replace_file
from plainmlp.tracking.credentials import find_secrets
from plainmlp.tracking.terminal import show_warning

if TYPE_CHECKING:
    from pandas import DataFrame

PACKAGE = Path(__file__).parents[1]
MODEL_FILE = "MLmodel"  # MLflow's name of the file that says what a model is, and of which run


def pack_model(folder: Path, run_id: str, path: Path, example: "DataFrame", answers: "DataFrame") -> dict[str, Any]:
    """Write a model as a folder that `mlflow.pyfunc.load_model` loads; return how MLflow lists it.

    Parameters
    ----------
    folder : Path
        Must not exist; its name becomes the artifact's.
    run_id : str
        The run that the model belongs to, or its record.
    path : Path
        The file that `Model.save` wrote.
    example, answers : DataFrame
        Some rows of raw features, and the model's predictions for them.
    """
    from mlflow import pyfunc
    from mlflow.models import Model

    record, secrets = Model(folder.name, run_id), _secrets_of_package()
    if secrets:
        show_warning(f"the model is recorded without its code, which seems to hold secrets: {', '.join(secrets)}")
    with TemporaryDirectory() as temporary:
        code = Path(temporary) / PACKAGE.name
        for source in _modules():
            (code / source.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
            copyfile(source, code / source.relative_to(PACKAGE))
        pyfunc.save_model(
            str(folder),
            loader_module="plainmlp.training.serving",
            data_path=str(path),
            code_paths=None if secrets else [str(code)],
            mlflow_model=record,
            signature=signature(example, answers),
            input_example=example,
            pip_requirements=serving_requirements(),
        )
    return dict(record.get_tags_dict())


def _modules() -> list[Path]:
    """Return the modules of this package; whatever else lies beside them is nobody's business."""
    return sorted(PACKAGE.rglob("*.py"))


@cache
def _secrets_of_package() -> tuple[str, ...]:
    """Return which lines of this package seem to hold secrets."""
    root = PACKAGE.parents[1]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in _modules()}
    return tuple(note for name, text in texts.items() for note in find_secrets(enumerate(text.splitlines(), 1), name))


def rename_run(path: Path, record_id: str, run_id: str) -> None:
    """Name the run in the file of a packed model that names its record."""
    text = path.read_text(encoding="utf-8")
    if record_id in text:
        with replace_file(path) as temporary:
            temporary.write_text(text.replace(record_id, run_id), encoding="utf-8")


def signature(example: "DataFrame", answers: "DataFrame") -> Any:
    """Return the names of a model's columns, and the types of its answers.

    The model itself checks and converts what it is given: under the type `double` MLflow would refuse whole numbers.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name) for name in example.columns])  # type: ignore[no-untyped-call]
    return ModelSignature(inputs, infer_signature(answers).inputs)


def serving_requirements() -> list[str]:
    """Return what a served model needs, in the versions that are installed."""
    from importlib.metadata import version

    names = ("mlflow", "numpy", "pandas", "pydantic", "safetensors", "threadpoolctl")
    return [f"{name}=={version(name)}" for name in names]

"""A trained model as MLflow keeps it: a folder that `mlflow.pyfunc.load_model` loads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainmlp.system.files import replace_file

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

    record = Model(folder.name, run_id)
    pyfunc.save_model(
        str(folder),
        loader_module="plainmlp.training.serving",
        data_path=str(path),
        code_paths=[str(PACKAGE)],
        mlflow_model=record,
        signature=signature(example, answers),
        input_example=example,
        pip_requirements=serving_requirements(),
    )
    return dict(record.get_tags_dict())


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

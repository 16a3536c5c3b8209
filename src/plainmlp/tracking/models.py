"""A trained model as MLflow keeps it: a folder that `mlflow.pyfunc.load_model` loads."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame


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

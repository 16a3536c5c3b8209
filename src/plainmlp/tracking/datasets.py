"""The data that a run used, as MLflow lists them: a line for each part, with its digest, columns and source."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column, Description
from plainmlp.data.splits import Splits
from plainmlp.data.storage import part_digests
from plainmlp.tracking.recording.page import data_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}
DIGEST_LENGTH, SCHEMA_LENGTH = 36, 1_048_575  # MLflow keeps no longer ones
OPENML = "https://www.openml.org/d/"
DataInput = Mapping[str, Any]  # a part of a data set, as `data_inputs` says


def data_inputs(dataset: DatasetSection, splits: Splits) -> list[DataInput]:
    """Return the parts of a run's data, each ready for JSON.

    A part has its `name` and `digest`; `profile`, its sizes; `context`, what the run used it for; `kind` and `source` of
    its source, as `mlflow.data.get_source` reads them; and `columns`, targets last, as `mlflow.types.Schema` has them.
    """
    kind, source = _source(dataset)
    columns, digests = _columns(splits), part_digests(splits)
    return [
        {
            "name": data_name(dataset),
            "digest": digests[part][:DIGEST_LENGTH],
            "profile": {"num_rows": len(rows)},
            "context": CONTEXTS[part],
            "kind": kind,
            "source": source,
            "columns": columns,
        }
        for part, rows in splits.parts().items()
    ]


def _source(dataset: DatasetSection) -> tuple[str, dict[str, Any]]:
    if dataset.path is not None:
        return "local", {"uri": dataset.path}
    if dataset.data_id is not None:
        return "http", {"url": f"{OPENML}{dataset.data_id}"}
    return "code", {"tags": {"dataset": dataset.name}}


def _columns(splits: Splits) -> list[dict[str, Any]]:
    """Return the types and names of all columns; if the model fills gaps, they may have some."""
    description: Description = splits.description
    is_needed = splits.preparation.fill_values is None
    kind = "string" if description.task == "classification" else "double"
    features = [column_schema(column, required=is_needed) for column in description.columns]
    return [*features, *({"type": kind, "name": name, "required": True} for name in description.target_names)]


def column_schema(column: Column, *, required: bool) -> dict[str, Any]:
    """Return the entry of MLflow's schema for a column of raw features; dates are texts, as in JSON."""
    kind = "double" if column.categories is None and column.dates is None else "string"
    return {"type": kind, "name": column.name, "required": required}


def send_data(client: "MlflowClient", run_id: str, data: Sequence[DataInput] | DataInput) -> None:
    """Send the parts of a run's data to MLflow; sending them twice changes nothing.

    Runs that an earlier version left in the outbox have a single part, for all their data.
    """
    from mlflow.entities import DatasetInput, InputTag

    inputs = [
        DatasetInput(_entity(part), [InputTag("mlflow.data.context", part.get("context", "training"))])
        for part in ([data] if isinstance(data, Mapping) else data)
    ]
    client.log_inputs(run_id, inputs)


def _entity(part: DataInput) -> Any:
    from mlflow.entities import Dataset

    schema = json.dumps({"mlflow_colspec": part.get("columns", ())})
    return Dataset(
        part["name"],
        part["digest"],
        part.get("kind", "code"),
        json.dumps(part.get("source", {})),
        schema=schema if len(schema) <= SCHEMA_LENGTH else None,
        profile=json.dumps(part["profile"]),
    )

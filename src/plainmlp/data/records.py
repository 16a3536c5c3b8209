"""Descriptions of data as JSON can hold them, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from plainmlp.data.arrays import Column, Description


def columns_from_records(records: list[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Return the columns whose fields are given, categories as a list or None."""
    return tuple(
        Column(record["name"], None if record["categories"] is None else tuple(record["categories"]))
        for record in records
    )


def description_to_dict(description: Description) -> dict[str, Any]:
    """Return a description as JSON can hold it."""
    return asdict(description)


def description_from_dict(record: Mapping[str, Any]) -> Description:
    """Return the description that `description_to_dict` described, also after a way through JSON."""
    shape = record["image_shape"]
    return Description(
        name=record["name"],
        task=record["task"],
        columns=columns_from_records(record["columns"]),
        target_names=tuple(record["target_names"]),
        class_names=tuple(record["class_names"]),
        image_shape=None if shape is None else (shape[0], shape[1]),
    )

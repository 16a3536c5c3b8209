"""What each column of a data set was taken for, to be seen before anything is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Array, Column, Dataset
from plainmlp.data.cells import Cells, listed
from plainmlp.data.columns import encode_feature
from plainmlp.data.stored import StoredRows
from plainmlp.data.table import choose_features, encode_targets, roles_of, with_targets
from plainmlp.system.errors import InputError
from plainmlp.system.files import write_csv
from plainmlp.system.wording import printable, shown

TABLES = ("table", "openml")  # data sets whose columns are shown one by one
MAX_SHOWN = 40  # columns
ROWS_OF_AN_ID = 10  # from this many rows on, whole numbers that all differ may only name the rows
HEADER = ("column", "role", "taken for", "levels", "gaps", "distinct", "remark")


class ColumnSummary(NamedTuple):
    """A column, its role and what it was taken for; `distinct` is the share of distinct values among those present."""

    name: str
    role: str
    taken_for: str = ""
    levels: int | None = None
    gaps: int = 0
    distinct: float | None = None
    remark: str = ""

    def texts(self) -> tuple[str, ...]:
        """Return the summary as cells of a table."""
        levels = "" if self.levels is None else str(self.levels)
        distinct = "" if self.distinct is None else f"{self.distinct:.1%}"
        return (printable(self.name), self.role, self.taken_for, levels, str(self.gaps), distinct, self.remark)


def summarize_dataset(dataset: Dataset) -> list[ColumnSummary]:
    """Summarize the features and targets of a data set; nothing is counted in rows that stay in their file."""
    description, rows = dataset.description, dataset.rows
    if isinstance(rows.features, StoredRows) or description.image_shape is not None:
        features = [ColumnSummary(column.name, "feature", "number") for column in description.columns]
    else:
        pairs = zip(description.columns, rows.features.T, strict=True)
        features = [_of_values(column, values) for column, values in pairs]
    if description.task == "classification":
        taken, n_classes = "class", len(description.class_names)
    else:
        taken, n_classes = "label" if description.task == "multilabel" else "number", None
    targets = [ColumnSummary(name, "target", taken, n_classes) for name in description.target_names]
    return [*targets, *features]


def _of_values(column: Column, values: Array) -> ColumnSummary:
    """Summarize a feature by its values as `Part` has them."""
    is_gap = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    there = values[~is_gap]
    n_distinct = len(np.unique(there))
    taken, remark = "number", ""
    if column.dates is not None:
        taken, remark = "date", "year, month, day of the week" if column.dates == "parts" else "days since 1970-01-01"
    elif column.categories is not None:
        taken = "category"
        remark = f"rare: {listed(column.rare)}" if column.rare else ""
    elif (there == np.floor(there)).all():
        taken = "0 or 1" if np.isin(there, (0, 1)).all() else "whole number"
        if n_distinct == len(there) >= ROWS_OF_AN_ID:
            remark = "all differ: if it only names the rows, dataset.id or dataset.drop"
    if n_distinct == 1:
        remark = "the same in every row"
    levels = None if column.categories is None else len(column.categories)
    gaps = int(np.count_nonzero(is_gap))
    return ColumnSummary(column.name, "feature", taken, levels, gaps, n_distinct / max(1, len(there)), remark)


def summarize_table(cells: Cells, keys: DatasetSection) -> list[ColumnSummary]:
    """Summarize every column of a table; if training would refuse a column, its remark says why."""
    features = choose_features(cells, keys)
    cells = with_targets(cells, keys)
    roles = {name: key for key, names in roles_of(keys).items() for name in names}
    return [_of_column(cells, str(name), roles, features, keys) for name in cells.frame]


def _of_column(
    cells: Cells, name: str, roles: dict[str, str], features: Sequence[str], keys: DatasetSection
) -> ColumnSummary:
    role = roles.get(name, "feature" if name in features else "drop")
    try:
        if role == "target":
            _, _, classes = encode_targets(cells, (name,), keys.task)
            return ColumnSummary(name, role, "class" if classes else "number", len(classes) or None)
        if role != "feature":
            return ColumnSummary(name, role.replace("_", " "), gaps=int(np.count_nonzero(cells.frame[name].isna())))
        found = _of_values(*encode_feature(cells, name, keys))
    except InputError as error:
        reason = str(error).removeprefix(f"{cells.source}: ").removeprefix(f"column {shown(name)} ")
        return ColumnSummary(name, role, "refused", remark=reason)
    if found.gaps and keys.missing == "refuse":
        return found._replace(remark="gaps are refused: fill them in, or dataset.missing=mean or median")
    return found


def summary_lines(dataset: Dataset) -> list[str]:
    """Return what to print about a fetched data set: its size and, for a table, each column."""
    description, summaries = dataset.description, summarize_dataset(dataset)
    goal = f"{len(description.class_names)} classes" if description.class_names else "numbers"
    goal = "labels" if description.task == "multilabel" else goal
    targets = ", ".join(map(printable, description.target_names))
    first = f"{description.name}: {len(dataset.rows)} rows of {len(description.columns)} features, target {targets} ({goal})"
    return [first, *dataset.notes, *(table_lines(summaries) if description.name in TABLES else ())]


def table_lines(summaries: Sequence[ColumnSummary]) -> list[str]:
    """Return summaries as the lines of a table; if there are very many, the first ones and those with a remark."""
    shown = [each for place, each in enumerate(summaries) if place < MAX_SHOWN or each.remark][: 2 * MAX_SHOWN]
    rows = [HEADER, *(summary.texts() for summary in shown)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADER))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    n_more = len(summaries) - len(shown)
    return [*lines, f"and {n_more} more columns"] if n_more else lines


def write_columns(path: Path, summaries: Sequence[ColumnSummary]) -> None:
    """Write the summary of a data set as a CSV file."""
    write_csv(path, HEADER, (summary.texts() for summary in summaries))

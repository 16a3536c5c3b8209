"""Raw features as inputs of an ONNX graph, and the nodes that prepare them as `plainmlp.data.preparation` does.

What our own predict refuses becomes NaN, since a graph can refuse nothing.
"""

from typing import TYPE_CHECKING

import numpy as np

from plainmlp.data.arrays import Array, Column
from plainmlp.data.preparation import Preparation, fit_input_names
from plainmlp.exports.graph import ML_DOMAIN, TEXT, Graph

if TYPE_CHECKING:
    from plainmlp.data.scaling import Vector

MATRIX = "features"  # the one input of a data set whose columns are all numbers
GAP = ""  # the text of a missing category
REFUSED, NO_LEVEL = -2, -1  # of a text: NaN, and zero in all inputs of its column
FLOAT, WHOLE = np.dtype(np.float64), np.dtype(np.int64)
FIRST_DAY = 719468  # days from 0000-03-01 to 1970-01-01
DAYS_OF_ERA, DAYS_OF_CENTURY, DAYS_OF_FOUR_YEARS, DAYS_OF_YEAR = 146097, 36524, 1460, 365


def add_features(graph: Graph, preparation: Preparation) -> str:
    """Declare the inputs of a graph, add what prepares them; return the network's inputs, in its dtype.

    Columns of numbers alone are one input `features` of shape (batch, n_columns); else every column is an input of
    shape (batch, 1) under its own name: doubles, of a date days since 1970-01-01, and texts of a category.
    """
    columns, scaling, fill_values = preparation.columns, preparation.input_scaling, preparation.fill_values
    if is_matrix(columns):
        matrix = graph.take(MATRIX, FLOAT, len(columns))
        return _scaled(graph, _filled(graph, matrix, fill_values), scaling.offset, scaling.scale)
    blocks, start = [], 0
    for place, column in enumerate(columns):
        fill_value = None if fill_values is None else fill_values[place : place + 1]
        if column.categories is not None:
            blocks.append(_indicators(graph, column, fill_value))
            continue
        stop = start + len(fit_input_names((column,)))
        values = _filled(graph, graph.take(column.name, FLOAT, 1), fill_value)
        numbers = _date_parts(graph, values) if column.dates == "parts" else values
        blocks.append(_scaled(graph, numbers, scaling.offset[start:stop], scaling.scale[start:stop]))
        start = stop
    return graph.add("Concat", *blocks, axis=1)


def is_matrix(columns: tuple[Column, ...]) -> bool:
    """Say whether columns are one input of numbers."""
    return all(column.categories is None and column.dates is None for column in columns)


def graph_inputs(preparation: Preparation, features: Array) -> dict[str, Array]:
    """Return raw features, as in `Part.features`, as the graph takes them."""
    if is_matrix(preparation.columns):
        return {MATRIX: features.astype(np.float64)}
    readable = preparation.to_frame(features)
    return {
        column.name: (
            features[:, [place]].astype(np.float64)
            if column.categories is None
            else readable[[column.name]].fillna(GAP).to_numpy(TEXT)
        )
        for place, column in enumerate(preparation.columns)
    }


def text_codes(column: Column, fill_value: "Vector | None") -> tuple[dict[str, int], int]:
    """Return the place among the inputs of a column for each text that it knows and for a gap, and that of any other.

    A place may also be `REFUSED` or `NO_LEVEL`.
    """
    levels = column.categories or ()
    known, rare = (levels[:-1], len(levels) - 1) if column.rare else (levels, NO_LEVEL)
    gap = REFUSED if fill_value is None else int(fill_value[0])
    codes = {GAP: gap, **dict.fromkeys(column.rare, rare), **{text: code for code, text in enumerate(known)}}
    return codes, {"refuse": REFUSED, "missing": gap, "rare": rare}[column.unknown]


def _indicators(graph: Graph, column: Column, fill_value: "Vector | None") -> str:
    """Return 1 for the level that a text is, 0 for the others."""
    codes, default = text_codes(column, fill_value)
    texts = graph.take(column.name, TEXT, 1)
    code = graph.add(
        "LabelEncoder",
        texts,
        domain=ML_DOMAIN,
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=default,
    )
    places = np.arange(len(column.categories or ()), dtype=np.int64)[np.newaxis]
    indicators = graph.cast(graph.add("Equal", code, places), graph.dtype)
    is_refused = graph.add("Equal", code, np.array(REFUSED))
    return graph.add("Where", is_refused, graph.number(np.nan), indicators)


def _filled(graph: Graph, values: str, fill_values: "Vector | None") -> str:
    if fill_values is None:
        return values
    return graph.add("Where", graph.add("IsNaN", values), fill_values[np.newaxis], values)


def _scaled(graph: Graph, values: str, offset: "Vector", scale: "Vector") -> str:
    """Return (values - offset) / scale, computed in float64 as `Scaling.apply` does."""
    difference = graph.add("Sub", values, offset[np.newaxis])
    return graph.cast(graph.add("Div", difference, scale[np.newaxis]), graph.dtype)


def _date_parts(graph: Graph, days: str) -> str:
    """Return year, month and day of the week of days since 1970-01-01 (the calendar as in Hinnant, 2013)."""
    is_day = graph.add("Equal", graph.add("Sub", days, days), np.zeros((1, 1)))  # neither NaN nor infinite
    whole = graph.cast(graph.add("Floor", graph.add("Where", is_day, days, np.zeros((1, 1)))), WHOLE)

    def of(operator: str, name: str, number: int) -> str:
        return graph.add(operator, name, np.array([[number]], np.int64))

    since = of("Add", whole, FIRST_DAY)
    day = of("Mod", since, DAYS_OF_ERA)
    leap_days = graph.add("Sub", of("Div", day, DAYS_OF_CENTURY), of("Div", day, DAYS_OF_ERA - 1))
    year = of(
        "Div", graph.add("Add", day, graph.add("Sub", leap_days, of("Div", day, DAYS_OF_FOUR_YEARS))), DAYS_OF_YEAR
    )
    of_years = graph.add(
        "Sub", graph.add("Add", of("Mul", year, DAYS_OF_YEAR), of("Div", year, 4)), of("Div", year, 100)
    )
    month = of("Div", of("Add", of("Mul", graph.add("Sub", day, of_years), 5), 2), 153)  # 0 is March
    years = graph.add(
        "Add", of("Mul", of("Div", since, DAYS_OF_ERA), 400), graph.add("Add", year, of("Div", month, 10))
    )
    of_year = of("Add", of("Mod", of("Add", month, 2), 12), 1)
    weekday = of("Add", of("Mod", of("Add", whole, 3), 7), 1)
    parts = graph.cast(graph.add("Concat", years, of_year, weekday, axis=1), FLOAT)
    return graph.add("Where", is_day, parts, np.full((1, 1), np.nan))

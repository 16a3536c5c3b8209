"""Raw features as inputs of an ONNX graph, and the nodes that prepare them as `plainmlp.data.preparation` does.

What our own predict refuses becomes NaN, since a graph cannot refuse rows.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array, Column
from plainmlp.data.preparation import Preparation
from plainmlp.exports.graph import FLOAT, ML_DOMAIN, TEXT, TRUTH, WHOLE, Graph, Value

if TYPE_CHECKING:
    from plainmlp.data.scaling import Vector

MATRIX = "features"  # the one input of a data set whose columns are all numbers
GAP = ""  # the text of a missing category
REFUSED = -2  # of a text: NaN; -1 is zero in all inputs of its column


def add_features(graph: Graph, preparation: Preparation, dtype: np.dtype[Any]) -> Value:
    """Declare the inputs of a graph; return the network's inputs, in its dtype.

    If all columns are numbers, they are one input `features` of shape (batch, n_columns); otherwise every column is an
    input of shape (batch, 1) under its own name: doubles, for a date days since 1970-01-01, or texts for a category.
    """
    columns, scaling, fill_values = preparation.columns, preparation.input_scaling, preparation.fill_values
    if preparation.is_plain:
        matrix = _filled(graph.take(MATRIX, FLOAT, len(columns)), fill_values)
        return _scaled(matrix, scaling.offset, scaling.scale).cast(dtype)
    blocks, start = [], 0
    for place, column in enumerate(columns):
        fill_value = None if fill_values is None else fill_values[place : place + 1]
        if column.categories is not None:
            blocks.append(_indicators(graph.take(column.name, TEXT, 1), column, fill_value).cast(dtype))
            continue
        stop = start + len(column.input_names)
        values = _filled(graph.take(column.name, FLOAT, 1), fill_value)
        numbers = _date_parts(values) if column.dates == "parts" else values
        blocks.append(_scaled(numbers, scaling.offset[start:stop], scaling.scale[start:stop]).cast(dtype))
        start = stop
    return blocks[0].node("Concat", *blocks[1:], axis=1)


def graph_inputs(preparation: Preparation, features: Array) -> dict[str, Array]:
    """Return raw features, as in `Part.features`, as the graph takes them."""
    if preparation.is_plain:
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


def _indicators(texts: Value, column: Column, fill_value: "Vector | None") -> Value:
    """Return 1 for the level that a text is, 0 for the others."""
    gap = REFUSED if fill_value is None else int(fill_value[0])
    codes = {GAP: gap, **column.places}
    code = texts.node(
        "LabelEncoder",
        domain=ML_DOMAIN,
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64={"refuse": REFUSED, "missing": gap, "rare": column.rare_place}[column.unknown],
        dtype=WHOLE,
    )
    places = np.arange(len(column.categories or ()), dtype=WHOLE)[np.newaxis]
    is_refused = code.node("Equal", REFUSED, dtype=TRUTH)
    return code.node("Equal", places, dtype=TRUTH).cast(FLOAT).replaced(is_refused, np.nan)


def _filled(values: Value, fill_values: "Vector | None") -> Value:
    return values if fill_values is None else values.replaced(values.is_nan(), fill_values[np.newaxis])


def _scaled(values: Value, offset: "Vector", scale: "Vector") -> Value:
    """Return the values as `Scaling.apply` computes them before it rounds them to the network's dtype."""
    return (values - offset[np.newaxis]) / scale[np.newaxis]


def _date_parts(days: Value) -> Value:
    """Return year, month and day of the week of days since 1970-01-01, as doubles.

    In the calendar as Hinnant (2013) computes it, a year begins in March, and an era of 400 years in the year 0.
    """
    is_no_day = (days - days).is_nan()
    whole = days.replaced(is_no_day, 0).node("Floor").cast(WHOLE)
    since = whole + 719_468  # days from 0000-03-01
    day = since % 146_097  # of the era
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    month = (5 * (day - (365 * year + year // 4 - year // 100)) + 2) // 153
    years = 400 * (since // 146_097) + year + month // 10
    parts = years.node("Concat", (month + 2) % 12 + 1, (whole + 3) % 7 + 1, axis=1)
    return parts.cast(FLOAT).replaced(is_no_day, np.nan)

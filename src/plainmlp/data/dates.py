"""Dates as numbers: days since 1970-01-01, and the year, month and day of the week that they stand for."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.cells import Cells
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

if TYPE_CHECKING:
    from pandas import Series

Numbers = NDArray[np.float64]

ISO = "ISO8601"
# how texts may write a date, each the whole column in one way
DATE_FORMATS = (ISO, "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y")
DATE_PARTS = ("year", "month", "day_of_week")
MICROSECONDS_PER_DAY = 86_400_000_000.0
TYPED = ("datetime64", "datetime", "date")  # as pandas infers columns that hold dates and no texts


def find_date_format(cells: Cells, name: str) -> str | None:
    """Return how a column of texts writes dates, or None if any text is not a date.

    Raises
    ------
    InputError
        No row shows which number is the day and which the month.
    """
    values = cells.frame[name]
    found = [form for form in DATE_FORMATS if (parse_dates(values, form).notna() | values.isna()).all()]
    if len(found) > 1:
        message = (
            f"{cells.source}: column {shown(name)} holds dates such as {shown(values.dropna().iloc[0])}, and no row shows which "
            "number is the day and which the month; write dates as YYYY-MM-DD"
        )
        raise InputError(message)
    return found[0] if found else None


def parse_dates(values: "Series", form: str) -> "Series":
    """Return texts as dates, NaT for a gap or any other text."""
    from pandas import to_datetime

    texts = values.astype(object)
    return to_datetime(texts.where(values.notna(), None), format=form, errors="coerce", utc=True)


def days_of(cells: Cells, name: str, form: str | None) -> Numbers:
    """Return a column of dates as days since 1970-01-01, with the time of day as their fraction; NaN where missing.

    The form is how texts write the dates; columns that hold dates already need none.
    """
    values = cells.frame[name]
    dates = parse_dates(values, form or ISO)
    wrong = np.flatnonzero((dates.isna() & values.notna()).to_numpy())
    if wrong.size:
        row = int(wrong[0])
        message = (
            f"{cells.source}: column {shown(name)} has {shown(values.iloc[row])} where a date belongs, in "
            f"{cells.place(row)}; allowed: dates written {'YYYY-MM-DD' if form in {None, ISO} else form}"
        )
        raise InputError(message)
    microseconds = dates.dt.tz_localize(None).to_numpy("datetime64[us]")
    days: Numbers = microseconds.astype(np.int64) / MICROSECONDS_PER_DAY
    return np.where(np.isnat(microseconds), np.nan, days)


def parts_of_dates(days: Numbers) -> Numbers:
    """Return year, month and day of the week (Monday is 1) of days since 1970-01-01, of shape (n_samples, 3)."""
    whole = np.floor(days).astype("datetime64[D]")
    months = whole.astype("datetime64[M]").astype(np.int64)
    weekdays = (whole.astype(np.int64) + 3) % 7 + 1  # the first of them was a Thursday
    return np.column_stack([1970 + months // 12, months % 12 + 1, weekdays]).astype(np.float64)


def write_dates(days: Numbers, form: str | None) -> list[str | None]:
    """Return days since 1970-01-01 as texts in the given form, None where missing."""
    from pandas import to_datetime

    is_gap = np.isnan(days)
    dates = to_datetime(np.rint(np.where(is_gap, 0, days) * MICROSECONDS_PER_DAY).astype("datetime64[us]"))
    texts = dates.map(lambda date: date.isoformat()) if form in {None, ISO} else dates.strftime(form)
    return [None if gap else str(text) for gap, text in zip(is_gap, texts, strict=True)]

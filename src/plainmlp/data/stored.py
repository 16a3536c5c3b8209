"""Rows that stay in their ``.npy`` file and are read some at a time, in place of an array too large for memory.

They are not read through a memory map: its pages count as memory of the process, and on a system that keeps files in
large folios, a thousand rows from all over a file bring in gigabytes.
"""

import hashlib
import os
import weakref
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file
from plainmlp.system.wording import reason

Array = NDArray[Any]
Rows = NDArray[np.integer[Any]]
Conversion = Callable[[Array], Array]

PIECE_NUMBERS = 1 << 19  # read at once from a whole file: 4 MB as float64
SKIPPED_BYTES = 1 << 12  # between two rows are read along, which is cheaper than a second read
ROWS_OF_A_RUN = 4  # from this mean length on it pays to sort rows and read them in runs


class RowFile:
    """A ``.npy`` file of one or two dimensions whose rows are read from the disk each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shape, self.dtype, self._start = _header(path)
        self.n_rows, self.n_columns, self.n_dimensions = shape[0], 1 if len(shape) == 1 else shape[1], len(shape)
        self.row_bytes = self.n_columns * self.dtype.itemsize
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    @property
    def n_bytes(self) -> int:
        """Return how many bytes all rows take."""
        return self.n_rows * self.row_bytes

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the file's bytes, as hexadecimal digits."""
        return digest_file(self.path)

    def read(self, start: int, stop: int) -> Array:
        """Return the rows from `start` up to `stop`, of shape (stop - start, n_columns)."""
        values = np.empty((stop - start, self.n_columns), self.dtype)
        left, offset = _bytes(values), self._start + start * self.row_bytes
        while left:
            n_read = os.preadv(self._descriptor, [left], offset)
            self._check(n_read > 0)
            left, offset = left[n_read:], offset + n_read
        return values

    def gather(self, rows: Rows) -> Array:
        """Return the given rows, of shape (n_given, n_columns); neighbours are read together."""
        places = np.argsort(rows, kind="stable")
        in_order = rows[places].astype(np.int64)
        is_end = np.diff(in_order) * self.row_bytes > SKIPPED_BYTES
        is_end |= np.diff(in_order // piece_rows(self.n_columns)) > 0
        ends = np.flatnonzero(is_end) + 1
        if len(ends) >= len(rows) // ROWS_OF_A_RUN:
            return self._gather_singly(rows)
        values = np.empty((len(rows), self.n_columns), self.dtype)
        for start, stop in pairwise([0, *ends.tolist(), len(rows)]):
            first, last = in_order[start], in_order[stop - 1]
            values[places[start:stop]] = self.read(first, last + 1)[in_order[start:stop] - first]
        return values

    def _gather_singly(self, rows: Rows) -> Array:
        values = np.empty((len(rows), self.n_columns), self.dtype)
        into, size, n_read = _bytes(values), self.row_bytes, 0
        offsets = (rows.astype(np.int64) * size + self._start).tolist()
        for place, offset in zip(range(0, values.nbytes, size), offsets, strict=True):
            n_read += os.preadv(self._descriptor, [into[place : place + size]], offset)
        self._check(n_read == values.nbytes)
        return values

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield all rows some at a time, each piece with the number of its first row."""
        step = piece_rows(self.n_columns)
        for start in range(0, self.n_rows, step):
            yield start, self.read(start, min(start + step, self.n_rows))

    def _check(self, is_whole: bool) -> None:
        if not is_whole:
            message = f"{self.path}: is truncated"
            raise InputError(message)


class StoredRows:
    """Rows of a `RowFile` in some order, for code that reads slices or a few rows of an array at a time.

    Parameters
    ----------
    rows : range or ndarray of shape (n_samples,), integer, optional
        Which rows, in order; without it all of them.
    conversion : callable (values) -> ndarray of shape (n, n_columns), optional
        Applied to rows when they are read.
    n_columns : int, optional
        Of the converted rows; default: as in the file.
    dtype : dtype, optional
        Of the converted rows; default: as in the file.
    """

    def __init__(
        self,
        file: RowFile,
        rows: range | Rows | None = None,
        *,
        conversion: Conversion | None = None,
        n_columns: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.file, self.rows = file, range(file.n_rows) if rows is None else rows
        self.dtype = np.dtype(file.dtype if dtype is None else dtype)
        self.shape = (len(self.rows), file.n_columns if n_columns is None else n_columns)
        self._conversion = conversion

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, key: Any) -> Array:
        """Return the rows of a slice or of an array of their numbers, or after a comma only some columns."""
        if isinstance(key, tuple):
            rows, columns = key
            return np.asarray(self[rows][..., columns])
        return self._read(self.rows[key]) if isinstance(key, slice) else self.take(np.asarray(key))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Return all rows, in memory."""
        return np.concatenate(list(self.pieces())).astype(self.dtype if dtype is None else dtype, copy=False)

    def take(self, indices: Rows, axis: int = 0, out: None = None, mode: str = "raise") -> Array:
        """Return rows by their numbers, as `numpy.take` along the first axis, which gives the other arguments."""
        shape = (-1,) if indices.dtype == np.bool_ else indices.shape
        return self._read(self._numbers(indices)).reshape(*shape, self.shape[1])

    def select(self, rows: Rows) -> "StoredRows":
        """Return some of these rows, still in their file."""
        chosen = self._numbers(rows)
        if len(chosen) and (chosen[1:] - chosen[:-1] == 1).all():  # adjacent rows are read at once
            return StoredRows(self.file, range(int(chosen[0]), int(chosen[-1]) + 1))
        return StoredRows(self.file, chosen)

    def converted(self, conversion: Conversion, n_columns: int, dtype: DTypeLike) -> "StoredRows":
        """Return these rows with a conversion, which is applied to rows when they are read."""
        return StoredRows(self.file, self.rows, conversion=conversion, n_columns=n_columns, dtype=dtype)

    def pieces(self) -> Iterator[Array]:
        """Yield all rows in order, some at a time."""
        step = piece_rows(max(self.file.n_columns, self.shape[1]))
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def digest(self) -> str:
        """Return the SHA-256 over the file's digest and the numbers of the rows, as hexadecimal digits."""
        digest = hashlib.sha256(self.file.digest.encode())
        if isinstance(self.rows, range):
            digest.update(f"{self.rows.start}:{self.rows.stop}".encode())
        else:
            digest.update(np.ascontiguousarray(self.rows, np.int32 if self.file.n_rows <= 1 << 31 else np.int64).data)
        return digest.hexdigest()

    def _numbers(self, indices: Rows) -> Rows:
        """Return the rows' numbers in the file, given their places here or a mask; negative places count from the end."""
        if indices.dtype == np.bool_:
            return self._numbers(np.arange(len(self))[indices])
        if not indices.size:
            return np.empty(0, np.intp)
        if not -len(self) <= indices.min() <= indices.max() < len(self):
            message = f"rows {indices.min()} to {indices.max()} are not all among {len(self)} rows"
            raise IndexError(message)
        places = (np.where(indices < 0, indices + len(self), indices) if indices.min() < 0 else indices).ravel()
        return places + self.rows.start if isinstance(self.rows, range) else self.rows[places]

    def _read(self, rows: range | Rows) -> Array:
        if isinstance(rows, range) and rows.step != 1:
            rows = np.arange(rows.start, rows.stop, rows.step)
        values = self.file.read(rows.start, rows.stop) if isinstance(rows, range) else self.file.gather(rows)
        return values if self._conversion is None else self._conversion(values)


def piece_rows(n_columns: int) -> int:
    """Return how many rows of so many columns are read in one piece."""
    return max(1, PIECE_NUMBERS // n_columns)


# no header or a malformed one, Python objects, an impossible size, or fewer bytes than the header says
_NO_NUMBERS = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError, RecursionError)


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return the shape and dtype of the array in a file, and the offset of its first byte."""
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error})"
        raise InputError(message) from None
    except _NO_NUMBERS as error:
        message = f"{path}: is not a whole .npy file of numbers ({reason(error)})"
        raise InputError(message) from None
    if mapped.ndim not in {1, 2} or not mapped.size or not mapped.flags.c_contiguous:
        message = (
            f"{path}: holds an array of shape {mapped.shape}; allowed: rows of numbers, one after another (C order)"
        )
        raise InputError(message)
    return mapped.shape, mapped.dtype, int(mapped.offset)


def _bytes(values: Array) -> memoryview:
    return values.reshape(-1).view(np.uint8).data

"""Tables of typed columns: Parquet and Feather files; the header shows whether a file is a plain table."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.data.cells import Cells, check_names
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import reason, shown

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import Field

BYTES_PER_VALUE = 32  # of memory at the most at once: as it is read, in the table and among the features


def read_parquet(path: Path) -> Cells:
    """Read a Parquet file; its header says whether it fits into memory."""
    return _read(path, "Parquet", _parquet)


def read_feather(path: Path) -> Cells:
    """Read a Feather file of version 2; its header says whether it fits into memory."""
    return _read(path, "Feather", _feather)


def _read(path: Path, kind: str, frame_of: "Callable[[Path], DataFrame]") -> Cells:
    from pyarrow.lib import ArrowException

    try:
        frame = frame_of(path)
    except (ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = f"{path}: is not a valid {kind} file ({reason(error)})"
        raise InputError(message) from None
    if frame.empty:
        message = f"{path}: the table is empty: {len(frame)} rows, {frame.shape[1]} columns"
        raise InputError(message)
    check_names(list(frame.columns), str(path))
    return Cells(frame.reset_index(drop=True), str(path))


def _parquet(path: Path) -> "DataFrame":
    from pandas import read_parquet
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as file:
        header = ParquetFile(file)
        texts = _check_fields(header.schema_arrow, path)
        _check_size(header.metadata.num_rows, header.metadata.num_columns, path)
        return read_parquet(file, read_dictionary=texts)  # each text is unpacked once, not once a row


def _feather(path: Path) -> "DataFrame":
    from pyarrow import Table, ipc
    from pyarrow.dataset import dataset

    with path.open("rb") as file:
        reader = ipc.open_file(file)
        texts = _check_fields(reader.schema, path)
        _check_size(dataset(path, format="feather").count_rows(), len(reader.schema), path)
        pieces, n_bytes = [], 0
        for number in range(reader.num_record_batches):
            pieces.append(reader.get_batch(number))
            n_bytes += pieces[-1].nbytes
            require_memory(n_bytes, f"{path}: unpacking its columns")
        table = Table.from_batches(pieces, reader.schema)
    for name in texts:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    frame: DataFrame = table.to_pandas()
    return frame


def _check_fields(fields: "Iterable[Field]", path: Path) -> list[str]:
    """Refuse columns that do not hold single values; return the columns of texts."""
    from pyarrow import types

    texts = []
    for field in fields:
        if types.is_string(field.type) or types.is_large_string(field.type):
            texts.append(field.name)
            continue
        kinds = (types.is_primitive, types.is_decimal, types.is_dictionary, types.is_null)
        if not any(is_kind(field.type) for is_kind in kinds):
            message = f"{path}: column {shown(field.name)} holds {field.type}; allowed: numbers, texts, true and false"
            raise InputError(message)
    return texts


def _check_size(n_rows: int, n_columns: int, path: Path) -> None:
    """Refuse a table that does not fit into memory."""
    require_memory(n_rows * n_columns * BYTES_PER_VALUE, f"{path}: reading {n_rows} rows of {n_columns} columns")

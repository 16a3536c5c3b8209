"""The table in a file of any known format: of text, or of typed columns in Parquet and in Feather of version 2."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.config.schema import DatasetSection
from plainmlp.data.cells import Cells, check_names
from plainmlp.data.delimited import read_delimited
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import reason, shown

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import Field

TEXT_FILES = {".csv": "comma", ".csv.gz": "comma", ".tsv": "tab", ".tsv.gz": "tab"}  # and their own separators
BYTES_PER_VALUE = 32  # of memory at the most at once: as it is read, in the table and among the features


def read_table(path: Path, keys: DatasetSection) -> Cells:
    """Read a table whose columns have names; the keys matter only for text files."""
    known = [*TEXT_FILES, *TYPED_FILES]
    ending = next((ending for ending in known if path.name.lower().endswith(ending)), None)
    if ending is None:
        message = f"dataset.path: {path} ends in {shown(path.suffix)} (allowed: {', '.join(known)})"
        raise InputError(message)
    try:
        if ending in TYPED_FILES:
            return _read_typed(path, *TYPED_FILES[ending])
        return read_delimited(path, TEXT_FILES[ending], keys)
    except OSError as error:
        message = f"dataset.path: {path} cannot be read ({error.strerror or error})"
        raise InputError(message) from None


def _read_typed(path: Path, kind: str, frame_of: "Callable[[Path], DataFrame]") -> Cells:
    """Read a table of typed columns, whose header says whether it is a plain one and fits into memory."""
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
    frame: DataFrame = table.to_pandas(categories=texts)
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
    require_memory(n_rows * n_columns * BYTES_PER_VALUE, f"{path}: reading {n_rows} rows of {n_columns} columns")


# how messages name them, and what reads them
TYPED_FILES: dict[str, tuple[str, Callable[[Path], "DataFrame"]]] = {
    ".parquet": ("Parquet", _parquet),
    ".feather": ("Feather", _feather),
}

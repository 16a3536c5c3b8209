"""The table in a file of any known format."""

from collections.abc import Callable
from pathlib import Path

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrow import read_feather, read_parquet
from plainmlp.data.cells import Cells
from plainmlp.data.delimited import read_delimited
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

TEXT_FILES = {".csv": "comma", ".csv.gz": "comma", ".tsv": "tab", ".tsv.gz": "tab"}  # and their own separators
TYPED_FILES: dict[str, Callable[[Path], Cells]] = {".parquet": read_parquet, ".feather": read_feather}


def read_table(path: Path, keys: DatasetSection) -> Cells:
    """Read a table whose columns have names; the keys matter only for text files."""
    known = [*TEXT_FILES, *TYPED_FILES]
    ending = next((ending for ending in known if path.name.lower().endswith(ending)), None)
    if ending is None:
        message = f"dataset.path: {path} ends in {shown(path.suffix)} (allowed: {', '.join(known)})"
        raise InputError(message)
    try:
        if ending in TYPED_FILES:
            return TYPED_FILES[ending](path)
        return read_delimited(path, TEXT_FILES[ending], keys)
    except OSError as error:
        message = f"dataset.path: {path} cannot be read ({error.strerror or error})"
        raise InputError(message) from None

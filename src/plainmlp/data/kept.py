"""Parted data that is fetched and split once, and then read, whatever process asks for it."""

from functools import lru_cache
from pathlib import Path

from plainmlp.config.schema import DatasetSection, SplitSection
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch
from plainmlp.data.stages import split as split_rows
from plainmlp.data.storage import read_splits, write_splits
from plainmlp.data.summary import summary_lines
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, replace_file
from plainmlp.system.process import exclusive_lock

COLUMNS = ".txt"  # beside the folder of parted data: what its columns were taken for
SPLITS_IN_MEMORY = 4
FETCH_SECONDS = 3600.0  # that another process may take to fetch and split data


class KeptSplits:
    """The parted data of configurations, a folder each, below `root`; with `locks` several processes may use it."""

    def __init__(self, root: Path, locks: Path) -> None:
        self._root, self._locks = root, locks
        self._folders: dict[tuple[DatasetSection, SplitSection], Path] = {}

    def splits(self, dataset: DatasetSection, split: SplitSection) -> Splits:
        """Return the parted data of a configuration, which is fetched and split once, then read."""
        return read_once(self.folder(dataset, split))

    def folder(self, dataset: DatasetSection, split: SplitSection) -> Path:
        """Return the folder of the parted data of a configuration, which `read_once` reads.

        Its name tells the configuration and the content of the user's own files apart.

        Raises
        ------
        InputError
            The data cannot be fetched or split as asked.
        """
        key = (dataset, split)
        if key not in self._folders:
            folder = self._root / _data_key(dataset, split)
            with exclusive_lock(self._locks, folder.name, FETCH_SECONDS):
                if not _is_whole(folder):
                    rows = fetch(dataset)
                    write_splits(folder, split_rows(rows, split, dataset.missing))
                    with replace_file(folder.with_suffix(COLUMNS)) as temporary:
                        temporary.write_text("\n".join(summary_lines(rows)), encoding="utf-8", newline="\n")
            self._folders[key] = folder
        return self._folders[key]

    def columns(self, dataset: DatasetSection, split: SplitSection) -> str:
        """Return what the columns of the data of a configuration were taken for, as a single run says it."""
        path = self.folder(dataset, split).with_suffix(COLUMNS)
        return path.read_text(encoding="utf-8") if path.exists() else ""


@lru_cache(SPLITS_IN_MEMORY)
def read_once(folder: Path) -> Splits:
    """Read parted data that was kept; a process reads a folder once."""
    return read_splits(folder)


def _is_whole(folder: Path) -> bool:
    """Say whether parted data is there and can be read."""
    if not folder.is_dir():
        return False
    try:
        read_once(folder)
    except InputError:  # it was damaged, and is made again
        return False
    return True


def _data_key(dataset: DatasetSection, split: SplitSection) -> str:
    """Return the digest of all that the parted data comes from, but for the code; `fetch` will say what is missing."""
    content = {}
    if dataset.path is not None:
        path = Path(dataset.path)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        content = {file.relative_to(path).as_posix(): digest_file(file) for file in files}
    return digest_json([dataset.model_dump(mode="json"), split.model_dump(mode="json"), content])

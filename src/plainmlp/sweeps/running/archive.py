"""The archive: every point that was trained in this checkout, as files that are whole and checked, or not there."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from plainmlp.config.canonical import read_yaml
from plainmlp.config.code import digest_result_code
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.kept import KeptSplits
from plainmlp.data.storage import MANIFEST, manifest_of, read_manifest
from plainmlp.evaluation.reports import flat_metrics
from plainmlp.system.errors import InputError
from plainmlp.system.files import csv_text, json_text, read_json, replace_file, replace_folder, without_fsync
from plainmlp.system.process import exclusive_lock
from plainmlp.tracking.recording.configuration import recorded_text
from plainmlp.tracking.recording.provenance import training_numerics
from plainmlp.training.checkpoints import CHECKPOINTS, Checkpoints
from plainmlp.training.history import History, history_table, read_history, steps_table
from plainmlp.training.model import Trained

ARCHIVE = Path(".plainmlp") / "archive"  # below a checkout
CONFIGURATION = "config.yaml"
TRAINING = "training.json"  # the fields of `ArchivedPoint` that no other file has
CODE_LETTERS = 16  # of the digest of the code
UNUSED_DAYS = 30

Metrics = dict[str, dict[str, float]]
Files = dict[str, bytes]  # of a point, by name


@dataclass(frozen=True)
class ArchivedPoint:
    """What the archive holds of a point, but for its weights."""

    history: History
    metrics: Metrics
    training_seconds: float
    n_parameters: int
    weights_digest: str
    numerics: dict[str, str]  # the fingerprint of the process that trained

    def final_metrics(self) -> dict[str, float]:
        """Return the metrics in one flat table, such as `test_accuracy`, without those that the history has."""
        metrics = flat_metrics(self.metrics)
        own = {name: value for name, value in metrics.items() if name not in self.history}
        return {**own, "training_seconds": self.training_seconds, "n_parameters": self.n_parameters}


class Archive:
    """The points that were trained, a folder each, and the data that they were trained on.

    Several processes may use one archive at once. What each state of the code has trained is in a folder of its own,
    since no other can use it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoints_folder = root.parent / CHECKPOINTS.name  # of all that is unfinished
        self._own = root / digest_result_code()[:CODE_LETTERS]
        self._locks = self._own / "locks"
        self.data = KeptSplits(self._own / "data", self._locks)

    def places(self, point_id: str) -> Places:
        """Return where the files of a finished point are."""
        return Places(self._own / "points" / point_id)

    def has(self, point_id: str, loss_every: int | None = None) -> bool:
        """Say whether a point is there with every byte as it was written, and the losses of its steps if asked for."""
        folder = self.places(point_id).root
        if not folder.is_dir():
            return False
        try:
            read_manifest(folder)
        except InputError:  # a file is missing or damaged: the point counts as absent, and is trained again
            return False
        if loss_every is None:  # to read YAML takes longer than all else here
            return True
        return bool(read_yaml(folder / CONFIGURATION)["training"].get("loss_every") == loss_every)

    def keep(self, point_id: str, files: Mapping[str, bytes], loss_every: int | None = None) -> None:
        """Add a point by what `pack` made of it, whole or not at all.

        One that is there already stays as it is, unless it lacks losses of steps.
        """
        folder = self.places(point_id).root
        with exclusive_lock(self._locks, point_id):
            if self.has(point_id, loss_every):
                return
            with without_fsync(), replace_folder(folder) as temporary:  # a damaged point counts as absent
                for inner in {(temporary / name).parent for name in files} - {temporary}:
                    inner.mkdir()
                for name, content in files.items():
                    (temporary / name).write_bytes(content)

    def present(self) -> set[str]:
        """Return the ids of the points that are there, unchecked."""
        return _names(self._own / "points")

    def note_failure(self, point_id: str, reason: str) -> None:
        """Note that a point has failed, and why, for whoever waits for it."""
        with without_fsync(), replace_file(self._own / "failed" / point_id) as temporary:
            temporary.write_text(reason, encoding="utf-8")

    def forget_failures(self, point_ids: Iterable[str]) -> None:
        """Remove the notes of points that are tried again."""
        for point_id in point_ids:
            (self._own / "failed" / point_id).unlink(missing_ok=True)

    def failed(self) -> set[str]:
        """Return the ids of the points whose failure was noted."""
        return _names(self._own / "failed")

    def failure(self, point_id: str) -> str | None:
        """Return why a point has failed, where that was noted."""
        path = self._own / "failed" / point_id
        return path.read_text(encoding="utf-8") if path.exists() else None

    def load(self, point_id: str) -> ArchivedPoint:
        """Read a point; raise InputError if it is not there or damaged."""
        places = self.places(point_id)
        training = read_json(places.root / TRAINING)
        return ArchivedPoint(read_history(places.history), read_json(places.metrics), **training)

    def find(self, point_id: str) -> ArchivedPoint | None:
        """Return what is kept of a point, if it is there with every byte as it was written."""
        return self.load(point_id) if self.has(point_id) else None

    def checkpoints(self, point_id: str) -> Checkpoints:
        """Return what is kept of a point while it trains; a single run of the checkout keeps it there too."""
        return Checkpoints(self.checkpoints_folder, point_id)

    def remove_unused(self) -> None:
        """Remove what other code has trained and no sweep has used for `UNUSED_DAYS` days."""
        oldest = time.time() - UNUSED_DAYS * 24 * 60 * 60
        with exclusive_lock(self._locks, "00"):
            os.utime(self._own)  # it is used now
            for folder in filter(Path.is_dir, self.root.iterdir()):
                times = [path.stat().st_mtime for path in (folder, *folder.iterdir())]  # a new point renews one
                if folder != self._own and max(times) < oldest:
                    shutil.rmtree(folder)

    def size(self) -> int:
        """Return how many bytes the files of the archive hold."""
        return sum((Path(folder) / name).stat().st_size for folder, _, names in os.walk(self.root) for name in names)


def _names(folder: Path) -> set[str]:
    """Return what is in a folder, if there is one, without what is being written."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()


def pack(config: Config, trained: Trained, metrics: Metrics) -> Files:
    """Return the files of a point, with the digests of all."""
    places, model = Places(Path()), trained.model
    training = {
        "training_seconds": trained.seconds,
        "n_parameters": len(model.parameters),
        "weights_digest": model.weights_digest,
        "numerics": dict(training_numerics(config.training)),
    }
    texts = {
        places.root / CONFIGURATION: recorded_text(config),
        places.root / TRAINING: json_text(training),
        places.history: csv_text(*history_table(trained.history, trained.digests)),
        places.metrics: json_text(metrics),
    }
    if config.training.loss_every is not None:
        texts[places.steps] = csv_text(*steps_table(trained.steps))
    files = {path.as_posix(): text.encode() for path, text in texts.items()}
    files[places.model.as_posix()] = model.to_bytes()
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return {**files, MANIFEST: json_text(manifest_of({}, digests)).encode()}

"""The manifest of a run: all that was recorded, in one file with a digest; this checkout keeps a copy.

The copy shows that this user made the run, and the changes of the code that it holds, in this checkout.
"""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, read_json, replace_file, without_fsync
from plainmlp.tracking.models import MODEL_FILE
from plainmlp.tracking.outbox import PREFIX, Entry, Outbox, Point, RunHeader, merged
from plainmlp.tracking.tags import FAILURE_TAG, MANIFEST_TAG, NOTE_TAG, PROCESS_TAG
from plainmlp.tracking.terminal import show_warning

MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"  # among the artifacts of a run
COPIES = Path(".plainmlp") / "manifests"  # below a checkout
NAMESPACE = "plainmlp"  # of the signatures
# tags that say nothing of a finished run, that follow from it, or that MLflow's pages let anyone edit
PASSING = {PROCESS_TAG, FAILURE_TAG, MANIFEST_TAG, NOTE_TAG}
_RECORD_ID = re.compile(rf"{PREFIX}[0-9A-Za-z_-]{{1,200}}")

Manifest = dict[str, Any]


def seal(
    folder: Path, outbox: Outbox, header: RunHeader, entries: Sequence[Entry], files: Mapping[str, Path]
) -> dict[str, str]:
    """Write the manifest of entries and their files to a folder, signed if there is a key; return the tag with its digest."""
    copy = copy_of(outbox.checkout, header.record_id)
    manifest = _manifest(header, entries, files, read_copy(copy))
    # in one line, since a sweep writes thousands and Python indents JSON slowly
    path, content = folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, allow_nan=False).encode()
    with without_fsync():
        for each in (path, copy):
            with replace_file(each) as temporary:
                temporary.write_bytes(content)
    if outbox.signing_key is not None:
        _sign(path, outbox.signing_key)
    return {MANIFEST_TAG: hashlib.sha256(content).hexdigest()}


def copy_of(checkout: Path, record_id: str) -> Path:
    """Return the path of a checkout's copy of the manifest of a run that it has recorded."""
    return checkout / COPIES / f"{record_id}.json"


def own_copy(checkout: Path, record_id: str) -> Path | None:
    """Return a checkout's copy of the manifest of a record, if this user made one; any text may be the id."""
    path = copy_of(checkout, record_id)
    is_own = _RECORD_ID.fullmatch(record_id) and path.is_file() and path.stat().st_uid == os.getuid()
    return path if is_own else None


def read_copy(path: Path) -> Manifest | None:
    """Return a checkout's copy of a manifest, if it exists and is whole."""
    try:
        return dict(read_json(path)) if path.exists() else None
    except InputError:  # a power cut damaged it
        return None


def _manifest(
    header: RunHeader, entries: Sequence[Entry], files: Mapping[str, Path], earlier: Manifest | None
) -> Manifest:
    """Return what a run holds by its entries and, if the run had ended before, by an earlier manifest."""
    kinds = ("files", "metrics", "parameters", "tags")
    parts: dict[str, dict[str, Any]] = {kind: dict((earlier or {}).get(kind, {})) for kind in kinds}
    tags = {**header.tags, **merged(entries, "tags")}
    run_id, record_id = header.run_id or header.record_id, header.record_id
    parts["files"] |= {name: file_entry(path, run_id, record_id) for name, path in sorted(files.items())}
    parts["metrics"] |= last_values(point for entry in entries for point in entry.get("metrics", ()))
    parts["parameters"] |= merged(entries, "parameters")
    parts["tags"] |= {key: neutral(text, run_id, record_id) for key, text in tags.items() if key not in PASSING}
    for name in (MANIFEST, SIGNATURE):
        parts["files"].pop(name, None)
    # a run that was killed and published, and then continued, began where no manifest was written
    is_whole = earlier["whole"] if earlier is not None else any("parameters" in entry for entry in entries)
    return {"format": 1, "record": record_id, "whole": is_whole, **parts}


def file_entry(path: Path, run_id: str, record_id: str) -> dict[str, Any]:
    """Return size and SHA-256 of a file; the one that names its run counts as if it named the record."""
    if path.name != MODEL_FILE:
        return {"size": path.stat().st_size, "sha256": digest_file(path)}
    content = path.read_bytes().replace(run_id.encode(), record_id.encode())
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def neutral(value: str, run_id: str, record_id: str) -> str:
    """Return the value of a tag with the record's id in place of the run's, which is known only when it is sent."""
    return value.replace(run_id, record_id)


def last_values(points: Iterable[Point | Sequence[Any]]) -> dict[str, str]:
    """Return the last value of each metric as MLflow has it, as a text."""
    last: dict[str, tuple[int, int, float, bool]] = {}
    for name, value, stamp, epoch in points:
        is_missing = math.isnan(value)
        key = (epoch, stamp, 0.0 if is_missing else value, is_missing)
        if name not in last or key > last[name]:
            last[name] = key
    return {
        name: stored_text(math.nan if is_missing else value) for name, (_, _, value, is_missing) in sorted(last.items())
    }


def stored_text(value: float) -> str:
    """Return a number as MLflow stores it, as a text: the largest number in place of infinity, and no -0.0."""
    kept = math.copysign(sys.float_info.max, value) if math.isinf(value) else value
    return repr(float(kept) + 0.0)


def check_signing(key: str) -> Path:
    """Return the file of the key for signing manifests, after checking that it exists."""
    path = Path(key).expanduser()
    if not path.is_file():
        message = f"tracking.sign = {key!r}: there is no such file (allowed: the path of an SSH key, private or public)"
        raise InputError(message)
    if shutil.which("ssh-keygen") is None:
        message = "tracking.sign needs the program ssh-keygen of OpenSSH, which is not installed"
        raise InputError(message)
    return path


def _sign(path: Path, key: Path) -> None:
    """Write the signature of a manifest beside it; a key with a passphrase must be in an agent."""
    ended = _ssh_keygen("sign", "-q", "-n", NAMESPACE, "-f", str(key), str(path))
    if ended.returncode:
        show_warning(f"this run is not signed: {ended.stderr.decode(errors='replace').strip()}")


def is_signed(manifest: Path, signature: Path, allowed: Path) -> bool:
    """Say whether one of the allowed signers, in a file as `man ssh-keygen` describes, has signed a manifest."""
    files = ("-s", str(signature), "-f", str(allowed))
    found, content = _ssh_keygen("find-principals", *files), manifest.read_bytes()
    signers = found.stdout.decode(errors="replace").splitlines() if found.returncode == 0 else []
    checks = (_ssh_keygen("verify", "-n", NAMESPACE, "-I", signer, *files, given=content) for signer in signers)
    return any(ended.returncode == 0 for ended in checks)


def _ssh_keygen(action: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run OpenSSH's program, without a terminal to ask questions in."""
    command = ["ssh-keygen", "-Y", action, *words]
    return subprocess.run(command, input=given, capture_output=True, check=False, start_new_session=True)  # noqa: S603

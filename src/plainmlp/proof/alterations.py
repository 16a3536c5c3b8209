"""How a record differs from what its run left: against its manifest, and where it contradicts itself, a line each."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from plainmlp.composition.overrides import CONFIGURATION
from plainmlp.proof.rebuilding import commit_of, git
from plainmlp.proof.recorded import RecordedRun, tried
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, files_below, read_json
from plainmlp.tracking.outbox import as_published
from plainmlp.tracking.recording import manifest as manifests
from plainmlp.tracking.recording.configuration import shown_parameters
from plainmlp.tracking.recording.manifest import MANIFEST, SIGNATURE, Manifest, file_entry, neutral, stored_text
from plainmlp.tracking.recording.provenance import IN_RECORD, PACKAGES, PATCH, PROVENANCE, RECORD
from plainmlp.tracking.stored_runs import StoredRun
from plainmlp.tracking.tags import MANIFEST_TAG, PARENT_TAG, PRUNED_TAG, RECORD_TAG

WRITER = "src/plainmlp/tracking/recording/manifest.py"  # a commit that has it writes a manifest for every run
REPORTS = "verify/"  # begins the names of what verifications add to the artifacts of a run
# prefixes of tags that are added later: by verifications, by MLflow's pages, and when a search has compared its points
FREE_TAGS = ("verify.", "mlflow.", PRUNED_TAG)
EVERY_RUN = (CONFIGURATION, "model.safetensors", "history.csv", f"{PROVENANCE}/{RECORD}", f"{PROVENANCE}/{PACKAGES}")
SINGLE_RUN = ("metrics.json", "intervals.json", "predictions.csv", "model/MLmodel", "model/data/model.safetensors")
FROM_WHOM = "manifest.json has no signature of an allowed signer"


def find_untrusted(recorded: RecordedRun) -> list[str]:
    """Return the alterations of configuration and code, with which a re-execution starts."""
    tags = recorded.run.tags
    lines = [
        *_altered_file(recorded.tags, "configuration_digest", recorded.configuration),
        *_altered_file(tags, "git_diff_digest", recorded.patch),
    ]
    if recorded.patch.exists() and "git_diff_digest" not in tags:
        lines.append(f"{PATCH} is there, and git_diff_digest is not")
    return lines


def find_alterations(recorded: RecordedRun, checkout: Path, allowed_signers: Path | None = None) -> list[str]:
    """Return a line for each change after the run."""
    run, provenance = recorded.run, recorded.provenance or {}
    metrics = {
        name: value for name, value in run.metrics.items() if name in recorded.written.keys() - recorded.curves.keys()
    }
    described = {key: value for key, value in run.tags.items() if key in provenance}
    noted = {key: value for key, value in provenance.items() if key in run.tags or not key.startswith(IN_RECORD)}
    lines = [
        *find_untrusted(recorded),
        *_altered_file(recorded.tags, "environment_digest", recorded.packages),
        *(f"{name} {problem}" for name, problem in recorded.files.problems.items()),
        *_contradictions("tag", described, noted, RECORD),
        *_contradictions("parameter", run.parameters, _configured(recorded), CONFIGURATION),
        *_altered_model(recorded),
        *_altered_curves(recorded),
        *_contradictions(
            "metric", _texts(metrics), _texts({name: recorded.written[name] for name in metrics}), "its file"
        ),
    ]
    manifest = read_manifest(recorded.root)
    if manifest is not None:
        needed = EVERY_RUN if PARENT_TAG in run.tags else (*EVERY_RUN, *SINGLE_RUN)
        lines += [f"{name} is missing" for name in needed if name not in manifest["files"]]
    return list(dict.fromkeys([*lines, *find_unlisted(run, recorded.root, checkout, allowed_signers)]))


def _configured(recorded: RecordedRun) -> dict[str, str] | None:
    """Return the parameters in config.yaml that MLflow must have, and those that it has for runs of earlier versions."""
    found = recorded.configured
    if found is None:
        return None
    return shown_parameters(found) | {key: found[key] for key in found.keys() & recorded.run.parameters.keys()}


def _altered_file(tags: Mapping[str, str], tag: str, file: Path) -> Iterator[str]:
    """Compare a file with its digest in a tag."""
    digest = tags.get(tag)
    if digest is not None and not file.exists():
        yield f"{file.name} is missing"
    elif digest is not None and digest_file(file) != digest:
        yield f"{file.name} does not have the {tag} of the run"


def _contradictions(kind: str, found: Mapping[str, str], written: Mapping[str, str] | None, file: str) -> Iterator[str]:
    """Compare the values of keys in MLflow with those in a file."""
    for key in sorted(found.keys() | written.keys()) if written is not None else ():
        first, second = found.get(key), (written or {}).get(key)
        if first != second:
            yield f"the {kind} {key} is {_shown(first)} in MLflow and {_shown(second)} in {file}"


def _shown(value: str | None) -> str:
    return "missing" if value is None else repr(value)


def _texts(values: Mapping[str, float]) -> dict[str, str]:
    return {name: stored_text(value) for name, value in values.items()}


def _altered_model(recorded: RecordedRun) -> Iterator[str]:
    """Compare the model with its digest, and with the copy that MLflow serves."""
    model, tags = recorded.files.model, recorded.run.tags
    if model is not None and model.weights_digest != tags.get("weights_digest", model.weights_digest):
        yield "the weights in model.safetensors do not have the weights_digest of the run"
    served, own = recorded.served_model, recorded.model
    if served.exists() and own.exists() and served.read_bytes() != own.read_bytes():
        yield "the model that MLflow serves is not model.safetensors"


def _altered_curves(recorded: RecordedRun) -> Iterator[str]:
    """Compare MLflow's points of each curve, and its last value, with history.csv."""
    for name, values in as_published(recorded.files.history, recorded.run.metrics).items():
        if _distinct(recorded.curves.get(name, ())) != _distinct(enumerate(values)):
            yield f"the curve {name} in MLflow is not that of history.csv"
        elif stored_text(recorded.run.metrics[name]) != stored_text(values[-1]):
            yield f"the metric {name} is {recorded.run.metrics[name]!r} in MLflow, and its curve ends with {values[-1]!r}"


def _distinct(points: Iterable[tuple[int, float]]) -> set[tuple[int, str]]:
    """Return points without repetitions, since some may have been sent twice."""
    return {(epoch, stored_text(value)) for epoch, value in points}


def read_manifest(root: Path) -> Manifest | None:
    """Return the manifest among the files of a run, if it exists and is whole."""
    return tried(root / MANIFEST, _checked_manifest, {})


def _checked_manifest(path: Path) -> Manifest:
    content = read_json(path)
    files = content["files"]
    tables = [content[name] for name in ("metrics", "parameters", "tags")]
    plain = all(isinstance(text, str) for table in tables for text in [content["record"], *table.values()])
    if not plain or not all(isinstance(name, str) and {"size", "sha256"} == set(files[name]) for name in files):
        message = f"{path}: is damaged"
        raise InputError(message)
    return {**content, "whole": content["whole"] is True}


def find_unlisted(run: StoredRun, root: Path, checkout: Path, allowed_signers: Path | None) -> Iterator[str]:
    """Compare all that MLflow has of a run with its manifest, and check who wrote that."""
    path, manifest = root / MANIFEST, read_manifest(root)
    copy = manifests.own_copy(checkout, run.tags.get(RECORD_TAG, ""))  # if this checkout recorded the run
    if manifest is None:
        if path.exists() or MANIFEST_TAG in run.tags or copy or _writes_manifests(run, checkout):
            yield f"{MANIFEST} {'is damaged' if path.exists() else 'is missing'}"
        if allowed_signers is not None:
            yield FROM_WHOM
        return
    if digest_file(path) != run.tags.get(MANIFEST_TAG):
        yield f"{MANIFEST} does not have the {MANIFEST_TAG} of the run"
    if copy is not None and copy.read_bytes() != path.read_bytes():
        yield f"{MANIFEST} is not the one that this checkout kept when it recorded the run"
    if allowed_signers is not None and not manifests.is_signed(path, root / SIGNATURE, allowed_signers):
        yield FROM_WHOM
    if manifest["record"] != run.tags.get(RECORD_TAG):
        yield f"{MANIFEST} is of {manifest['record']}, and the run of {run.tags.get(RECORD_TAG)}"
    yield from _differing_files(run, root, manifest)
    yield from _differing_values(run, manifest)


def _writes_manifests(run: StoredRun, checkout: Path) -> bool:
    """Say whether the code of a run is known to write a manifest."""
    commit = commit_of(run.tags)
    return commit is not None and git(checkout, "cat-file", "-e", f"{commit}:{WRITER}").returncode == 0


def _differing_files(run: StoredRun, root: Path, manifest: Manifest) -> Iterator[str]:
    """Compare the files, by size and digest."""
    found, listed = files_below(root), manifest["files"]
    for name in sorted(found.keys() | listed.keys() - {MANIFEST, SIGNATURE}):
        if name not in found:
            yield f"{name} is missing"
        elif name in listed and file_entry(found[name], run.run_id, manifest["record"]) != listed[name]:
            yield f"{name} is not as the run wrote it"
        elif manifest["whole"] and not name.startswith(REPORTS) and name not in {*listed, MANIFEST, SIGNATURE}:
            yield f"{name} was added after the run"


def _differing_values(run: StoredRun, manifest: Manifest) -> Iterator[str]:
    """Compare metrics, parameters and tags; tags that were added are `find_uncovered`'s."""
    tags = {key: neutral(value, run.run_id, manifest["record"]) for key, value in run.tags.items()}
    if manifest["tags"].get(PARENT_TAG, "").startswith("record-"):  # the sweep's run had no id yet
        manifest = {**manifest, "tags": {**manifest["tags"], PARENT_TAG: tags.get(PARENT_TAG)}}
    found: dict[str, Mapping[str, str]] = {"metrics": _texts(run.metrics), "parameters": run.parameters}
    for kind in ("metrics", "parameters"):
        known = found[kind] if manifest["whole"] else _part(found[kind], manifest[kind])
        yield from _contradictions(kind.removesuffix("s"), known, manifest[kind], MANIFEST)
    yield from _contradictions("tag", _part(tags, manifest["tags"]), manifest["tags"], MANIFEST)


def _part(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}


def find_uncovered(run: StoredRun, root: Path) -> dict[str, str]:
    """Return the parts of a record that cannot be checked, and why."""
    manifest = read_manifest(root)
    if manifest is None:
        return {"manifest": "the run has none, so its figures, served model, tags and further metrics are not compared"}
    passing = {*manifests.PASSING, RECORD_TAG, *manifest["tags"]}
    added = sorted(key for key in run.tags if key not in passing and not key.startswith(FREE_TAGS))
    uncovered = {"tags": f"added after the run: {', '.join(added)}"} if added else {}
    if not manifest["whole"]:
        uncovered["manifest"] = "a part of the run was published before there was one"
    return uncovered

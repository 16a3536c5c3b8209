"""Identity: the id of a point, from all that can change its result, and that of a checkout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from plainmlp.config.code import digest_result_code
from plainmlp.system.digests import digest_json
from plainmlp.system.files import write_text
from plainmlp.system.process import exclusive_lock

CHECKOUT_ID = Path(".plainmlp") / "checkout_id"  # below a checkout
RESULT_SECTIONS = ("backend", "dataset", "model", "optimizer", "seed", "split", "training")
# of their keys, what only says where the data is, and what is kept of a training beside its result
FREE_KEYS = {
    "dataset": {"path"},
    "training": {"threads", "compiled", "loss_every", "digest_every", "checkpoint_epochs", "checkpoint_seconds"},
}


def identify_point(
    configuration: Mapping[str, Any], data_digest: str, weights_digest: str | None, code_digest: str | None = None
) -> str:
    """Return the id of the point that a run computes, 64 hexadecimal digits: the same id promises the same bits.

    It is the SHA-256 of the digest of the code (default: this process's), the digest of the data arrays, the digest of the
    file with initial weights, and the canonical configuration without what cannot change a result: where runs are
    recorded, the paths of inputs, and how often a training is digested and saved.
    """
    relevant = {name: configuration[name] for name in RESULT_SECTIONS}
    for name, free in FREE_KEYS.items():
        relevant[name] = {key: value for key, value in relevant[name].items() if key not in free}
    relevant["model"] = {**relevant["model"], "weights": weights_digest}
    return digest_json({"configuration": relevant, "data": data_digest, "code": code_digest or digest_result_code()})


def checkout_id(checkout: Path) -> str:
    """Return what tells a checkout from all others, wherever it is moved to; drawn when it is asked for first."""
    path = checkout / CHECKOUT_ID
    with exclusive_lock(path.parent / "sweeps", "00"):
        if not path.exists():
            write_text(path, uuid4().hex)
    return path.read_text(encoding="utf-8")

"""Identity: the id of a point, from all that can change its result, and that of a checkout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from plainmlp.config.code import digest_result_code
from plainmlp.system.digests import digest_json
from plainmlp.system.files import replace_file
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

    It is the SHA-256 of the code (default: that of this process), the digest of the data arrays, the digest of the file
    that weights start from, whose path does not enter, and the canonical configuration but for where runs are recorded,
    where the data is read from, and how a training is digested and kept meanwhile.
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
            with replace_file(path) as temporary:
                temporary.write_text(uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")

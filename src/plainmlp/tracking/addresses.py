"""Addresses as they may be shown and kept: without the credentials that they hold."""

import re

MASK = "***"
_CREDENTIALS = (
    re.compile(r"(?<=://)[^/?#\s]+(?=@)"),  # user:password, or a token; the last @ ends it
    re.compile(r"(?<=[?&])((?:[\w.-]*(?:password|passwd|passphrase|secret|token))=)[^&#\s]+", re.IGNORECASE),
)


def without_credentials(address: str) -> str:
    """Return an address, or a text that holds some, with a mask in place of names, passwords and tokens.

    Parameters
    ----------
    address : str
        Such as ``https://user:password@host/path`` or ``postgresql://host/database?password=...``.

    Examples
    --------
    >>> without_credentials("https://ann:secret@host:5000/x")
    'https://***@host:5000/x'
    >>> without_credentials("sqlite:////home/ann@work/mlflow.db")
    'sqlite:////home/ann@work/mlflow.db'
    """
    bare, keys = _CREDENTIALS
    return keys.sub(rf"\g<1>{MASK}", bare.sub(MASK, address))

"""Addresses without their credentials, for what is shown or kept."""

import re

MASK = "***"
_CREDENTIALS = (
    re.compile(r"(?<=://)[^/?#\s]+(?=@)"),  # user:password, or a token; the last @ ends it
    re.compile(r"(?<=[?&])((?:[\w.-]*(?:password|passwd|passphrase|secret|token))=)[^&#\s]+", re.IGNORECASE),
)


def without_credentials(address: str) -> str:
    """Return an address, or a text with addresses, with a mask in place of names, passwords and tokens.

    Examples
    --------
    >>> without_credentials("https://ann:secret@host:5000/x")
    'https://***@host:5000/x'
    >>> without_credentials("sqlite:////home/ann@work/mlflow.db")
    'sqlite:////home/ann@work/mlflow.db'
    """
    bare, keys = _CREDENTIALS
    return keys.sub(rf"\g<1>{MASK}", bare.sub(MASK, address))

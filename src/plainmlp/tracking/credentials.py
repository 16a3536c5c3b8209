"""Credentials: recognized in addresses, masked in what is shown or stored, and found in what would be published."""

import re
from collections.abc import Iterable

MASK = "***"
# values in a query that are shown; every other may be a key, a signature or a password
HARMLESS = {
    "cache",
    "charset",
    "connect_timeout",
    "driver",
    "experiment_name",
    "max_results",
    "mode",
    "run_id",
    "sslmode",
}
_HOST_AND_PORT = r"(?:localhost|\[[^\]\s]*\]|[\w-]+(?:\.[\w-]+)+):\d+(?:[/?#]|$)"
# user:password, whose password may hold all but the end of the line, or a name or token without one; the last @ ends it
_USER = re.compile(rf"(?<=://)(?:(?!{_HOST_AND_PORT})[^/?#\s@:]*:(?:(?!://)[^\n])*|[^/?#\s]+)(?=@)", re.MULTILINE)
_VALUE = re.compile(r"(?<=[?&;])([\w.%\[\]-]+)=[^&;#\s]+")
_NAME_ALONE = re.compile(r"\b(?!https?:)([\w+.-]+://)[^/?#\s@:]+@")
_WORDS = r"(?:password|passwd|passphrase|secret|token|(?:api|access)[_-]?key)"
_PLAIN = r"[^\s\"'*<>{}$]"  # no mask, no placeholder
_QUOTED = r"(\"(?![*<{$])[^\"\n]{4,}\"|'(?![*<{$])[^'\n]{4,}')"
_SECRETS = {
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY"),
    "a token": re.compile(
        r"\b(?:gh[oprsu]_\w{36}|github_pat_\w{22}|glpat-[\w-]{20}|xox[abeoprs]-[\w-]{10}|hf_\w{30}|sk-[\w-]{20}|AIza[\w-]{35})"
    ),
    "a URL with credentials": re.compile(rf"://(?:(?![/?#@:]){_PLAIN})+:(?:(?![/?#@]){_PLAIN})+@[\w\[]"),
    "a password": re.compile(rf"{_WORDS}[\"']?[ \t]*[:=]\s*{_QUOTED}", re.IGNORECASE),
}
_UNQUOTED = re.compile(rf"^\s*[\w-]*{_WORDS}\s*[:=]\s*(?!(?:null|none|true|false)\b){_PLAIN}{{4,}}", re.IGNORECASE)
SETTINGS_FILES = (".cfg", ".conf", ".env", ".ini", ".toml", ".yaml", ".yml")  # they hold texts without quotes


def without_credentials(text: str) -> str:
    """Return an address, or a text with addresses, with a mask in place of names, passwords and values of queries.

    Examples
    --------
    >>> without_credentials("https://" + "ann:secret@host:5000/x?sig=a1&sslmode=require")
    'https://***@host:5000/x?sig=***&sslmode=require'
    >>> without_credentials("sqlite:////home/ann@work/mlflow.db")
    'sqlite:////home/ann@work/mlflow.db'
    """
    return _VALUE.sub(_masked, _USER.sub(MASK, text))


def _masked(found: re.Match[str]) -> str:
    return found[0] if found[1].lower() in HARMLESS else f"{found[1]}={MASK}"


def holds_credentials(address: str) -> bool:
    """Say whether an address holds a password, a token or a query that may be one; a database's user alone is fine."""
    address = _NAME_ALONE.sub(r"\g<1>", address)
    return without_credentials(address) != address


def secret_in(line: str, name: str) -> str:
    """Return what kind of secret a line of the file `name` seems to hold; empty if none."""
    if name.endswith(SETTINGS_FILES) and _UNQUOTED.search(line):
        return "a password"
    return next((kind for kind, pattern in _SECRETS.items() if pattern.search(line)), "")


def find_secrets(lines: Iterable[tuple[int, str]], name: str) -> list[str]:
    """Return a note such as ``conf/a.yaml:3 (a private key)`` for each numbered line that seems to hold a secret."""
    kinds = ((number, secret_in(line, name)) for number, line in lines)
    return [f"{name}:{number} ({kind})" for number, kind in kinds if kind]

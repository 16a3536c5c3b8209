"""A failed composition of conf/ in one line; tells the kinds of errors apart by what they carry, without Hydra."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from plainmlp.config.canonical import one_line, yaml_problem
from plainmlp.system.wording import shown, unknown_key, unknown_name

Keys = Callable[[], Sequence[str]]

GRAMMAR = "write key=value, such as model.activation=tanh or model.hidden_sizes=[8,4]"
_REFUSED_KEY = re.compile(r"Could not override '([^']*)'|Could not delete from config\. '([^']*)' does not exist")
_KEY_IN_CAUSE = re.compile(r"full_key: (\S+)")


def explanation(error: Exception, conf_folder: Path, overrides: Sequence[str], known_keys: Keys) -> str:
    """Say in one line what is wrong with an override or a file of conf/.

    Parameters
    ----------
    error : Exception
        What Hydra, OmegaConf or the YAML reader raised.
    conf_folder : Path
        The folder that was composed.
    overrides : sequence of str
        The overrides that it was composed under.
    known_keys : callable () -> sequence of str
        Return every key that exists with the files that these overrides choose.
    """
    if hasattr(error, "override"):
        return f"override {shown(error.override)} cannot be read ({one_line(str(error))}); {GRAMMAR}"
    if getattr(error, "missing_cfg_file", None) or "Config group override must be" in str(error):
        return _unknown_file(error, conf_folder, overrides)
    if match := _REFUSED_KEY.search(str(error)):
        return _unknown_key(match[1] or match[2] or "", error, conf_folder, known_keys())
    if mark := getattr(error, "problem_mark", None):
        return yaml_problem(Path(mark.name), error)
    key = getattr(error, "full_key", None)
    line = one_line(str(error)) or f"the overrides {shown(list(overrides))} cannot be applied"
    return f"{key}: {line}" if key else line


def _unknown_file(error: Exception, conf_folder: Path, overrides: Sequence[str]) -> str:
    """Name the files of a group of which one was chosen that is not there."""
    choice = getattr(error, "missing_cfg_file", None) or _null_choice(conf_folder, overrides)
    group, _, name = str(choice).rpartition("/")
    files = [file.stem for file in (conf_folder / group).glob("*.yaml")]
    return unknown_name(group, name, files or getattr(error, "options", None) or ())


def _null_choice(conf_folder: Path, overrides: Sequence[str]) -> str:
    """Return the choice of a file that is no name, such as null or 5."""
    parts = (override.lstrip("+").partition("=") for override in overrides)
    choices = (f"{key}/{value}" for key, _, value in parts if (conf_folder / key).is_dir())
    return next(choice for choice in choices if not (conf_folder / f"{choice}.yaml").is_file())


def _unknown_key(key: str, error: Exception, conf_folder: Path, known: Sequence[str]) -> str:
    """Say that a key is unknown; where an override's own key exists, one inside of its value is meant."""
    in_cause = _KEY_IN_CAUSE.search(str(error.__cause__))
    if in_cause and (key in known or in_cause[1].startswith(f"{key}.")):
        whole = f"replace the whole of {key}, write ~{key} +{key}=..."
        return f"{unknown_key(in_cause[1], known)}; to {whole if key in known else f'add it, write +{in_cause[1]}=...'}"
    section, _, word = key.rpartition(".")
    files = [file.stem for file in sorted((conf_folder / section).glob("*.yaml")) if section and _has(file, word)]
    hint = f"; {' and '.join(f'{section}={file}' for file in files)} have it" if files else ""
    return unknown_key(key, known) + hint


def _has(file: Path, key: str) -> bool:
    """Say whether a file, or one that it starts from, has a key."""
    text = file.read_text(encoding="utf-8")
    bases = re.findall(r"^defaults: \[([\w/]+)", text, re.MULTILINE)
    return re.search(rf"^{re.escape(key)}:", text, re.MULTILINE) is not None or any(
        _has(file.parent / f"{base}.yaml", key) for base in bases
    )

"""The way from conf/ and overrides to a checked configuration."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import yaml  # type: ignore[import-untyped]
from pydantic import ValidationError

from plainmlp.composition.explanation import explanation, refusal, schema_problem
from plainmlp.config.canonical import flat_items
from plainmlp.config.schema import Config, TrackingSection
from plainmlp.system.errors import InputError, StorageError, path_problem
from plainmlp.system.wording import shown
from plainmlp.tracking.credentials import holds_credentials, without_credentials

RAISE = {"HYDRA_FULL_ERROR": "1"}  # Hydra raises its errors, and does not print them and exit
# further ones that Hydra meets malformed overrides with
OF_MALFORMED = (yaml.YAMLError, ValueError, TypeError, AssertionError, RuntimeError)
LONGEST_OVERRIDE = 10_000  # characters
ELSEWHERE = "; hydra.run.dir=<folder>, or hydra.sweep.dir=<folder> with -m, writes elsewhere"


@cache
def composition_errors() -> tuple[type[Exception], ...]:
    """Return what Hydra raises."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (HydraException, OmegaConfBaseException, *OF_MALFORMED)


def parse(mapping: Mapping[str, Any]) -> Config:
    """Check a configuration: types, ranges, names and options.

    Parameters
    ----------
    mapping : mapping of str to object
        Sections and `seed`, as conf/ composes them or as `canonical` returned them.

    Returns
    -------
    Config
        With every option of every chosen entry filled in, so that two spellings of one configuration are equal.

    Raises
    ------
    InputError
        If a key is missing or unknown, or a value has a wrong type, range or name: the first such problem, and how
        many more there are.
    """
    from plainmlp.composition.choices import complete  # it loads NumPy, which --help can do without

    try:
        config, problems = complete(Config.model_validate(mapping))
    except ValidationError as error:
        raise InputError(_and_more(*schema_problem(error, mapping))) from error
    problems = [*problems, *tracking_problems(config.tracking)]
    if problems:
        raise InputError(_and_more(problems[0], len(problems)))
    return config


def _and_more(problem: str, n_problems: int) -> str:
    more = n_problems - 1
    return problem + (f" (and {more} more problem{'s' * (more > 1)})" if more else "")


def compose(conf_folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose the configuration of conf/ under overrides, as plain values and still unchecked.

    Parameters
    ----------
    conf_folder : Path
        The folder that holds config.yaml.
    overrides : sequence of str
        In Hydra's grammar, such as ``experiment=mnist`` or ``model.hidden_sizes=[8,4]``.

    Raises
    ------
    InputError
        If an override is unreadable or names an unknown key or file, or a value is missing or cannot be resolved.
    """
    try:
        return _composed(conf_folder, _not_too_long(overrides))
    except composition_errors() as error:
        raise explain(error, conf_folder, overrides) from error


def _not_too_long(overrides: Iterable[str]) -> list[str]:
    """Refuse an override that Hydra would read for minutes: its time grows with the square of the length."""
    checked = list(overrides)
    for override in checked:
        if len(override) > LONGEST_OVERRIDE:
            message = (
                f"override {shown(override)} has {len(override):,} characters; allowed: at most {LONGEST_OVERRIDE:,} (a "
                "file of conf/ takes longer values)"
            )
            raise InputError(message)
    return checked


def explain(error: Exception, conf_folder: Path, overrides: Sequence[str]) -> InputError:
    """Return the one line for what Hydra or OmegaConf raised, which names the key or file and what is allowed."""
    line = explanation(error, conf_folder, overrides, partial(_known_keys, conf_folder, overrides))
    return InputError(without_credentials(line))


def quote(text: str) -> str:
    """Return a text as Hydra's grammar of overrides quotes it."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text, Quote.single).with_quotes()


def _composed(conf_folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(config_dir=str(conf_folder.resolve()), version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))


def _known_keys(conf_folder: Path, overrides: Sequence[str]) -> list[str]:
    """Return every key of the files that the overrides choose, and every group."""
    groups = {folder.name for folder in conf_folder.iterdir() if folder.is_dir() and folder.name != "hydra"}
    parts = {override: override.lstrip("+").partition("=") for override in overrides}
    chosen = [override for override, (key, _, value) in parts.items() if key in groups and not set(value) & set("{,(")]
    return sorted({*dict(flat_items(_composed(conf_folder, chosen))), *groups})


def _further_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders that Hydra's flags for them name, written ``--config-dir x`` or ``--config-dir=x``."""
    flags = ("--config-dir", "-cd", "--config-path", "-cp")
    parts = [argument.partition("=") for argument in arguments]
    following = [*arguments[1:], ""]
    return [Path(value or after) for (flag, _, value), after in zip(parts, following, strict=False) if flag in flags]


def run_app(conf_folder: Path, job: Callable[[Config, Path], object]) -> None:
    """Be a Hydra app: compose conf/ under the overrides of the command line and call the job, once or for a sweep.

    Parameters
    ----------
    conf_folder : Path
        The folder that holds config.yaml.
    job : callable (config, folder)
        The folder is the job's own, made by Hydra.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import env_override
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    failures: list[Exception] = []

    def hydra_job(composed: DictConfig) -> None:
        try:
            plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
            job(parse(cast("dict[str, Any]", plain)), Path(HydraConfig.get().runtime.output_dir))
        except Exception as error:  # noqa: BLE001 - raised again below, without the lines that Hydra would add
            failures.append(error)

    overrides = _not_too_long(argument for argument in sys.argv[1:] if not argument.startswith("-"))
    app = hydra.main(version_base="1.3", config_path=str(conf_folder), config_name="config")(hydra_job)
    try:
        refuse_credentials([conf_folder, *_further_folders(sys.argv[1:])], overrides)
        with env_override(RAISE):
            app()
        if failures and isinstance(failures[0], OmegaConfBaseException):
            raise failures[0]
    except composition_errors() as error:  # the job's own are in `failures`
        raise explain(error, conf_folder, overrides) from error
    except OSError as error:
        if isinstance(error, StorageError) or (problem := path_problem(error)) is None:
            raise
        raise InputError(problem + ELSEWHERE) from error
    if failures:
        raise failures[0]


def tracking_problems(tracking: TrackingSection) -> list[str]:
    """Return one line for each key of tracking with a value that is not allowed."""
    problems = _address_problems("tracking.uri", tracking.uri or "")
    parts = tracking.experiment.split("/")  # it becomes a folder of artifacts
    if {"", ".", ".."} & set(parts) or not tracking.experiment.isprintable():
        allowed = "a name of printable characters, with no / at an end and no part . or .."
        problems.append(refusal("tracking.experiment", tracking.experiment, [allowed]))
    return problems


def refuse_credentials(conf_folders: Iterable[Path], overrides: Sequence[str]) -> None:
    """Refuse plain credentials of tracking before Hydra writes them into the folder of a job."""
    places = [(key, text) for key, _, text in (each.partition("=") for each in overrides) if "tracking" in key]
    for path in sorted(path for folder in conf_folders for path in folder.rglob("*.yaml") if path.is_file()):
        text = path.read_text("utf-8", errors="replace")  # Hydra says what is wrong with it
        lines = [line.partition(" #")[0] for line in text.splitlines()]
        places += [(f"{path}: uri", line) for line in lines if "uri:" in line]
    problems = [problem for key, text in places for problem in _address_problems(key, text.strip(" '\""))]
    if problems:
        raise InputError(problems[0])


def _address_problems(key: str, address: str) -> list[str]:
    """Return a line if a store's address holds credentials, which would end up in every file that names it."""
    if not holds_credentials(address):
        return []
    allowed = (
        "an address without credentials; those belong in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or with the whole address in MLFLOW_TRACKING_URI"
    )
    return [refusal(key, without_credentials(address), [allowed])]

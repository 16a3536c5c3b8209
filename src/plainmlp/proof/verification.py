"""The verification of a run: it is read, executed again, measured by this checkout's code, compared and judged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.config.code import PACKAGE, digest_result_code
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.stages import fetch, split
from plainmlp.data.storage import digest_splits
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.reports import write_measures
from plainmlp.proof.alterations import find_alterations, find_uncovered, find_untrusted
from plainmlp.proof.comparison import compare
from plainmlp.proof.execution import ExecutionError, execute
from plainmlp.proof.rebuilding import Source, source_of
from plainmlp.proof.recorded import DAMAGES, RecordedRun, RunFiles, read_recorded, read_run_files
from plainmlp.proof.reexecution import check_inputs
from plainmlp.proof.verdict import Agreement, Aspect, EnvironmentDiff, Judgement, compare_environments
from plainmlp.system.digests import digest_modules
from plainmlp.system.errors import InputError
from plainmlp.system.memory import memory_limit
from plainmlp.tracking.provenance.environment import installed_packages
from plainmlp.tracking.recording.provenance import training_numerics
from plainmlp.tracking.recording.training import point_of
from plainmlp.tracking.store import Store
from plainmlp.training.model import Model

DIGESTING = ("config/code.py", "system/digests.py")  # the modules that define the digest of code


@dataclass(frozen=True)
class Terms:
    """What a verification may do, and what it demands.

    `is_here` takes the code of this checkout, whatever the run's was; `is_allowed` executes the code of a record even if it
    is not this checkout's own. One of the allowed signers, in a file, must have signed the manifest. A re-execution may take
    so many seconds and bytes of memory (default: `system.memory.memory_limit`); if `is_quiet`, it prints no progress.
    """

    is_here: bool = False
    is_allowed: bool = False
    allowed_signers: Path | None = None
    seconds: float = 3600.0
    memory: int = field(default_factory=lambda: int(memory_limit()))
    is_quiet: bool = False


@dataclass(frozen=True)
class Verification:
    """The judgement on a run, the code with which it was executed again, and when that began, in UTC."""

    run_id: str
    judgement: Judgement
    code: str
    began: datetime


def verify(
    store: Store, run_id: str, checkout: Path, terms: Terms | None = None, show: Callable[[str], None] = print
) -> Verification:
    """Execute a run again and compare; raise InputError if that is not possible or not allowed.

    The checkout is the repository whose code runs, and that has the run's commit; `show` gets the lines that say whose code
    a foreign run would be executed with.
    """
    began, terms = datetime.now(UTC), terms or Terms()
    with TemporaryDirectory(prefix="plainmlp-") as record, TemporaryDirectory(prefix="plainmlp-") as results:
        recorded = read_recorded(store, run_id, Path(record))
        untrusted = find_untrusted(recorded)
        if untrusted or recorded.configured is None:
            # executing an altered configuration or altered code would prove nothing
            reason = untrusted[0] if untrusted else f"config.yaml {recorded.files.problems['config.yaml']}"
            aspects, code = [Aspect("re-execution", Agreement.UNKNOWN, f"not done, since {reason}")], "none"
            again, remark = None, ""
        else:
            options = {"is_here": terms.is_here, "is_allowed": terms.is_allowed}
            with source_of(recorded.tags, recorded.patch, checkout, **options, show=show) as source:
                again, aspects = _execute(recorded, source, Path(results).resolve(), terms)
            code, remark = source.description, source.remark
        judgement = judge(
            recorded, again, checkout, allowed_signers=terms.allowed_signers, failed=aspects, remark=remark
        )
    return Verification(run_id, judgement, code, began)


def judge(
    recorded: RecordedRun,
    again: RunFiles | None,
    checkout: Path,
    *,
    allowed_signers: Path | None = None,
    failed: list[Aspect] | None = None,
    remark: str = "",
) -> Judgement:
    """Compare a record with itself, its manifest, and its re-execution; without one, `failed` says why there is none."""
    uncovered = find_uncovered(recorded.run, recorded.root)
    aspects = [
        *(failed or []),
        *(compare(recorded.files, again, recorded.backend) if again is not None else []),
        *(Aspect(name, Agreement.UNKNOWN, detail) for name, detail in uncovered.items()),
    ]
    alterations = tuple(find_alterations(recorded, checkout, allowed_signers))
    path, environment = recorded.packages, EnvironmentDiff()
    if again is not None:
        packages = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        environment = compare_environments(recorded.tags, again.tags, packages, installed_packages())
    return Judgement(tuple(aspects), alterations, environment, remark)


def _execute(recorded: RecordedRun, source: Source, folder: Path, terms: Terms) -> tuple[RunFiles | None, list[Aspect]]:
    """Return the results of the re-execution, or how it failed."""
    try:
        config = parse(read_yaml(recorded.configuration))
    except InputError as error:
        message = f"its config.yaml does not fit this version ({error}); verify the run in a checkout of its commit"
        raise InputError(message) from error
    check_inputs(config)
    try:
        execute(source, recorded.configuration, folder, terms.seconds, terms.memory, is_quiet=terms.is_quiet)
        return measure_again(config, source, folder), []
    except ExecutionError as error:
        return None, [Aspect("training", Agreement.DIFFERENT, str(error))]


def measure_again(config: Config, source: Source, folder: Path) -> RunFiles:
    """Measure the model that a source's code has trained, and digest data and code, all with this checkout's code.

    Raises ExecutionError if there is no model, or it does not suit the data.
    """
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    places = Places(folder)
    try:
        model = Model.load(places.model)
        evaluation = evaluate(model, splits, config.seed, config.training.compiled)
        write_measures(places, model, splits, evaluation)
    except DAMAGES as error:
        message = f"it left no model that can be measured ({' '.join(str(error).split())})"
        raise ExecutionError(message) from error
    digests = {"data_digest": splits.data_digest, "split_digest": digest_splits(splits)}
    if code_digest := _digest_code(source.package):
        digests |= {"code_digest": code_digest, "point_id": point_of(config, splits, code_digest)}
    files = read_run_files(places, {**training_numerics(config.training), **digests})
    return replace(files, metrics={**files.metrics, "n_parameters": float(len(model.parameters))})


def _digest_code(package: Path) -> str | None:
    """Return the digest of a run's code, or None if that code computes its digest in another way than ours."""
    modules = [[package_ / name for name in DIGESTING] for package_ in (package, PACKAGE)]
    if not all(path.exists() for path in modules[0]):
        return None
    first, second = (digest_modules(root, files) for root, files in zip((package, PACKAGE), modules, strict=True))
    return digest_result_code(package) if first == second else None

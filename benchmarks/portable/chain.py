"""The chain of a case, run here: fetch, split, train, evaluate, and the digest of whatever each of them gives.

It is run in a process of its own for each processor (``python -m portable.chain FOLDER``), also where there is neither
Hydra nor MLflow, and prints a line of JSON for the processor and for each case.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data.arrays import Dataset
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.data.storage import digest_dataset, digest_splits
from plainmlp.evaluation.evaluate import Evaluation, evaluate
from plainmlp.evaluation.reports import write_evaluation, write_measures
from plainmlp.system.files import digest_file, without_fsync
from plainmlp.training.model import Trained
from plainmlp.training.train import train
from portable.cases import CASES, read_case
from portable.functions import FUNCTIONS_CASE, digest_functions
from portable.processor import describe_processor

Digests = dict[str, str]
FORMS = {"plain": False, "compiled": True}
FIGURES_CASE, FIGURED_CASE = "figures", "clusters"
ALL_CASES = (*CASES, FUNCTIONS_CASE, FIGURES_CASE)
DIGITS = 16  # hexadecimal, of each digest


def run_case(config: Config, form: str) -> Digests:
    """Run the chain of a configuration.

    Parameters
    ----------
    config : Config
    form : {"plain", "compiled"}
        Of the training and the predictions.

    Returns
    -------
    dict of str to str
        The digest of each part, in the order in which the parts come about.
    """
    dataset, splits, trained, evaluation = _run(config, form)
    digests = {
        "data": digest_dataset(dataset),
        "split": digest_splits(splits),
        "preparation": _digest_values(splits.preparation.to_dict()),
        "initial weights": trained.model.initial_digest,
        **{f"epoch {number}": digest for number, digest in enumerate(trained.digests)},
        "history": _digest_values(trained.history),
        "final weights": trained.model.weights_digest,
    }
    with TemporaryDirectory() as folder, without_fsync():
        places = Places(Path(folder))
        write_measures(places, trained.model, splits, evaluation)
        digests |= _digest_files(places.predictions, places.metrics, places.intervals)
    return _shortened(digests)


def draw_case(config: Config) -> Digests:
    """Draw the figures of a configuration, trained in the plain form, and return the digest of each file."""
    _, splits, trained, evaluation = _run(config, "plain")
    with TemporaryDirectory() as folder, without_fsync():
        places = Places(Path(folder))
        write_evaluation(places, trained, splits, evaluation)
        return _shortened(_digest_files(*sorted(places.figures.iterdir())))


def _run(config: Config, form: str) -> tuple[Dataset, Splits, Trained, Evaluation]:
    training = config.training.model_copy(update={"compiled": FORMS[form]})
    dataset = fetch(config.dataset)
    splits = split(dataset, config.split, config.dataset.missing)
    trained = train(splits, config.seed, config.model, config.optimizer, training, backend=config.backend.name)
    return dataset, splits, trained, evaluate(trained.model, splits, config.seed, FORMS[form])


def _digest_files(*paths: Path) -> Digests:
    return {path.name: digest_file(path) for path in paths}


def _shortened(digests: Digests) -> Digests:
    return {name: digest[:DIGITS] for name, digest in digests.items()}


def _digest_values(values: Mapping[str, object]) -> str:
    """Return the SHA-256 of plain values, no number rounded."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Run cases and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="that write_cases wrote")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--cases", nargs="+", choices=ALL_CASES, default=list(ALL_CASES))
    arguments = parser.parse_args()
    _say({"processor": describe_processor()})
    for form in arguments.forms:
        for name in arguments.cases:
            started = time.perf_counter()
            digests = _digest_case(arguments.folder, name, form)
            seconds = time.perf_counter() - started
            if digests:
                _say({"case": name, "form": form, "seconds": seconds, "digests": digests})


def _digest_case(folder: Path, name: str, form: str) -> Digests:
    """Return the digests of a case; none of figures for the compiled form, since they are drawn once."""
    if name == FUNCTIONS_CASE:
        return digest_functions(form)
    if name == FIGURES_CASE:
        return draw_case(read_case(folder, FIGURED_CASE)) if form == "plain" else {}
    return run_case(read_case(folder, name), form)


def _say(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

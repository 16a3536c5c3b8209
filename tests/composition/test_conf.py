"""Every file of conf/ composes, holds every key that applies, and repeats the defaults of the tables."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from configurations import CONF, composed
from entries import same_names
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import canonical
from plainmlp.config.schema import Config, OptimizerSection
from plainmlp.data.datasets import DATASETS, dataset_options
from plainmlp.nn.optimizers import OPTIMIZERS

SECTIONS = ("dataset", "split", "model", "optimizer", "training", "backend", "tracking")
FILES = sorted(path for section in (*SECTIONS, "experiment") for path in (CONF / section).glob("*.yaml"))
SECTION_FILES = sorted(path for section in SECTIONS for path in (CONF / section).rglob("*.yaml"))
NEEDED = {"table": ["dataset.path=mine.csv", "dataset.target=y"], "npy": ["dataset.path=mine"]}

# What each recipe is about, beyond composing. A new file under conf/experiment needs its line here.
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "clusters": {
        "dataset": {"name": "clusters", "seed": 12},
        "split": {"test": 0.1, "validation": 0, "stratify": False, "seed": 12, "scaling": "none"},
        "model": {
            "hidden_sizes": [5],
            "l2": 0.01,
            "initializer": {"name": "normal", "mean": 0.0, "standard_deviation": 1.0},
            "bias_initializer": "zeros",
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "training": {"epochs": 5001, "batch_size": "full", "dtype": "float64"},
    },
    "clusters_published": {
        "model": {"hidden_sizes": [5], "l2": 0.01, "weights": "weights/clusters_published.safetensors"},
        "training": {"epochs": 5001, "batch_size": "full", "dtype": "float64"},
    },
    "clusters_minibatch": {
        "split": {"train": 13_400, "test": 0.1, "validation": 0, "stratify": False, "seed": 12, "scaling": "none"},
        "model": {
            "hidden_sizes": [5],
            "l2": 0.0,
            "initializer": {"name": "truncated_normal", "mean": 0.0, "standard_deviation": 1.0},
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "training": {"epochs": 75, "batch_size": 100, "shuffle": False},
    },
    "clusters_tensorflow": {
        "backend": {"name": "tensorflow"},
        "split": {"train": 13_400},
        "training": {"epochs": 75, "batch_size": 100, "shuffle": False},
    },
    "digits": {"dataset": {"name": "digits"}, "model": {"hidden_sizes": [128, 64]}},
    "mnist": {
        "dataset": {"name": "mnist"},
        "split": {"test": 0.15, "stratify": False, "seed": 42, "scaling": {"name": "divisor", "divisor": 255.0}},
        "model": {"hidden_sizes": [128, 64], "dropout": 0.2},
        "optimizer": {"name": "adam", "schedule": {"name": "cosine", "minimum_factor": 0.0}},
        "training": {"epochs": 20},
    },
    "mnist_keras": {
        "backend": {"name": "keras"},
        "model": {"hidden_sizes": [128, 64], "activation": "sigmoid", "bias": True},
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "training": {"epochs": 10, "batch_size": 32},
    },
    "mnist_per_sample": {
        "dataset": {"name": "mnist"},
        "split": {"test": 0.15, "stratify": False, "seed": 42, "scaling": {"name": "divisor", "divisor": 255.0}},
        "model": {
            "hidden_sizes": [128, 64],
            "activation": "sigmoid",
            "bias": False,
            "initializer": "normal_fan_out",
            "dropout": 0.0,
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.001, "schedule": "constant"},
        "training": {"epochs": 10, "batch_size": 1},
    },
    "mnist_torch": {
        "backend": {"name": "torch"},
        "model": {"hidden_sizes": [128, 64], "activation": "sigmoid", "bias": True},
        "optimizer": {"name": "sgd", "learning_rate": 0.001},
        "training": {"epochs": 10, "batch_size": 1},
    },
    "sincos": {
        "dataset": {"name": "sincos", "n_samples": 300 * 32},
        "split": {"test": 30, "validation": 0, "shuffle": False, "scaling": "none", "target_scaling": "none"},
        "model": {"hidden_sizes": [16], "loss": "squared_error"},
        "optimizer": {"name": "sgd", "learning_rate": 1.0, "schedule": {"name": "cosine", "minimum_factor": 0.0}},
        "training": {"epochs": 50, "batch_size": 32, "shuffle": True},
    },
    "sincos_published": {
        "model": {
            "hidden_sizes": [16],
            "loss": "relu_squared_error",
            "initializer": {"name": "normal", "mean": 0.0, "standard_deviation": 0.1},
            "bias_initializer": {"name": "normal", "mean": 0.0, "standard_deviation": 0.1},
        },
        "optimizer": {"name": "sgd", "learning_rate": 1.0, "schedule": "constant"},
        "training": {"epochs": 1, "batch_size": 32, "shuffle": False},
    },
}


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _composed(path: Path) -> dict[str, Any]:
    """Return a section as a file of it makes it."""
    section: dict[str, Any] = composed(f"{path.parent.name}={path.stem}")[path.parent.name]
    return section


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_composes_to_a_valid_configuration(path: Path) -> None:
    needed = NEEDED.get(path.stem, []) if path.parent.name == "dataset" else []
    parse(composed(f"{path.parent.name}={path.stem}", *needed))


def test_every_folder_is_covered() -> None:
    assert {path.name for path in CONF.iterdir()} == {*SECTIONS, "experiment", "sweep", "hydra", "config.yaml"}


def test_contents_hold_the_defaults_list_and_what_is_in_no_section() -> None:
    assert set(_content(CONF / "config.yaml")) == {"animation", "defaults", "seed"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_begins_with_what_it_is(path: Path) -> None:
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    assert (second if first.startswith("# @package") else first).startswith("# ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_that_starts_from_another_says_only_what_differs(path: Path) -> None:
    content, group = _content(path), path.parent.name
    for base in content.pop("defaults", []):
        if isinstance(base, str) and (path.parent / f"{base}.yaml").exists():
            before = composed(f"{group}={base}")
            after = content if group == "experiment" else {group: content}
            same = [(s, key) for s in after for key, value in after[s].items() if before[s].get(key, ...) == value]
            assert same == [], base


@pytest.mark.parametrize("path", SECTION_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_key_has_a_comment_where_it_first_stands(path: Path) -> None:
    inherited = _inherited(path)
    for line in path.read_text(encoding="utf-8").splitlines():
        key = line.partition(":")[0]
        if key.isidentifier() and key not in {"defaults", "name", *inherited}:
            assert " # " in line, f"{path}: {line}"


def _inherited(path: Path) -> set[str]:
    """Return the keys of the files that a file starts from."""
    bases = [path.parent / f"{base.partition('@')[0]}.yaml" for base in _content(path).get("defaults", [])]
    return {key for base in bases if base.exists() for key in {*_content(base), *_inherited(base)}}


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - {"dataset", "optimizer"}))
def test_section_file_holds_every_key(section: str) -> None:
    fields = set(Config.model_fields[section].annotation.model_fields)  # type: ignore[union-attr]
    for path in (CONF / section).glob("*.yaml"):
        assert set(_composed(path)) == fields, path


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_dataset_file_holds_the_keys_that_the_data_set_takes(name: str) -> None:
    assert set(_composed(CONF / "dataset" / f"{name}.yaml")) == {"name", *dataset_options(name)}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizer_file_holds_every_setting_with_its_default(name: str) -> None:
    content = _composed(CONF / "optimizer" / f"{name}.yaml")
    options = OPTIMIZERS[name].options
    assert set(content) == {*OptimizerSection.model_fields, *options}
    assert content["name"] == name
    assert {option: content[option] for option in options} == {key: value.default for key, value in options.items()}


@pytest.mark.parametrize(("section", "table"), [("dataset", DATASETS), ("optimizer", OPTIMIZERS)])
def test_every_entry_has_a_file_and_every_file_an_entry(section: str, table: dict[str, Any]) -> None:
    files = {path.stem for path in (CONF / section).glob("*.yaml")}
    same_names(files, table, f"every entry has a file in conf/{section}, and every file there an entry")


def test_every_experiment_is_tested() -> None:
    files = {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    same_names(files, EXPERIMENTS, "say what it is about in EXPERIMENTS in tests/composition/test_conf.py")


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_experiment_is_what_it_is_about(name: str) -> None:
    config = canonical(parse(composed(f"experiment={name}")))
    for section, values in EXPERIMENTS[name].items():
        assert {key: config[section][key] for key in values} == values


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_command_line_wins_over_an_experiment(name: str) -> None:
    config = parse(composed(f"experiment={name}", "model.hidden_sizes=[7]", "seed=9", "training.epochs=3"))
    assert (config.model.hidden_sizes, config.seed, config.training.epochs) == ((7,), 9, 3)

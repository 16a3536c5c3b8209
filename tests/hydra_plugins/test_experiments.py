"""What DVC's Hydra composes for an experiment, by the call that DVC makes."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from dvc.config import Config
from dvc.utils.hydra import compose_and_dump
from hydra.errors import HydraException

from checkouts import ROOT
from plainmlp.composition.compose import compose

SETTINGS = Config(str(ROOT / ".dvc"), validate=True)["hydra"]


def composed(folder: Path, overrides: list[str], changes: list[str]) -> dict[str, object]:
    """Return what an experiment with some -S starts from in a checkout with some overrides."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    (folder / "overrides.yaml").write_text(yaml.safe_dump({"overrides": overrides}), encoding="utf-8")
    written = folder / "params.yaml"
    compose_and_dump(written, str(folder / "conf"), None, SETTINGS["config_name"], str(folder), changes)
    found: dict[str, object] = yaml.safe_load(written.read_text(encoding="utf-8"))
    return found


def test_dvc_composes_with_hydra() -> None:
    assert SETTINGS["enabled"]


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        ([], []),
        ([], ["optimizer=sgd", "optimizer.learning_rate=0.5"]),
        ([], ["optimizer.learning_rate=0.5", "optimizer=sgd"]),
        (["optimizer=sgd", "optimizer.learning_rate=0.01", "seed=4"], ["optimizer.learning_rate=0.1"]),
        (["optimizer=sgd", "model.hidden_sizes=[8,4]"], ["optimizer=adam", "optimizer.beta1=0.8"]),
        (["experiment=clusters", "optimizer=momentum", "training=full_batch"], ["model.activation=tanh"]),
        (["model.initializer={name: normal, standard_deviation: 0.1}"], ["sweep=optimizers"]),
        (["dataset=table", r"dataset.path='a \${b} c.csv'"], []),
    ],
)
def test_each_s_comes_after_the_overrides(tmp_path: Path, overrides: list[str], changes: list[str]) -> None:
    found = composed(tmp_path, overrides, changes)
    assert json.loads(str(found.pop("overrides"))) == overrides
    assert found == compose(ROOT / "conf", [*overrides, *changes])


def test_removed_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        HydraException, match=r"overrides\.yaml: ~training\.patience is not allowed beside an experiment"
    ):
        composed(tmp_path, ["~training.patience"], ["seed=1"])

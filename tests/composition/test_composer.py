"""The fast composition against Hydra's own, over hundreds of sets of overrides."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, open_dict

from configurations import CONF, refusal
from multirun import begin
from plainmlp.composition.compose import compose
from plainmlp.composition.composer import Composer

GOOD = [
    *("model=deep", "model=linear", "optimizer=sgd", "optimizer=momentum", "training=full_batch", "dataset=table"),
    *("experiment=clusters", "experiment=mnist", "~experiment", "sweep=optimizers", "hydra/launcher=basic"),
    *(
        "+optimizer@second=sgd",
        "model={l2: 0.3}",
        "model.l2=1e-3",
        "~model.l2",
        "++model.l2=2",
        "~training",
        "~dataset",
    ),
    *("seed=3", "seed='3'", "seed=${split.seed}", "split.seed=5", "seed=", "++seed=9", "model.hidden_sizes=[16,8]"),
    *("model.hidden_sizes=[]", "model.activation=[relu,tanh]", "model.activation='a, b=c'", "model.activation=a\\,b"),
    *("model.initializer={name: normal, mean: 0}", "model.initializer=zeros", "model.bias=true", "~model.bias=true"),
    *("optimizer.schedule={name: step, factor: 0.5}", "+optimizer.extra=1", "++optimizer.extra={a: 2}"),
    *(
        "training.patience=null",
        "training.class_weights=[1,2]",
        "training.epochs=int(3.0)",
        "tracking.uri=${now:%Y}",
    ),
    *("tracking.experiment=${hydra:job.name}", "tracking.experiment=${hydra:job.num}", "tracking={uri: null}"),
    *("tracking.experiment=${model.activation}", "tracking.experiment=${oc.env:NOTHING,x}"),
    *("+new=[1,{a: b}]", "+new.deep.key=1", "+new={a: {b: 1}}", "++new.deep=null", "+optimizer.schedule={a: 1}"),
    *(
        "hydra.job.name=other",
        "+hydra.job.env_set.A=b",
        "++hydra.job.env_set.PATH='x y'",
        "hydra.job.env_copy=[PATH]",
        "hydra.sweep.subdir=x${seed}",
    ),
    *("hydra.sweep.subdir=${hydra.job.override_dirname}", "hydra.job.config.override_dirname.exclude_keys=[seed]"),
    *("hydra.job.config.override_dirname.item_sep=+", "~hydra.job_logging", "hydra={verbose: true}", "+hydra.extra=1"),
]
BAD = [
    *("model=null", "model=depp", "model=[mlp,deep]", "+experiment=digits", "~experiment=digits", "experiment=null"),
    *("seed=???", "seed=1,2", "optimizer=sgd,adam", "model.activation=${nothing}", "optimizer.schedule.factor=0.1"),
    *(
        "+model.l2=1",
        "~optimizer.extra",
        "~model.bias=false",
        "~nothing",
        "~dataset=digits",
        "modle.x=1",
        "optimizer.lr=1",
    ),
    *("hydra.nothing=1", "hydra.searchpath=[file:///nowhere]", "hydra.mode=RUN", "optimizer.momentum=0.3", "tanh"),
]
TEXT = st.text("abc019.-+{}[]'\"$,:= \\~@/", max_size=8).map("model.activation={}".format)
OVERRIDES = st.builds(
    lambda good, bad, place: [*good[:place], *bad, *good[place:]],
    st.lists(st.sampled_from(GOOD), max_size=5),
    st.lists(st.one_of(st.sampled_from(BAD), TEXT), max_size=1),
    st.integers(0, 5),
)
MASTERS = [
    (),
    ("hydra.mode=MULTIRUN", "seed=0,1", "optimizer=sgd", "+hydra.job.env_set.B=1"),
    ("sweep=layers_activations", "hydra.job.config.override_dirname.kv_sep=:"),
]


@cache
def sweep(of: tuple[str, ...]) -> tuple[Any, DictConfig, Composer]:
    """Return one composer for all examples, so that what one leaves behind shows in another."""
    loader, master = begin(*of)
    return loader, master, Composer(loader, master)


def outcome(function: Callable[[], object]) -> object:
    """Return what a call returns, or what it raises."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - to be compared
        return type(error), str(error)


def seen_by_job(config: DictConfig) -> Any:
    """Return the values that a job gets from Hydra's `run_job`."""
    config = copy.deepcopy(config)
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = "???"  # a point does not depend on its number
    singleton = HydraConfig.instance()
    before, singleton.cfg = singleton.cfg, None
    singleton.set_config(config)
    try:
        task = copy.deepcopy(config)
        with open_dict(task):
            del task["hydra"]
        return OmegaConf.to_container(task, resolve=True, throw_on_missing=True)
    finally:
        singleton.cfg = before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:provider=hydra.searchpath:UserWarning")
@pytest.mark.fuzz
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(of=st.sampled_from(MASTERS), overrides=OVERRIDES)
def test_composes_what_hydra_composes(of: tuple[str, ...], overrides: list[str]) -> None:
    loader, master, composer = sweep(of)
    expected = outcome(lambda: loader.load_sweep_config(master, list(overrides)))
    if not isinstance(expected, DictConfig):
        assert len(refusal(composer.composed, overrides).splitlines()) == 1
        return
    values = outcome(lambda: seen_by_job(expected))
    if isinstance(values, tuple):
        assert isinstance(outcome(lambda: composer.composed(overrides)), tuple)
    else:
        assert composer.composed(overrides).values == values
        choices = {key: file for key, file in expected.hydra.runtime.choices.items() if not key.startswith("hydra/")}
        assert composer.composed(overrides).choices == choices


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        *(
            [one]
            for one in ("modle.x=1", "optimizer.lr=1", "model=depp", "seed=???", "tanh", "~model.biass", "model={a: 1}")
        ),
        ["hydra.nothing=1", "optimizer=sgd"],
        ["optimizer=sgd", "optimizer.beta1=0.8"],
        ["optimizer.beta1=0.8", "optimizer=sgd", "seed=1"],
        ["experiment=clusters", "model.initializer={name: uniform, low: -1}"],
        ["model.activation=${nothing}"],
    ],
)
def test_explains_a_mistake_as_a_single_run_does(overrides: list[str]) -> None:
    assert refusal(Composer(*begin()).composed, overrides) == refusal(compose, CONF, overrides)


def test_what_is_shared_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loader, master = begin()
    composer, calls = Composer(loader, master), []
    original = loader.load_sweep_config
    monkeypatch.setattr(loader, "load_sweep_config", lambda *given: calls.append(given) or original(*given))
    for seed in range(5):
        for group in ("optimizer=sgd", "optimizer=adam"):
            composer.composed([group, f"seed={seed}", "optimizer.learning_rate=0.5"])
    assert len(calls) == 2


def test_points_have_the_time_of_the_sweep() -> None:
    loader, master = begin()
    now = master.hydra.sweep.dir.rpartition("/")[2]
    composed = Composer(loader, master).composed(["tracking.experiment=${now:%H-%M-%S-%f}"])
    assert composed.values["tracking"]["experiment"] == now


def test_groups_of_another_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "further").mkdir()
    (tmp_path / "further" / "one.yaml").write_text("a: 1\n")
    loader, master = begin(f"hydra.searchpath=[file://{tmp_path}]")
    overrides = ["+further=one", "further.a=2", "seed=3"]
    assert Composer(loader, master).composed(overrides).values["further"] == {"a": 2}


def test_points_share_no_value() -> None:
    composer = Composer(*begin())
    values = composer.composed(["model.hidden_sizes=[4]"]).values
    values["model"]["hidden_sizes"].append(5)
    values["split"]["seed"] = 9
    values["split"]["test"] = 0.9
    again = composer.composed(["model.hidden_sizes=[4]"]).values
    assert (again["model"]["hidden_sizes"], again["split"]["seed"], again["split"]["test"]) == ([4], 0, 0.15)


def test_given_is_what_overrides_set() -> None:
    given_values = Composer(*begin()).given(["optimizer=sgd", "+model.l3=[1]", "~model.bias", "seed='a b'", "++seed=2"])
    assert given_values == {"optimizer": "sgd", "model.l3": [1], "seed": 2}


def test_conf_folder_is_the_one_that_was_composed() -> None:
    assert Composer(*begin()).conf_folder == CONF

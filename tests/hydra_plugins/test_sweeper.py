"""The sweeper in real Hydra: the files of conf/sweep, the jobs that are launched, and what is refused before any."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from omegaconf import OmegaConf

from checkouts import clone, run, run_many, succeed
from configurations import CONF
from hydra_plugins.plainmlp_launcher._expansion import read_grid, read_space
from multirun import begin
from plainmlp.composition.composer import Composer
from plainmlp.config.schema import Config, SweepSection
from plainmlp.data.datasets import DATASETS
from plainmlp.sweeps.grid.grid import checked, choose_points, read_settings

GRIDS = {
    "layers_activations": {"model.hidden_sizes": 4, "model.activation": 4, "seed": 3},
    "train_rows": {"split.train": 6, "seed": 3},
    "learning_rates": {"optimizer.learning_rate": 5, "optimizer.schedule": 3, "seed": 3},
    "optimizers": {"optimizer.name": 8, "optimizer.learning_rate": 3, "seed": 5},
    "regularization": {"model.dropout": 4, "model.l2": 4, "seed": 3},
    "initializers": {"model.activation": 3, "model.initializer": 4, "seed": 3},
    "activations": {"model.activation": 8, "seed": 5},
    "biases": {"model.bias": 2, "model.activation": 3, "seed": 5},
    "layer_sizes": {"model.hidden_sizes": 8, "seed": 5},
    "batch_sizes": {"training.batch_size": 5, "seed": 5},
    "clusters_seeds": {"seed": 10},
    "clusters_minibatch_seeds": {"seed": 10},
    "sincos_seeds": {"seed": 50},
    "sincos_published_seeds": {"seed": 50},
    "sincos_initial_weights": {"model.initializer": 2, "model.bias_initializer": 2, "seed": 25},
    "sincos_activations": {"model.activation": 2, "seed": 10},
    "sincos_losses": {"model.loss": 2, "optimizer.learning_rate": 2, "seed": 25},
    "sincos_small": {"model.l1": 4, "model.l2": 4, "seed": 5},
}
SEARCHES = {"learning_rate_search", "halving_example"}
TIMED = {"sincos_activations"}  # one point after the other
FAST = ("model.hidden_sizes=[2]", "training.epochs=1", "hydra/launcher=basic")
SEARCH = ("-m", "hydra/sweeper=search", "sweep.method=tpe", "sweep.trials=3")
# what is refused before anything is trained -> words of the line, in their order
REFUSED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("-m", "seed=0,1", "hydra/launcher=processes", "hydra.launcher.n_jobs=x"): (
        "hydra.launcher.n_jobs",
        "'x'",
        "Integer",
    ),
    ("-m", "seed=range(100001)"): ("the grid has 100,001 points", "at most 100,000"),
    ("-m", "seed=range(3,3)"): ("seed has no value",),
    ("-m", "modle.activation=relu,tanh"): ("modle.activation is an unknown key", "did you mean 'model.activation'"),
    ("-m", "optimizer=sgd,adam", "optimizer.beta1=0.8,0.9"): ("optimizer.beta1 is an unknown key", "optimizer=adam"),
    ("-m", "optimizer=sgd,adam", "optimizer.lr=1"): ("optimizer.lr is an unknown key", "learning_rate"),
    ("-m", "model.activation=relu,tanhh"): ("model.activation='tanhh' is unknown; did you mean 'tanh'",),
    ("-m", "model=mlp,depp"): ("model='depp' is unknown; did you mean 'deep'",),
    ("-m", "seed=0,-1"): ("seed=-1 is not allowed", "at least 0"),
    ("-m", "seed=0,[1"): ("override 'seed=0,[1' cannot be read",),
    ("-m", "seed=interval(0,1)"): ("seed=interval(0,1)", "single values"),
    ("-m", "hydra.sweeper.params={a:b}"): (
        "hydra.sweeper.params.a is an unknown key; to add it, write +hydra.sweeper.params.a=",
    ),
    ("-m", "+hydra.sweeper.params={a:b}"): ("a is an unknown key",),
    ("-m", "seed=0,1", "sweep.sample=0"): ("sweep.sample=0 is not allowed", "at least 1"),
    ("-m", "seed=0,1", "sweep.exclude=[{sed: 1}]"): ("sweep.exclude: sed is an unknown key; did you mean 'seed'",),
    ("-m", "seed=0,1", "sweep.exclude=[{seed: [0, 1]}]"): ("sweep.exclude", "none of 2 points"),
    ("-m", "seed=0,1", "sweep.metric=test_loss"): ("sweep.metric='test_loss' is unknown",),
    ("-m", "seed=0,1", "dataset=table", "dataset.target=y", "dataset.path=no.csv"): ("no.csv",),
    ("-m", "split.test=0.1,0.99", "split.validation=0.1"): ("split.test=0.99", "train part empty"),
    ("sweep=layers_activations", "sweep.method=tpe"): ("sweep.method=tpe needs hydra/sweeper=search",),
    ("-m", "seed=0,1", "sweep.trials=3"): ("sweep.trials=3 belongs to searches", "sweep.sample"),
    (*SEARCH, "seed=0"): ("the space of the search is empty",),
    (*SEARCH, "model.l2=interval(0,inf)"): ("model.l2", "not an interval to draw from"),
    (*SEARCH, "model.l2=tag(log,interval(0,1))"): ("model.l2", "no logarithm"),
    (*SEARCH, "model.l2=interval(0,1)", "sweep.trials=0"): ("sweep.trials=0 is not allowed", "at least 1"),
    (*SEARCH, "model.l2=interval(0,1)", "sweep.trials=null"): ("sweep.trials=null", "at least 1"),
    (*SEARCH, "model.l2=interval(0,1)", "sweep.batch=0"): ("sweep.batch=0 is not allowed", "at least 1"),
    (*SEARCH, "model.l2=interval(-1,1)"): ("model.l2=-1.0 is not allowed",),
    (*SEARCH, "model.activation=relu,tanhh"): ("did you mean 'tanh'",),
    ("sweep=layer_activations",): ("sweep='layer_activations' is unknown; did you mean 'layers_activations'",),
}


def chosen(*arguments: str) -> tuple[list[Config], SweepSection]:
    """Return the configurations of the points that a command line means, and the settings of its sweep."""
    loader, master = begin(*arguments)
    params = [f"{key}={values}" for key, values in master.hydra.sweeper.params.items()]
    settings = read_settings(OmegaConf.to_container(master.sweep))
    points = choose_points(read_grid([*params, *arguments], loader), Composer(loader, master), settings)
    return list(points.values()), settings


def values_of(configs: list[Config], key: str) -> list[object]:
    """Return the different values of a key."""
    found: dict[str, object] = {}
    for config in configs:
        value: object = config
        for part in key.split("."):
            value = getattr(value, part)
        found[repr(value)] = value
    return list(found.values())


def test_every_grid_is_tested() -> None:
    assert {path.stem for path in (CONF / "sweep").glob("*.yaml")} == {*GRIDS, *SEARCHES, "none"}


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_grid_has_the_points_that_it_says(name: str) -> None:
    configs, settings = chosen(f"sweep={name}")
    said = re.search(r"(\d+) points\.", (CONF / "sweep" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert said is not None
    assert (settings.name, len(configs)) == (name, int(said[1]))
    assert {key: len(values_of(configs, key)) for key in GRIDS[name]} == GRIDS[name]
    data = name.split("_", maxsplit=1)[0]
    assert values_of(configs, "dataset.name") == [data if data in DATASETS else "digits"]
    assert all(config.split.validation for config in configs)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_grid_needs_no_flag_and_trains_in_processes(name: str) -> None:
    _, master = begin(f"sweep={name}")
    assert master.hydra.mode.name == "MULTIRUN"
    assert master.hydra.launcher._target_.endswith(".BasicLauncher" if name in TIMED else ".ProcessesLauncher")


def test_settings_without_a_grid_file_are_all_there() -> None:
    section = yaml.safe_load((CONF / "sweep" / "none.yaml").read_text(encoding="utf-8"))
    assert set(section) == {"defaults", "sweep"}
    assert set(section["sweep"]) == set(SweepSection.model_fields)
    assert begin()[1].hydra.mode is None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_file_of_a_search_chooses_its_sweeper_and_asks_for_points(name: str) -> None:
    loader, master = begin(f"sweep={name}")
    assert (master.hydra.mode.name, master.hydra.sweeper._target_.split(".")[-1]) == ("MULTIRUN", "SearchSweeper")
    space = read_space([f"{key}={values}" for key, values in master.hydra.sweeper.params.items()], loader)
    composer, settings = Composer(loader, master), read_settings(OmegaConf.to_container(master.sweep))
    assert settings.method != "grid"
    for edge in space.edges():
        checked(composer.composed([f"sweep={name}", *space.overrides(edge)[0]]))


@pytest.mark.slow
def test_exclusion_of_a_grid_file_holds() -> None:
    configs, _ = chosen("sweep=optimizers")
    pairs = {(config.optimizer.name, config.optimizer.learning_rate) for config in configs}
    assert len(pairs) == 20
    assert not pairs & {("adam", 0.1), ("adamw", 0.1), ("nadam", 0.1), ("rmsprop", 0.1)}


@pytest.mark.slow
def test_command_line_takes_the_place_of_a_grid_files_values() -> None:
    configs, _ = chosen("sweep=layers_activations", "seed=7,8", "model.l2=0.1,0.2", "training.epochs=3")
    assert len(configs) == 4 * 4 * 2 * 2
    assert values_of(configs, "seed") == [7, 8]
    assert values_of(configs, "training.epochs") == [3]


@pytest.mark.slow
def test_experiments_can_be_swept() -> None:
    configs, _ = chosen("experiment=digits", "sweep=learning_rates", "sweep.sample=4")
    assert values_of(configs, "model.hidden_sizes") == [(128, 64)]
    assert len(configs) == 4


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Give every mistake to run.py, in one process."""
    folder = tmp_path_factory.mktemp("user")
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    ended = run_many(folder, [(variables, ("run.py", *arguments)) for arguments in REFUSED])
    return SimpleNamespace(folder=folder, results=dict(zip(REFUSED, ended, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_mistake_is_one_line_that_names_it(refused: SimpleNamespace, arguments: tuple[str, ...]) -> None:
    result = refused.results[arguments]
    line = result["errors"]
    assert (result["code"], result["output"], line.count("\n")) == (2, "", 1), line
    rest = line
    for words in REFUSED[arguments]:
        assert words in rest, line
        rest = rest.partition(words)[2]


@pytest.mark.slow
def test_nothing_is_left_behind_by_what_is_refused(refused: SimpleNamespace) -> None:
    assert refused.results
    assert list(refused.folder.iterdir()) == []


@pytest.mark.slow
def test_jobs_are_those_of_the_basic_sweeper_without_what_is_left_out(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    grid = ("model.activation=relu,tanh,relu", "seed=2,1", "sweep.exclude=[{seed: 1, model.activation: tanh}]")
    succeed(folder, "python", "pipelines/run.py", "-m", *FAST, *grid, "hydra.sweep.dir=swept")
    jobs = sorted((folder / "swept").glob("*/.hydra/overrides.yaml"))
    overrides = [yaml.safe_load(path.read_text(encoding="utf-8"))[-3:-1] for path in jobs]
    assert overrides == [
        [f"model.activation={name}", f"seed={seed}"] for name, seed in (("relu", 2), ("relu", 1), ("tanh", 2))
    ]
    assert [path.parts[-3] for path in jobs] == ["0", "1", "2"]
    saved = yaml.safe_load((folder / "swept" / "multirun.yaml").read_text(encoding="utf-8"))
    assert saved["sweep"]["exclude"] == [{"seed": 1, "model.activation": "tanh"}]


@pytest.mark.slow
def test_relative_paths_are_found_from_the_current_folder_and_from_the_checkout(tmp_path: Path) -> None:
    folder, elsewhere = clone(tmp_path / "clone"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "mine.csv").write_text("x,y\n" + "".join(f"{row},{row % 7}.5\n" for row in range(40)), encoding="utf-8")
    table = ("dataset=table", "dataset.path=mine.csv", "dataset.target=y", "split.stratify=false", *FAST)
    ended = run(elsewhere, "python", folder / "pipelines" / "run.py", "-m", *table, "seed=0,1", "hydra.sweep.dir=swept")
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in (elsewhere / "swept").iterdir() if path.name.isdigit()) == ["0", "1"]

"""pipelines/promote.py: what may be registered, where, and the way back; and registered models that are served."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from databases import new_database
from plainmlp.config.code import digest_result_code
from plainmlp.system.command import run_command
from promote import main, read_arguments
from recorded import EXPERIMENT, configuration, record, splits_of, write_flats
from servers import Group, free_port
from waiting import wait_until

pytestmark = pytest.mark.slow
NAME, ALIAS = ("--name", "flats"), ("--alias", "champion")
SECONDS_TO_SERVE = 120


class Flats:
    """Two runs that tell the kind of flats, in a store of their own, and the way to promote them."""

    def __init__(self, folder: Path) -> None:
        write_flats(folder / "flats.csv")
        self.address = new_database(folder / "mlflow.db")
        self.client, self.folder = MlflowClient(self.address), folder
        table = {"name": "table", "path": str(folder / "flats.csv"), "target": "kind", "missing": "mean"}
        tracking = {"uri": self.address, "experiment": EXPERIMENT}
        small = {"model__hidden_sizes": [4], "training__epochs": 3}
        configs = [configuration(dataset=table, tracking=tracking, seed=seed, **small) for seed in (0, 1)]
        self.runs = [record(config, folder / f"run{config.seed}") for config in configs]
        self.ids = [run.run.info.run_id for run in self.runs]
        splits = splits_of(configs[0])
        self.table = splits.preparation.to_frame(splits.test.features)

    def promote(self, *words: str, name=NAME, alias=ALIAS) -> int:
        arguments = read_arguments([*words, *name, *alias, f"tracking.uri={self.address}", "tracking.wait_seconds=1"])
        return run_command(lambda: main(arguments))

    def champion(self, address: str | None = None):
        return MlflowClient(address or self.address).get_model_version_by_alias("flats", "champion")

    def answers(self, number: int) -> pd.DataFrame:
        """Return what the evaluation wrote of a run."""
        table = pd.read_csv(self.runs[number].folder / "reports" / "predictions.csv", dtype={"predicted": str})
        return table[[column for column in table if column.startswith("pr")]]

    def names(self) -> list[str]:
        return [model.name for model in self.client.search_registered_models()]


@pytest.fixture(scope="module")
def flats(tmp_path_factory):
    return Flats(tmp_path_factory.mktemp("flats"))


@pytest.fixture(scope="module")
def first(flats):
    """Promote the first run, and return the exit code."""
    try:
        main(read_arguments([flats.ids[0][:8], *NAME, *ALIAS, f"tracking.uri={flats.address}"]))
    except SystemExit as ended:
        return ended.code
    return 0


def loaded(address: str):
    mlflow.set_tracking_uri(address)
    return mlflow.pyfunc.load_model("models:/flats@champion")


def test_a_run_that_is_identical_is_registered(flats, first):
    assert first == 0
    version = flats.champion()
    assert (str(version.version), version.run_id) == ("1", flats.ids[0])
    assert version.tags["verified"] == "identical"
    assert version.tags["verified_by"] == digest_result_code()
    assert version.tags["weights_digest"] == flats.runs[0].summary["weights_digest"]
    assert version.description.startswith("verified: identical\n")
    assert flats.client.get_run(flats.ids[0]).data.tags["verify.verdict"] == "identical"
    experiments = [flats.runs[0].run.info.experiment_id]
    (listed,) = flats.client.search_logged_models(experiments, f"source_run_id = '{flats.ids[0]}'")
    assert {"name": "flats", "version": "1"} in json.loads(listed.tags["mlflow.modelVersions"])
    pd.testing.assert_frame_equal(loaded(flats.address).predict(flats.table), flats.answers(0), check_exact=True)


def test_a_run_that_is_not_identical_is_not(flats, capsys):
    tag = flats.runs[1].run.data.tags["weights_digest"]
    flats.client.set_tag(flats.ids[1], "weights_digest", "0" * 64)
    try:
        with pytest.raises(SystemExit) as ended:
            flats.promote(flats.ids[1], name=("--name", "altered"))
    finally:
        flats.client.set_tag(flats.ids[1], "weights_digest", tag)
    assert ended.value.code == 4
    assert "error: not registered: different: the weights in model.safetensors do not have" in capsys.readouterr().err
    assert "altered" not in flats.names()


def test_the_alias_moves_and_comes_back(flats, first, capsys):
    for _ in range(2):  # the second time there is nothing to add
        assert flats.promote(flats.ids[1], "--unverified") == 0
    assert "flats version 2 is champion; verified: no" in capsys.readouterr().out
    assert (flats.champion().run_id, flats.champion().tags["verified"]) == (flats.ids[1], "no")
    assert len(flats.client.search_model_versions("name = 'flats'")) == 2
    assert flats.promote("--back") == 0
    assert capsys.readouterr().out == "flats version 1 is champion again; verified: identical\n"
    assert flats.champion().run_id == flats.ids[0]
    assert flats.promote("--back") == 2
    assert "version 1, and no version that it pointed to before is there" in capsys.readouterr().err
    assert flats.champion().run_id == flats.ids[0]


def test_a_version_that_is_gone_is_passed_over(flats):
    def promoted(number):
        assert flats.promote(flats.ids[number], "--unverified", name=("--name", "three")) == 0

    promoted(0)
    promoted(1)
    flats.client.delete_model_version("three", "1")
    assert flats.promote("--back", name=("--name", "three")) == 2
    promoted(0)
    assert int(flats.client.get_model_version_by_alias("three", "champion").version) == 3
    assert flats.promote("--back", name=("--name", "three")) == 0
    assert int(flats.client.get_model_version_by_alias("three", "champion").version) == 2


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "database"])
def test_another_registry_gets_a_copy(flats, server, tmp_path, is_server):
    address = server.address if is_server else new_database(tmp_path / "other.db")
    for _ in range(2):
        assert flats.promote(flats.ids[0], "--unverified", "--to", address) == 0
    version, client = flats.champion(address), MlflowClient(address)
    assert (str(version.version), version.tags["run_id"]) == ("1", flats.ids[0])
    assert version.tags["tracking_uri"] == flats.address
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (copied,) = client.search_logged_models(experiments, f"tags.run_id = '{flats.ids[0]}'")
    (noted,) = json.loads(copied.tags["mlflow.modelVersions"])
    assert (noted["name"], str(noted["version"])) == ("flats", "1")
    pd.testing.assert_frame_equal(loaded(address).predict(flats.table), flats.answers(0), check_exact=True)


@pytest.mark.parametrize(
    ("words", "options", "line"),
    [
        (["feedfeed"], {}, "'feedfeed' is not a run in sqlite:"),
        (["BARE"], {}, "carries no model; this gives it one: python pipelines/model.py BARE"),
        (["ID"], {"alias": ("--alias", "v2")}, "--alias 'v2' is not an alias (allowed: letters"),
        (["ID"], {"alias": ("--alias", "no good")}, "--alias 'no good' is not an alias"),
        (["ID"], {"alias": ("--alias", "Latest")}, "--alias 'Latest' is not an alias"),
        (["ID"], {"name": ("--name", "a/b")}, "--name 'a/b' is not a model name"),
        (["ID", "--to", "http://127.0.0.1:1"], {}, "--to = 'http://127.0.0.1:1': MLflow cannot record there"),
        (["--back"], {"name": ("--name", "none")}, "models:/none@champion points to no version in sqlite:"),
    ],
)
def test_a_mistake_is_a_line_and_registers_nothing(flats, first, capsys, words, options, line):
    bare = flats.client.create_run(flats.runs[0].run.info.experiment_id).info.run_id
    flats.client.set_terminated(bare)
    before = flats.names()
    given = [word.replace("BARE", bare).replace("ID", flats.ids[0]) for word in words]
    assert flats.promote(*given, *([] if "--back" in words else ["--unverified"]), **options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert line.replace("BARE", bare) in error
    assert error.count("\n") == 1
    assert flats.names() == before


@pytest.fixture(scope="module")
def served(flats, first):
    """Return the address of a server that a user has started as docs/models.md says."""
    port = free_port()
    words = ("models", "serve", "-m", "models:/flats@champion", "--env-manager", "local", "--port", str(port))
    log = flats.folder / "served.log"
    group = Group(["mlflow", *words], log, MLFLOW_TRACKING_URI=flats.address)
    try:
        wait_until(lambda: answered(f"http://127.0.0.1:{port}/ping") or not group.runs(), SECONDS_TO_SERVE)
        assert group.runs(), log.read_text()
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        group.kill()


def answered(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def ask(address: str, data: bytes, kind: str = "application/json"):
    """Return the status of an answer and what it says."""
    question = urllib.request.Request(address, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(question, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_served_model_gives_the_answers_of_predictions_csv(flats, served):
    rows = json.loads(flats.table.to_json(orient="records"))
    columns = json.loads(flats.table.to_json(orient="values"))
    questions = {
        "rows by name": (json.dumps({"inputs": rows}).encode(), "application/json"),
        "values in order": (json.dumps({"inputs": columns}).encode(), "application/json"),
        "csv": (flats.table.to_csv(index=False).encode(), "text/csv"),
        "parquet": (flats.table.to_parquet(), "application/vnd.apache.parquet"),
    }
    for name, question in questions.items():
        status, answer = ask(served, *question)
        assert status == 200, answer
        found = pd.DataFrame(answer["predictions"])
        pd.testing.assert_frame_equal(found, flats.answers(0), check_exact=True, obj=name)
    status, answer = ask(served, json.dumps({"inputs": rows[0]}).encode())
    assert answer["predictions"] == flats.answers(0).head(1).to_dict("records")


def test_a_served_model_says_what_does_not_fit(flats, served):
    row = {"area": 70.0, "rooms": 3, "city": "Paris", "garden": True, "price": 5e5}
    status, answer = ask(served, json.dumps({"inputs": [row]}).encode())
    assert status == 400
    assert "column 'city' has the unknown value 'Paris' (allowed: Bern, Chur, Genève)" in answer["message"]
    status, answer = ask(served, json.dumps({"inputs": [{**row, "rooms": "many"}]}).encode())
    assert (status, "column 'rooms' has the text 'many'" in answer["message"]) == (400, True)
    status, answer = ask(served, json.dumps({"inputs": [{"area": 70.0, "city": "Bern"}]}).encode())
    assert status == 200  # the model fills the rest

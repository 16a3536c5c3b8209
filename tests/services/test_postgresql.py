"""A team's MLflow: a server on PostgreSQL that keeps the artifacts too, several checkouts at once, backup and restore."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from checkouts import clone, succeed
from postgresql import postgresql, program
from servers import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.skipif(program("initdb") is None, reason="PostgreSQL is not installed (apt install postgresql)"),
]
GRID = ("-m", "dataset=clusters", "split.validation=0.2", "model.hidden_sizes=[4],[6]", "training.epochs=3")
EXPERIMENT = "tracking.experiment=team"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Return a server on which two checkouts have recorded a sweep each, at the same time."""
    pytest.importorskip("psycopg", reason="psycopg is installed beside the other libraries only")
    root = tmp_path_factory.mktemp("team")
    checkouts = [clone(root / name) for name in ("one", "two")]
    with postgresql() as cluster:
        cluster.run("createdb", "mlflow")
        (root / "server").mkdir()
        with serving(root / "server", cluster.address("mlflow")) as server:

            def sweep(number: int) -> str:
                seeds = ",".join(str(3 * number + seed) for seed in range(3))
                words = [*GRID, f"seed={seeds}", EXPERIMENT, "hydra/launcher=basic"]
                return succeed(
                    checkouts[number], "python", "pipelines/run.py", *words, MLFLOW_TRACKING_URI=server.address
                )

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(sweep, range(2)))
            client = MlflowClient(server.address)
            yield SimpleNamespace(root=root, cluster=cluster, server=server, client=client, checkouts=checkouts)


def runs_of(client: MlflowClient) -> list:
    experiment = client.get_experiment_by_name("team")
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def test_two_checkouts_record_at_once(team: SimpleNamespace) -> None:
    runs = runs_of(team.client)
    assert {tracked.info.status for tracked in runs} == {"FINISHED"}
    parents = {tracked.info.run_id: 0 for tracked in runs if "mlflow.parentRunId" not in tracked.data.tags}
    children = [tracked for tracked in runs if tracked.info.run_id not in parents]
    for child in children:
        parents[child.data.tags["mlflow.parentRunId"]] += 1
        assert len(team.client.get_metric_history(child.info.run_id, "validation_loss")) == 3
        assert "model.safetensors" in {item.path for item in team.client.list_artifacts(child.info.run_id)}
    assert sorted(parents.values()) == [6, 6]


def test_backup_that_is_restored_verifies(team: SimpleNamespace) -> None:
    """The dump of the database and a copy of the folder of the artifacts are the whole record."""
    before = {tracked.info.run_id: tracked.data.metrics for tracked in runs_of(team.client)}
    dump = team.cluster.folder / "mlflow.dump"
    team.cluster.run("pg_dump", "--format", "custom", "--file", dump, "mlflow")
    team.cluster.run("createdb", "restored")
    team.cluster.run("pg_restore", "--dbname", "restored", dump)
    shutil.copytree(team.root / "server" / "artifacts", team.root / "again" / "artifacts")
    with serving(team.root / "again", team.cluster.address("restored")) as server:
        client = MlflowClient(server.address)
        assert {tracked.info.run_id: tracked.data.metrics for tracked in runs_of(client)} == before
        child = next(r for r in runs_of(client) if "mlflow.parentRunId" in r.data.tags and "seed" in r.data.params)
        words = ("pipelines/verify.py", child.info.run_id, EXPERIMENT)
        checkout: Path = team.checkouts[int(int(child.data.params["seed"]) >= 3)]
        said = succeed(checkout, "python", *words, MLFLOW_TRACKING_URI=server.address)
    assert said.splitlines()[-1].startswith("identical")

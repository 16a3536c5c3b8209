"""Every mistake of a user, given to pipelines/run.py: an exit code, one line, and nothing left behind.

The runs share one process, so that a hundred of them take seconds; the exit code of a real process is tested at the end.
"""

import gzip
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from checkouts import ROOT, run, run_many, tracked_runs
from databases import new_database

pytestmark = pytest.mark.slow

TABLE = ("dataset=table", "dataset.target=y", "split.validation=0", "split.stratify=false")
MNIST = ("dataset=mnist", "split.stratify=false")
WARM = ("dataset=sincos", "dataset.n_samples=100", "model.hidden_sizes=[4]", "split.validation=0")
FAST = ("dataset=clusters", "model.hidden_sizes=[4]", "training.epochs=2")
ROWS = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40))

# overrides -> words that the line must hold, in their order
CONFIGURATION: dict[tuple[str, ...], tuple[str, ...]] = {
    ("seeed=1",): ("seeed", "unknown", "did you mean 'seed'"),
    ("model.hidden_size=[3]",): ("model.hidden_size", "did you mean 'model.hidden_sizes'"),
    ("+optimizer.momentun=0.9", "optimizer=momentum"): ("optimizer.momentun", "did you mean 'optimizer.momentum'"),
    ("dataset=cluster",): ("dataset='cluster'", "did you mean 'clusters'", "allowed: clusters, digits"),
    ("optimizer=adamm",): ("optimizer='adamm'", "did you mean 'adam'"),
    ("experiment=mnits",): ("experiment='mnits'", "did you mean 'mnist'"),
    ("model.activation=rellu",): ("model.activation='rellu'", "did you mean 'relu'", "allowed: "),
    ("model.loss=squared_eror",): ("model.loss='squared_eror'", "did you mean 'squared_error'"),
    ("model.initializer=he_norml",): ("model.initializer='he_norml'", "did you mean 'he_normal'"),
    ("optimizer.schedule=cosin",): ("optimizer.schedule='cosin'", "did you mean 'cosine'"),
    ("split.scaling=standart",): ("split.scaling='standart'", "did you mean 'standard'"),
    ("training.monitor=validation_los",): ("training.monitor='validation_los'", "did you mean 'validation_loss'"),
    ("training.epochs=many",): ("training.epochs='many'", "whole number"),
    ("training.epochs=1.5",): ("training.epochs=1.5", "whole number"),
    ("training.epochs=0",): ("training.epochs=0", "at least 1"),
    ("training.shuffle=1",): ("training.shuffle=1", "true or false"),
    ("training.batch_size=half",): ("training.batch_size='half'", "'full'"),
    ("model.hidden_sizes=[8,0]",): ("model.hidden_sizes[1]=0", "at least 1"),
    ("model.hidden_sizes=8",): ("model.hidden_sizes=8", "a list"),
    ("model.activation=[relu]", "model.hidden_sizes=[4,4]"): ("model.activation=['relu']", "2 layers"),
    ("optimizer.learning_rate=-0.1",): ("optimizer.learning_rate=-0.1", "above 0"),
    ("optimizer.learning_rate=nan",): ("optimizer.learning_rate=nan", "finite number"),
    ("optimizer.learning_rate=inf",): ("optimizer.learning_rate=inf", "finite number"),
    ("optimizer.learning_rate='0.1'",): ("optimizer.learning_rate='0.1'", "a number"),
    ("optimizer.beta1=1.0",): ("optimizer.beta1=1.0", "below 1"),
    ("model.dropout=1",): ("model.dropout=1", "below 1"),
    ("model.l2=nan",): ("model.l2=nan", "finite number"),
    ("seed=-1",): ("seed=-1", "at least 0"),
    ("split.test=1.5",): ("split.test=1.5", "below 1"),
    ("seed=",): ("seed=''", "whole number"),
    ("seed=[",): ("seed=[", "cannot be read"),
    ("dataset=null",): ("dataset='null'", "allowed: clusters"),
    ("dataset=table",): ("dataset.path=null", "'table' needs it"),
    ("dataset.path=a.csv",): ("dataset.path", "unknown", "dataset=mnist and dataset=npy and dataset=table have it"),
    ("optimizer=sgd", "optimizer.beta1=0.8"): ("optimizer=adam and optimizer=adamw and optimizer=nadam have it",),
    ("training.patience=3", "split.validation=0"): ("training.patience=3", "validation_loss", "split.validation"),
    ("tracking.uri='https://ann:geheim@h'",): ("tracking.uri='https://***@h'", "MLFLOW_TRACKING_URI"),
    ("tracking.experiment=../x",): ("tracking.experiment='../x'", "no part . or .."),
    ("tracking.uri=nowhere://x",): ("tracking.uri = 'nowhere://x'", "allowed: sqlite:///"),
}
DATA: dict[tuple[str, ...], tuple[str, ...]] = {
    ("split.test=0.6", "split.validation=0.5"): ("split.validation=0.5", "split.test=0.6", "train part empty"),
    ("split.test=0",): ("split.test=0", "at least 1"),
    ("split.train=5000",): ("split.train=5000", "1797 rows"),
    ("split.shuffle=false",): ("split.stratify=true", "split.shuffle=true"),
    ("model.loss=huber",): ("model.loss = 'huber'", "allowed: cross_entropy, binary_cross_entropy"),
    ("training.class_weights=[1,2]",): ("training.class_weights", "2", "10 classes"),
    (*WARM, "training.class_weights=balanced"): ("training.class_weights", "sincos"),
    ("dataset=openml",): ("OpenML data set 61", "OpenML cannot be reached", "refused"),
    ("dataset=mnist",): ("OpenML data set 554", "OpenML cannot be reached", "refused", "dataset.path"),
    (*MNIST, "dataset.path=nowhere"): ("dataset.path", "nowhere", "is not a folder"),
    (*MNIST, "dataset.path=idx_none"): ("dataset.path", "idx_none", "holds no IDX files"),
    (*MNIST, "dataset.path=idx_truncated"): ("images-idx3-ubyte", "truncated"),
    (*MNIST, "dataset.path=idx_corrupt"): ("images-idx3-ubyte", "damaged"),
    (*MNIST, "dataset.path=idx_mismatched"): ("labels-idx1-ubyte", "9 labels", "10 images"),
    (*TABLE, "dataset.path=nowhere.csv"): ("dataset.path", "nowhere.csv", "No such file"),
    (*TABLE, "dataset.path=good.txt"): (
        "dataset.path",
        "good.txt",
        "allowed: .csv, .csv.gz, .tsv, .tsv.gz, .parquet, .feather",
    ),
    (*TABLE, "dataset.path=good.csv", "dataset.target=z"): ("dataset.target='z'", "good.csv", "columns: x, k, y"),
    (*TABLE, "dataset.path=empty.csv"): ("empty.csv", "empty"),
    (*TABLE, "dataset.path=header.csv"): ("header.csv", "only a header"),
    (*TABLE, "dataset.path=ragged.csv"): ("ragged.csv", "line 42", "2 cells", "3"),
    (*TABLE, "dataset.path=missing.csv"): ("missing.csv", "'k'", "line 42", "dataset.missing"),
    (*TABLE, "dataset.path=no_target.csv"): ("no_target.csv", "'y'", "line 42"),
    (*TABLE, "dataset.path=infinite.csv"): ("infinite.csv", "'x'", "inf", "line 42", "finite"),
    (*TABLE, "dataset.path=text.csv"): ("text.csv", "'x'", "'many'", "line 42", "number"),
    (*TABLE, "dataset.path=latin.csv"): ("latin.csv", "not UTF-8", "line 42"),
    (*TABLE, "dataset.path=one_class.csv"): ("one_class.csv", "'y'", "two classes"),
    (*TABLE, "dataset.path=rare.csv", "split.stratify=true"): ("split.stratify=true", "class 'c'", "1 row"),
    (*WARM, "model.weights=nowhere.safetensors"): ("nowhere.safetensors", "No such file"),
    (*WARM, "model.weights=truncated.safetensors"): ("truncated.safetensors", "damaged"),
    (*WARM, "model.weights=flipped.safetensors"): ("flipped.safetensors", "damaged"),
    (*WARM, "model.weights=whole.safetensors", "model.hidden_sizes=[5]"): ("model.weights", "[1, 4, 2]", "[1, 5, 2]"),
}
FAILING: dict[tuple[str, ...], tuple[str, ...]] = {
    (*FAST, "optimizer=sgd", "optimizer.learning_rate=1e30"): ("not finite", "epoch 0", "step ", "1e+30"),
    (*WARM, "optimizer=sgd", "optimizer.learning_rate=1e200"): ("not finite", "epoch ", "step ", "1e+200"),
}
CASES = {**CONFIGURATION, **DATA, **FAILING}

# the run and, once there is data, its columns and the training
ABOUT = re.compile(r"(.+: \d+ epochs at most, into .+\n((?!epoch |Traceback).*\n)*)?")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Give every mistake to run.py, in a folder with the user's files."""
    folder = tmp_path_factory.mktemp("user")
    _tables(folder)
    _images(folder)
    _weights(folder)
    before = _files(folder)
    variables = {
        "MLFLOW_TRACKING_URI": new_database(folder / "mlflow.db"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "SCIKIT_LEARN_DATA": str(folder / "cache"),
    }
    commands = [(variables, ("run.py", *overrides)) for overrides in CASES]
    results = dict(zip(CASES, run_many(folder, commands), strict=True))
    return SimpleNamespace(folder=folder, before=before, results=results)


def _tables(folder: Path) -> None:
    tables = {
        "good.txt": ROWS,
        "good.csv": ROWS,
        "header.csv": "",
        "ragged.csv": f"{ROWS}1,2\n",
        "missing.csv": f"{ROWS}1,,a\n",
        "no_target.csv": f"{ROWS}1,2,\n",
        "infinite.csv": f"{ROWS}inf,2,a\n",
        "text.csv": f"{ROWS}many,2,a\n",
        "latin.csv": f"{ROWS}1,2,é\n",
        "one_class.csv": ROWS.replace("b", "a"),
        "rare.csv": f"{ROWS}1,2,c\n",
    }
    for name, rows in tables.items():
        (folder / name).write_text(f"x,k,y\n{rows}", encoding="latin-1")
    (folder / "empty.csv").touch()


def _images(folder: Path) -> None:
    images = b"\0\0\x08\x03" + np.array([10, 3, 3], ">u4").tobytes() + bytes(range(90))
    pairs = {
        "idx_none": {},
        "idx_truncated": {"images-idx3-ubyte": images[:-1], "labels-idx1-ubyte": _labels(10)},
        "idx_corrupt": {"images-idx3-ubyte.gz": _corrupt(gzip.compress(images)), "labels-idx1-ubyte": _labels(10)},
        "idx_mismatched": {"images-idx3-ubyte": images, "labels-idx1-ubyte": _labels(9)},
    }
    for name, files in pairs.items():
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_bytes(content)


def _labels(count: int) -> bytes:
    return b"\0\0\x08\x01" + np.array([count], ">u4").tobytes() + bytes(range(count))


def _corrupt(content: bytes, position: int = -6) -> bytes:
    """Flip one bit."""
    changed = bytearray(content)
    changed[position] ^= 1
    return bytes(changed)


def _weights(folder: Path) -> None:
    """Write what a real run leaves behind, whole and damaged."""
    arguments = (
        *WARM,
        "training.epochs=1",
        "hydra.run.dir=made",
        f"tracking.uri={new_database(folder / 'earlier.db')}",
    )
    assert run(folder, "python", ROOT / "pipelines" / "run.py", *arguments).returncode == 0
    content = (folder / "made" / "models" / "model.safetensors").read_bytes()
    (folder / "whole.safetensors").write_bytes(content)
    (folder / "truncated.safetensors").write_bytes(content[:-1])
    (folder / "flipped.safetensors").write_bytes(_corrupt(content))


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_mistake_is_one_line_that_names_it(ended: SimpleNamespace, overrides: tuple[str, ...]) -> None:
    result = ended.results[overrides]
    line = result["errors"]
    assert result["code"] == (1 if overrides in FAILING else 2), line
    assert line.startswith("error: ")
    assert line.endswith("\n")
    assert line.count("\n") == 1
    rest = line
    for words in CASES[overrides]:
        assert words in rest, line
        rest = rest.partition(words)[2]


def test_only_what_is_about_to_be_done_is_said_before_the_line(ended: SimpleNamespace) -> None:
    said = {result["output"] for overrides, result in ended.results.items() if overrides not in FAILING}
    assert [text for text in said if not ABOUT.fullmatch(text)] == []
    assert "" in said


def test_nothing_is_left_behind_and_earlier_files_are_untouched(ended: SimpleNamespace) -> None:
    assert ended.results
    after = _files(ended.folder)
    assert {path: after.get(path) for path in ended.before} == ended.before
    new = {path.relative_to(ended.folder) for path in after.keys() - ended.before.keys()}
    assert [path for path, content in after.items() if b"geheim" in content] == []
    configurations = {path for path in new if ".hydra" in path.parts}
    assert {path for path in new - configurations if path.parts[0] != "mlruns"} <= {
        Path("mlflow.db"),
        Path("mlflow.db.lock"),
    }


def test_only_what_began_to_train_is_recorded_and_as_failed(ended: SimpleNamespace) -> None:
    assert ended.results
    runs = tracked_runs(ended.folder / "mlflow.db")
    assert [tracked.info.status for tracked in runs if tracked.info.status != "FAILED"] == []
    reasons = [tracked.data.tags["failure"] for tracked in runs]
    assert sum(reason.startswith("TrainingError: the loss is not finite") for reason in reasons) == len(FAILING)


@pytest.mark.parametrize(("variables", "shown"), [({}, False), ({"HYDRA_FULL_ERROR": "1"}, True)], ids=str)
def test_process_ends_with_the_code_and_shows_the_traceback_on_request(
    tmp_path: Path, variables: dict[str, str], shown: bool
) -> None:
    process = run(tmp_path, "python", ROOT / "pipelines" / "run.py", "seed=-1", **variables)
    assert process.returncode == 2
    assert ("Traceback" in process.stderr) is shown
    assert process.stderr.splitlines()[-1].startswith("error: seed=-1 is not allowed")
    assert (process.stderr.count("\n") == 1) is not shown

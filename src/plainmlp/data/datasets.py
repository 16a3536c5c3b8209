"""The data sets: one function each, and the table that lists them by name."""

import inspect
import math
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Array, Column, Dataset, Description, Part
from plainmlp.data.cells import Cells, check_names, listed
from plainmlp.data.idx import read_idx_folder
from plainmlp.data.npy import read_npy_folder
from plainmlp.data.openml import fetch_openml_dataset
from plainmlp.data.reading import read_table
from plainmlp.data.sums import sine_and_cosine
from plainmlp.data.table import table_dataset
from plainmlp.nn.functions import log
from plainmlp.nn.randomness import generator
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory

DIGITS = "sklearn/datasets/data/digits.csv.gz"  # of scikit-learn
DIGIT_NAMES = tuple(str(digit) for digit in range(10))
MNIST_DATA_ID = 554  # mnist_784, version 1
# what data sets that come as tables take besides their parameters: keys of `DatasetSection`
_ROLES = ("target", "sample_weights", "id", "drop", "columns")
_TREATMENT = ("task", "missing", "missing_target", "dates", "rare_levels", "unknown")
_TEXT = ("separator", "decimal", "encoding", "missing_values")
TABLE_KEYS = {"openml": (*_ROLES, *_TREATMENT), "table": (*_TEXT, *_ROLES, *_TREATMENT)}


def fetch_dataset(name: str, **options: Any) -> Dataset:
    """Return the data set that has a name in `DATASETS`, made with its options; None stands for a default."""
    given = {option: value for option, value in options.items() if value is not None}
    return DATASETS[name](**given)


def dataset_options(name: str) -> tuple[str, ...]:
    """Return the names of the options that a data set takes."""
    parameters = inspect.signature(DATASETS[name]).parameters.values()
    own = (parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD)
    return (*own, *TABLE_KEYS.get(name, ()))


def clusters(*, seed: int = 0) -> Dataset:
    """Draw three Gaussian clusters of 5,000 points each in the plane.

    Parameters
    ----------
    seed : int
        Of NumPy's legacy generator, whose stream is frozen (NEP 19).

    Returns
    -------
    Dataset
        float32 features of shape (15000, 2); classes "0", "1" and "2", one after another.

    Notes
    -----
    The first two covariances are [[2, 0.75], [0.75, 2]] and [[1, 0.75], [0.75, 1]]. The third, [[0, 0.75], [0.75, 0]],
    is not positive semi-definite: the published recipe has it so, and NumPy's `multivariate_normal`, which it calls, then
    draws through the singular values, with the covariance 0.75 I. The draws here are the same but for the last bits of
    NumPy's matrix product and logarithms: a point is its cluster's mean plus the sum of two standard normal numbers, each
    times a row of the factor (square root of a singular value times its singular vector).
    """
    normals = _legacy_normals(np.random.RandomState(seed), 2 * 3 * 5000).reshape(3, 5000, 2, 1)
    factors = (
        [[-math.sqrt(1.375), -math.sqrt(1.375)], [-math.sqrt(0.625), math.sqrt(0.625)]],
        [[-math.sqrt(0.875), -math.sqrt(0.875)], [-math.sqrt(0.125), math.sqrt(0.125)]],
        [[-math.sqrt(0.75), 0.0], [0.0, -math.sqrt(0.75)]],
    )
    means = ((0.0, 0.0), (1.0, 4.0), (2.0, 8.0))
    first, second = (normals[:, :, axis] * np.array(factors)[:, np.newaxis, axis] for axis in (0, 1))
    features = (first + second + np.array(means)[:, np.newaxis]).reshape(-1, 2).astype(np.float32)
    columns = (Column("x1"), Column("x2"))
    description = Description("clusters", "classification", columns, ("cluster",), ("0", "1", "2"))
    return Dataset(Part(features, np.repeat(np.arange(3), 5000)), description)


def _legacy_normals(stream: np.random.RandomState, n: int) -> NDArray[np.float64]:
    """Return the standard normal numbers that NumPy's legacy generator draws, an even number of them.

    The polar method (Marsaglia and Bray, 1964), as in NumPy but for the C library's logarithm, whose last bit differs
    between processors. 79 % of the points in the square lie in the circle, so n pairs hold at least n / 2 of them.
    """
    points = 2.0 * stream.random_sample((n, 2)) - 1.0
    squares = points[:, 0] * points[:, 0] + points[:, 1] * points[:, 1]
    chosen = np.flatnonzero((squares < 1.0) & (squares != 0.0))[: n // 2]
    with np.errstate(all="ignore"):
        factors = np.sqrt(-2.0 * log(squares[chosen]) / squares[chosen])
    return np.asarray((factors[:, np.newaxis] * points[chosen, ::-1]).ravel())


def sincos(*, seed: int = 0, n_samples: int = 9600) -> Dataset:
    """Draw points in [0, 1) with their sine and cosine.

    Returns
    -------
    Dataset
        float64 features of shape (n_samples + 30, 1): after the drawn points come 30 evenly spaced ones from 0 to
        1, so that a split without shuffling takes them as its test part.
    """
    require_memory(n_samples * 100, f"dataset.n_samples={n_samples}: drawing so many points")
    drawn = generator(seed, "dataset").random(n_samples)
    points = np.concatenate([drawn, np.linspace(0, 1, 30)])
    targets = np.column_stack(sine_and_cosine(points))
    description = Description("sincos", "regression", (Column("x"),), ("sin", "cos"))
    return Dataset(Part(points[:, np.newaxis], targets), description)


def digits() -> Dataset:
    """Return the 1,797 handwritten digits of 8 x 8 pixels, uint8 from 0 to 16, that come with scikit-learn."""
    # read as a file, since to import scikit-learn takes two seconds
    table = np.loadtxt(str(distribution("scikit-learn").locate_file(DIGITS)), np.uint8, delimiter=",")
    return _image_dataset("digits", table[:, :-1].copy(), table[:, -1].astype(int), (8, 8))


def mnist(*, path: str | None = None) -> Dataset:
    """Return the MNIST digits, uint8: from a folder of IDX files, else ``mnist_784``, version 1, of OpenML."""
    if path is None:
        as_pixels = {"dtype": "uint8"}  # the label too: all numbers are at most 255
        bunch = fetch_openml_dataset(MNIST_DATA_ID, as_frame=False, parser="pandas", read_csv_kwargs=as_pixels)
        images, labels = bunch.data.reshape(-1, 28, 28), bunch.target
    else:
        images, labels = read_idx_folder(Path(path))
    other = labels[(labels < 0) | (labels > 9)]
    if other.size:
        message = f"dataset.path: {path} holds the label {other[0]}; allowed: 0 to 9"
        raise InputError(message)
    height, width = images.shape[1:]
    return _image_dataset("mnist", images.reshape(len(images), -1), labels, (height, width))


def openml(*, data_id: int, **columns: Any) -> Dataset:
    """Return a data set of OpenML by its number; without a target it has OpenML's default. See also `TABLE_KEYS`."""
    default = None if columns.get("target") else "default-target"
    # The faster parser of scikit-learn 1.9 fails where pandas 3 takes categories such as 0 and 1 for numbers.
    bunch = fetch_openml_dataset(data_id, as_frame=True, parser="liac-arff", target_column=default)
    source = f"OpenML data set {data_id}"
    target = columns.get("target") or tuple(bunch.target_names)
    if not target:
        message = f"dataset.target is missing: {source} has no default target (columns: {listed(list(bunch.frame))})"
        raise InputError(message)
    check_names(list(bunch.frame.columns), source)
    return table_dataset(Cells(bunch.frame, source), DatasetSection(name="openml", **{**columns, "target": target}))


def table(*, path: str, **others: Any) -> Dataset:
    """Return the user's own table; see also `TABLE_KEYS`."""
    keys = DatasetSection(name="table", **others)
    return table_dataset(read_table(Path(path), keys), keys)


def npy(*, path: str) -> Dataset:
    """Return the user's own arrays; large features stay in their file and are read a batch at a time."""
    return read_npy_folder(Path(path))


DATASETS: dict[str, Callable[..., Dataset]] = {
    "clusters": clusters,
    "sincos": sincos,
    "digits": digits,
    "mnist": mnist,
    "openml": openml,
    "table": table,
    "npy": npy,
}


def _image_dataset(name: str, features: Array, labels: NDArray[Any], shape: tuple[int, int]) -> Dataset:
    columns = tuple(Column(f"pixel_{row}_{pixel}") for row, pixel in np.ndindex(shape))
    description = Description(name, "classification", columns, ("digit",), DIGIT_NAMES, shape)
    return Dataset(Part(features, labels.astype(np.int64)), description)

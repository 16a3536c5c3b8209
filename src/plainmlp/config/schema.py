"""The typed configuration: every key, its type and its range.

Names of entries (activations, losses ...) are plain strings here; `composition.compose.parse` checks them against the
tables. Defaults are in conf/, except for keys that the chosen data set does not take.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_serializer


def _without_sign_of_zero(number: float) -> float:
    """Turn -0.0 into 0.0, which would otherwise be two spellings of one configuration."""
    return number + 0.0


def _name_as_mapping(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _none_as_count(size: float) -> float:
    """Turn the fraction 0.0 into the count 0, which means the same."""
    return size or 0


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_without_sign_of_zero)]
Rate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), AfterValidator(_without_sign_of_zero)]
Fraction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Missing = Literal["refuse", "mean", "median"]
MissingTarget = Literal["refuse", "drop"]
Unknown = Literal["refuse", "missing", "rare"]
Dates = Literal["parts", "days"]
Separator = Literal["auto", "comma", "semicolon", "tab", "bar"]
Decimal = Literal["auto", "point", "comma"]
WAIT_SECONDS = 10.0
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Section(BaseModel):
    """A part of the configuration: immutable, no unknown keys, no conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Named(Section):
    """An entry of a table, chosen by name; its options stand beside the name."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: Text

    @property
    def options(self) -> dict[str, Any]:
        """Return the options that belong to the named entry alone."""
        return dict(self.model_extra or {})


class Choice(Named):
    """A value that is an entry of a table: a name, or a mapping of a name and its options."""

    @model_serializer
    def _shortest(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.options} if self.options else self.name


Chosen = Annotated[Choice, BeforeValidator(_name_as_mapping)]


class DatasetSection(Section):
    """Which data, and the keys of the data sets that take any."""

    name: Text
    seed: Seed = 0
    n_samples: Count | None = None
    path: Text | None = None
    data_id: Count | None = None
    target: Text | Texts | None = None
    task: Literal["auto", "classification", "regression"] = "auto"
    missing: Missing = "refuse"
    sample_weights: Text | None = None
    # earlier runs have none of these keys
    id: Text | None = None
    drop: Texts = ()
    columns: Texts | None = None
    missing_target: MissingTarget = "refuse"
    dates: Dates | None = None
    rare_levels: Fraction | None = None
    unknown: Unknown = "refuse"
    separator: Separator = "auto"
    decimal: Decimal = "auto"
    encoding: Text = "utf-8"
    missing_values: Texts = ()


class SplitSection(Section):
    """How the rows are split and scaled. A size is a count, or a fraction of all rows."""

    train: Count | Fraction | None
    validation: Annotated[Annotated[int, Field(ge=0)] | Rate, AfterValidator(_none_as_count)]
    test: Count | Fraction
    stratify: bool
    shuffle: bool
    seed: Seed
    scaling: Chosen
    target_scaling: Chosen


class ModelSection(Section):
    """The network, its loss and what keeps it from over-fitting."""

    hidden_sizes: Annotated[tuple[Count, ...], Field(strict=False, max_length=1000)]
    activation: Text | Texts
    bias: bool
    initializer: Chosen
    bias_initializer: Chosen
    loss: Chosen
    weights: Text | None
    l1: NotNegative
    l2: NotNegative
    dropout: Rate


class OptimizerSection(Named):
    """The update rule; which further settings there are depends on `name` (see OPTIMIZERS)."""

    learning_rate: Positive
    schedule: Chosen
    clip_norm: Positive | None


class TrainingSection(Section):
    """How long, in which batches, with which numerics."""

    epochs: Count
    max_steps: Count | None = None  # earlier runs have no such key
    stop_after: Count | None = None  # earlier runs have no such key
    batch_size: Count | Literal["full"]
    dtype: Literal["float32", "float64"]
    shuffle: bool
    patience: Count | None
    monitor: Text
    minimum_improvement: NotNegative
    class_weights: Literal["balanced"] | Annotated[tuple[Positive, ...], Field(strict=False)] | None
    threads: Count
    compiled: Literal["auto"] | bool
    loss_every: Count | None = None  # earlier runs have no such key
    digest_every: Count
    checkpoint_epochs: Count | None
    checkpoint_seconds: Positive | None


class TrackingSection(Section):
    """Where runs are recorded; without `uri`, MLFLOW_TRACKING_URI or the repository's own database."""

    uri: Text | None
    experiment: Text
    wait_seconds: Positive = WAIT_SECONDS  # earlier runs have no such key
    sign: Text | None = None  # earlier runs have no such key


class BackendSection(Section):
    """Which library trains the network: our own NumPy core, or another backend."""

    name: Text = "numpy"


class Exclusion(Section):
    """Combinations that a sweep leaves out: for each key a value, or a list of values."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    @property
    def values(self) -> dict[str, Any]:
        """Return what each key must be for a point to be left out."""
        return dict(self.model_extra or {})


class SweepSection(Section):
    """Which points a sweep takes or asks for, and how it ranks them; a single run ignores it."""

    name: Text | None
    exclude: Annotated[tuple[Exclusion, ...], Field(strict=False)]
    sample: Count | None
    seed: Seed
    metric: Text
    method: Literal["grid", "random", "tpe", "halving"] = "grid"  # earlier runs have neither this nor the next ones
    trials: Count | None = None
    batch: Count = 4
    rungs: Annotated[int, Field(ge=1, le=20)] = 3
    reduction: Annotated[int, Field(ge=2)] = 3


class Config(Section):
    """The whole configuration of one run."""

    seed: Seed
    animation: bool = False  # earlier runs have no such key
    dataset: DatasetSection
    split: SplitSection
    model: ModelSection
    optimizer: OptimizerSection
    training: TrainingSection
    backend: BackendSection = BackendSection()  # earlier runs have no such section
    tracking: TrackingSection
    sweep: SweepSection

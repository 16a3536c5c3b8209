"""Places: where the files of a run are, in one layout below the checkout or the run's own folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where the files of a run are: below the checkout for `dvc repro`, below the run's own folder for a Hydra run."""

    root: Path

    @property
    def model(self) -> Path:
        """Return the place of the trained model."""
        return self.root / "models" / "model.safetensors"

    @property
    def history(self) -> Path:
        """Return the place of the table of epochs."""
        return self.root / "reports" / "history.csv"

    @property
    def steps(self) -> Path:
        """Return the place of the table of steps."""
        return self.root / "reports" / "steps.csv"

    @property
    def metrics(self) -> Path:
        """Return the place of the metrics of every part."""
        return self.root / "reports" / "metrics.json"

    @property
    def intervals(self) -> Path:
        """Return the place of the intervals of the test part's metrics."""
        return self.root / "reports" / "intervals.json"

    @property
    def predictions(self) -> Path:
        """Return the place of the predictions for the test part."""
        return self.root / "reports" / "predictions.csv"

    @property
    def figures(self) -> Path:
        """Return the folder of pictures."""
        return self.root / "reports" / "figures"

    @property
    def learning_curves(self) -> Path:
        """Return the folder of tables that DVC plots, one for each part whose loss was measured."""
        return self.root / "reports" / "learning_curves"

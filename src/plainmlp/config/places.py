"""Places: where the files of a run are, in one layout below the checkout or the run's own folder."""

import os
from pathlib import Path


def kept_checkout(checkout: Path) -> Path:
    """Return the user's own checkout, even if DVC runs an experiment in a temporary copy, which it deletes."""
    return Path(os.environ.get("DVC_ROOT", checkout))


class Places:
    """Where the files of a run are: below the checkout for `dvc repro`, below the run's own folder for a Hydra run.

    Attributes
    ----------
    root : Path
        The folder that holds all of them.
    model : Path
        The trained model.
    history, steps : Path
        The tables of epochs and of steps.
    columns : Path
        The table of what each column of the data was taken for.
    metrics, intervals, predictions : Path
        The metrics of every part; the intervals and the predictions of the test part.
    tables, figures, learning_curves : Path
        The folders of what single classes, targets and columns are worth, of pictures, and of tables that DVC plots, one for each part whose loss was measured.
    """

    def __init__(self, root: Path) -> None:
        self.root, reports = root, root / "reports"
        self.model = root / "models" / "model.safetensors"
        self.history = reports / "history.csv"
        self.steps = reports / "steps.csv"
        self.columns = reports / "columns.csv"
        self.metrics = reports / "metrics.json"
        self.intervals = reports / "intervals.json"
        self.predictions = reports / "predictions.csv"
        self.tables = reports / "tables"
        self.figures = reports / "figures"
        self.learning_curves = reports / "learning_curves"

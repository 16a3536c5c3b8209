"""The outcomes of a sweep's points, from the archive and, for what that lacks, from MLflow."""

from collections.abc import Iterable, Mapping

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import FINISHED, SweepResults, judge_all
from plainmlp.sweeps.running.archive import Archive
from plainmlp.tracking.children import Child, Reader
from plainmlp.tracking.recording.configuration import recorded_parameters
from plainmlp.training.history import History

UNRECORDED = "its job left no record"


class Outcomes:
    """How the points of a sweep ended: the archive comes first, the reader has what another checkout trained.

    Parameters
    ----------
    points : iterable of Point
    archive : Archive
    reader : Reader
    recorded : iterable of Child
        The points' runs, as far as they are known; points in the archive need none.
    """

    def __init__(self, points: Iterable[Point], archive: Archive, reader: Reader, recorded: Iterable[Child]) -> None:
        self._archive, self._reader = archive, reader
        self._histories: dict[str, History] = {}
        runs = {child.point_id: child for child in recorded}
        self.children = [self._child(point, runs) for point in points]

    @property
    def failures(self) -> dict[str, str]:
        """Return why points without a result have none, by point id."""
        return {child.point_id: child.failure for child in self.children if child.status != FINISHED}

    def results(self, metric: str) -> SweepResults:
        """Return the outcomes under the metric that ranks them, as `read_sweep` does.

        Raises
        ------
        InputError
            The metric cannot rank them.
        """
        children = sorted(self.children, key=lambda child: child.point_id)
        return judge_all(children, self._history, metric)

    def _child(self, point: Point, runs: Mapping[str, Child]) -> Child:
        run = runs.get(point.point_id)
        run_id = "" if run is None else run.run_id
        parameters = recorded_parameters(point.config)
        if self._archive.has(point.point_id):
            kept = self._archive.load(point.point_id)
            history = self._histories[point.point_id] = kept.trained.history
            metrics = {**kept.final_metrics(), **{name: values[-1] for name, values in history.items()}}
            return Child(run_id, point.point_id, FINISHED, parameters, metrics, "", "")
        if run is not None and run.status == FINISHED:
            return run
        reason = self._archive.failure(point.point_id) or UNRECORDED
        return Child(run_id, point.point_id, "FAILED", parameters, {}, "", reason)

    def _history(self, child: Child) -> History:
        """Return the history of a point that has finished."""
        found = self._histories.get(child.point_id)
        return self._reader.history(child) if found is None else found

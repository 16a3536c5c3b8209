"""A sample of a sweep's points, drawn to be executed again."""

import numpy as np

from plainmlp.sweeps.ranking.results import FINISHED
from plainmlp.system.errors import InputError
from plainmlp.tracking.store import Store


def draw_points(store: Store, parent_run_id: str, size: int, seed: int) -> list[str]:
    """Return the ids of finished runs below a sweep's, drawn without replacement.

    Parameters
    ----------
    store : Store
    parent_run_id : str
    size : int
        How many, at least 1; all where there are no more.
    seed : int
        Of the draw; the same runs and seed give the same sample.

    Raises
    ------
    InputError
        There is no such run, or it has no finished runs below it.
    """
    children = store.children(parent_run_id)
    finished = sorted((child.point_id, child.run_id) for child in children if child.status == FINISHED)
    if not finished:
        message = f"{parent_run_id} has no finished runs below it; --sweep takes the run of a sweep"
        raise InputError(message)
    drawn = np.random.default_rng(seed).permutation(len(finished))[:size]
    return [finished[position][1] for position in drawn]

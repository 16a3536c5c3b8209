"""Changes of the code that `make mutants` finds unnoticed, and why no quick test has to notice."""

SAME = "equal numbers are one number"
SLURM = "the tests with a real Slurm notice, which are slow"
# by module, line, and what is changed in it
EXPLAINED = {
    (
        "nn/batches.py",
        "numbers = max(inputs.shape[1] if self._is_stored else 0, row_draws)",
        "0  ->  1",
    ): "what is divided by it is at least 1 anyway",
    (
        "nn/batches.py",
        "rows = places.astype(np.int64, copy=False)",
        "False  ->  True",
    ): "a copy has the same numbers",
    (
        "nn/batches.py",
        "targets = targets.astype(np.int64, copy=False)",
        "False  ->  True",
    ): "a copy has the same numbers",
    (
        "nn/training.py",
        "VALIDATION_ROWS = 64 * BLOCK  # at least, that are measured at once",
        "64  ->  65",
    ): "the sums are the same, however many rows at once",
    (
        "nn/functions.py",
        "x = _bounded(x, by_dtype(x, -104.0, -746.0), by_dtype(x, 89.0, 710.0))",
        "104.0  ->  105.0",
    ): "the exponential is 0 at either",
    (
        "nn/losses.py",
        "near = select(difference > threshold, threshold, difference)",
        "difference > threshold  ->  difference >= threshold",
    ): SAME,
    (
        "nn/losses.py",
        "upper = select(difference > threshold, threshold, difference)",
        "difference > threshold  ->  difference >= threshold",
    ): SAME,
    (
        "nn/losses.py",
        "return select(upper < -threshold, -threshold, upper)",
        "upper < -threshold  ->  upper <= -threshold",
    ): SAME,
    (
        "sweeps/figures/pictures.py",
        "if costs.min() > 0 and costs.max() / costs.min() > WIDE_SPAN:",
        "costs.max() / costs.min() > WIDE_SPAN  ->  costs.max() / costs.min() >= WIDE_SPAN",
    ): "either scale suits a span of just that width",
    (
        "sweeps/ranking/comparison.py",
        "MAX_SWEEPS, FEWEST_SWEEPS = 9_999, 999  # that are simulated",
        "999  ->  1000",
    ): "as good a number",
    (
        "sweeps/running/training.py",
        "POINTS_A_SECOND = 16  # at most, of the seconds that a unit takes",
        "16  ->  17",
    ): "as good a number",
    (
        "sweeps/search/methods.py",
        "left = settings.trials or 0",
        "0  ->  1",
    ): "a search without a number of trials is refused before",
    (
        "sweeps/ranking/comparison.py",
        "MAX_DRAWS = 10_000_000  # unless the fewest sweeps need more",
        "10000000  ->  10000001",
    ): "one draw more makes no sweep more",
    (
        "sweeps/ranking/comparison.py",
        "DRAWS_AT_ONCE = 500_000",
        "500000  ->  500001",
    ): "the draws are the same, however many at once",
    (
        "sweeps/ranking/swept.py",
        'return (0, value, text) if isinstance(value, int | float) else (2, "", text)',
        "2  ->  3",
    ): "texts come after lists, whose number is 1",
    (
        "sweeps/running/processes.py",
        "os._exit(1)",
        "1  ->  2",
    ): "nobody is left to read it",
    (
        "sweeps/running/processes.py",
        "if (parent := parent_process()) is not None:",
        "(parent := parent_process()) is not None  ->  (parent := parent_process()) is None",
    ): "the tests that kill the parent notice, which are slow",
    (
        "sweeps/running/archive.py",
        "if folder != self._own and max(times) < oldest:",
        "max(times) < oldest  ->  max(times) <= oldest",
    ): "a nanosecond of 30 days",
    (
        "sweeps/search/journal.py",
        "return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))",
        "0  ->  1",
    ): "as good a seed",
    (
        "sweeps/search/search.py",
        "write_journal(record, self.sweep_id[:12], folder / JOURNAL)",
        "12  ->  13",
    ): "as good a name for a study",
    (
        "sweeps/session.py",
        "return checkout / LOCKS / sweep_id[:12]",
        "12  ->  13",
    ): "as good a name for a lock",
    (
        "sweeps/running/slurm.py",
        "if isinstance(results, InputError):",
        "if isinstance(results, InputError):  ->  if not isinstance(results, InputError):",
    ): SLURM,
}


def explanation(module: str, line: str, change: str) -> str | None:
    """Return why a change of a line needs no test, where there is a reason."""
    if line.startswith("@dataclass("):
        return "mypy checks these declarations, and nobody compares what holds arrays"
    if "strict=True" in line and change == "True  ->  False":
        return "a guard that never acts"
    return EXPLAINED.get((module, line, change))

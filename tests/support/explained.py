"""Changes of the code that `make mutants` finds unnoticed, and why no quick test has to notice."""

SAME = "equal numbers are one number"
SLURM = "the tests with a real Slurm notice, which are slow"
DECLARED = "@dataclass("  # a line of declarations, which mypy checks; nobody compares what holds arrays
# by module, line, and what is changed in it
EXPLAINED = {
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
        "if min(costs) > 0 and max(costs) / min(costs) > WIDE_SPAN:",
        "max(costs) / min(costs) > WIDE_SPAN  ->  max(costs) / min(costs) >= WIDE_SPAN",
    ): "either scale suits a span of just that width",
    (
        "sweeps/ranking/comparison.py",
        "MOST_DRAWS = 10_000_000  # unless the fewest sweeps need more",
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
        "code = self._process.exitcode or 0",
        "0  ->  1",
    ): "what broke a pool has ended, and so has a code",
    (
        "sweeps/running/processes.py",
        "os._exit(1)",
        "1  ->  2",
    ): "nobody is left to read it",
    (
        "sweeps/running/slurm.py",
        "if isinstance(results, InputError):",
        "if isinstance(results, InputError):  ->  if not isinstance(results, InputError):",
    ): SLURM,
}

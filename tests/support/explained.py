"""Changes of the code that `make mutants` finds unnoticed, by module and change, and why no quick test has to notice."""

SLURM = "the tests with a real Slurm notice, which are slow"
EXPLAINED = {
    ("nn/losses.py", "difference > threshold  ->  difference >= threshold"): "equal numbers are one number",
    ("sweeps/ranking/comparison.py", "10000000  ->  10000001"): "one draw more makes no sweep more",
    ("sweeps/ranking/comparison.py", "500000  ->  500001"): "the draws are the same, however many at once",
    (
        "sweeps/running/slurm.py",
        "if isinstance(results, InputError):  ->  if not isinstance(results, InputError):",
    ): SLURM,
}

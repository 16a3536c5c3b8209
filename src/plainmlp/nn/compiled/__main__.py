"""Compile everything beforehand, so that no training waits for it: ``python -m plainmlp.nn.compiled``."""

import subprocess
import sys
import time

import numpy as np


def compile_for(dtype: str) -> None:
    """Compile for one dtype, by a step on a network that is next to nothing."""
    from plainmlp.nn.architecture import Architecture
    from plainmlp.nn.batches import Block
    from plainmlp.nn.compiled.descent import MANY, CompiledDescent, evaluate_function
    from plainmlp.nn.descent import Start
    from plainmlp.nn.randomness import MANY_ROWS
    from plainmlp.nn.recipe import Recipe

    architecture = Architecture((1, 1), (), "squared_error")
    descent = CompiledDescent(Start(architecture, Recipe(optimizer="sgd"), np.zeros(2, dtype)))
    ones = np.ones((1, 1), dtype)
    block = Block(ones, ones, np.empty(0, dtype), np.zeros(1, np.int64), 1)
    descent.descend(block, ones, np.empty(0, dtype), learning_rate=1.0, measures_norm=True)
    descent.measure(block)
    for n_samples in (MANY, MANY_ROWS):
        descent.draw_order(np.random.default_rng(0), n_samples)
    evaluate_function("exp", ones[0])


def main() -> None:
    """Compile for both dtypes at once, and say how long it took."""
    from plainmlp.nn.compiled.cache import remove_outdated

    before = time.perf_counter()
    remove_outdated()
    command = [sys.executable, "-m", "plainmlp.nn.compiled"]
    started = [subprocess.Popen([*command, dtype]) for dtype in ("float32", "float64")]  # noqa: S603  our own
    codes = [process.wait() for process in started]
    if any(codes):
        sys.exit(max(codes))
    sys.stdout.write(f"compiled kernels are ready ({time.perf_counter() - before:.0f} s)\n")


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else compile_for(sys.argv[1])

"""Compare the losses and gradients of our networks with other libraries', step by step, and write docs/parity.md."""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path

from _performance import machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
DISTRIBUTIONS = {"sklearn": "scikit-learn", "torch": "torch", "tensorflow": "tensorflow-cpu", "keras": "keras"}
HEAD = """# Parity with other libraries

`make parity` trains three networks twice, on this package and on another library, from the same weights, batches and
order of samples, in float64, and compares loss and gradients before each of {steps} updates. The figures are the largest
relative differences of all steps: of the loss, and of the gradients (the largest difference over all parameters,
relative to the largest entry). At most {limit:g} is allowed. Each optimiser that both have is compared; the settings are
our defaults.

- `clusters 2-5-3`: ReLU, cross-entropy, L2 penalty 0.01, batches of 100 of points around three centres.
- `mnist 784-128-64-10`: sigmoid, cross-entropy, batches of 64 of drawn, sparse images of 28 x 28 grey levels: parity
  asks nothing of what they show.
- `sincos 1-16-2`: ReLU, squared error, batches of 32.

What differs by design, and is made equal: the short form of Adam in scikit-learn, TensorFlow and Keras gets the epsilon
that makes it the paper's; scikit-learn reports the mean over the outputs of a regression, but computes the gradient of
their sum; Keras and TensorFlow round Python floats to float32, so settings are handed over as float64; PyTorch keeps the
running product of NAdam in its default dtype. What differs in the formula itself is not compared: RMSprop and Adagrad of
Keras and TensorFlow have epsilon inside the root, and Keras's Nadam another momentum schedule.

Measured on {machine}, with {versions}.

| network | library | optimiser | loss | gradients | |
|---|---|---|---|---|---|
"""


def main() -> int:
    """Compare, print and write the table; return 1 where a difference is too large."""
    from threadpoolctl import threadpool_limits

    from certificate import LARGEST_DIFFERENCE, STEPS, certificates
    from plainmlp.training.backends.table import BACKENDS, make_network

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "parity.md")
    output: Path = parser.parse_args().output
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", *DISTRIBUTIONS.values()))
    lines, passed = [], True
    with threadpool_limits(limits=1, user_api="blas"):
        for workload, backend, optimizer, parity in certificates(list(BACKENDS), make_network):
            holds = parity.largest <= LARGEST_DIFFERENCE
            passed &= holds
            cells = (workload, backend, optimizer, f"{max(parity.loss):.1e}", f"{max(parity.gradients):.1e}")
            lines.append(f"| {' | '.join(cells)} | {'holds' if holds else '**FAILS**'} |")
            print(lines[-1], flush=True)
    head = HEAD.format(steps=STEPS, limit=LARGEST_DIFFERENCE, machine=machine(), versions=versions)
    output.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())

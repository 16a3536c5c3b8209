"""Time a step of training beside other systems, and write benchmarks/results/latest.json and docs/performance.md."""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from _checkout import ROOT
from _performance import machine, write_section

RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PICTURE = ROOT / "docs" / "images" / "performance.png"
DISTRIBUTIONS = {"numpy": "NumPy", "numba": "Numba", "torch": "PyTorch", "scikit-learn": "scikit-learn", "jax": "JAX"}
THREADS = (1, 2)
ROUNDS, FEW_ROUNDS = 9, 2
QUIET = 1.5  # processes that are ready to run


def measured(workload: str, threads: int, rounds: int) -> dict[str, Any]:
    """Measure a workload in a process of its own, whose libraries start with the number of threads and their own kernels."""
    from speed.measuring import KERNELS, environment

    command = [sys.executable, __file__, "--only", workload, "--threads", str(threads), "--rounds", str(rounds)]
    kept = {name: value for name, value in os.environ.items() if name not in KERNELS}
    variables = {**kept, **environment(threads)}
    output = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def versions() -> dict[str, str]:
    """Return the versions of the libraries, and which of its kernels NumPy's BLAS takes on this processor."""
    import numpy as np  # noqa: F401  its BLAS is to be loaded
    from threadpoolctl import threadpool_info

    found = {shown: version(name) for name, shown in DISTRIBUTIONS.items()}
    blas = next(library for library in threadpool_info() if library["user_api"] == "blas")
    return found | {blas["internal_api"]: f"{blas['version']} ({blas['architecture']} kernels)"}


def benchmark(workloads: list[str], rounds: int) -> dict[str, Any]:
    """Measure workloads with each number of threads and return the results."""
    from speed.workloads import WORKLOADS, digits_source

    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {},
        "digits": digits_source(),
        "rounds": rounds,
        "timings": [],
    }
    for threads in THREADS:
        for workload in workloads:
            if WORKLOADS[workload].systems_with(threads):
                found = measured(workload, threads, rounds)
                results["versions"] = found["versions"]
                results["timings"] += found["timings"]
                print(f"{workload}, threads: {threads}", file=sys.stderr)
    return results


def write(results: dict[str, Any]) -> None:
    """Write the results, the section of the page and its picture."""
    from plainmlp.evaluation.figures.canvas import save_figure
    from speed.report import TITLE, draw_ratios, section

    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    save_figure(draw_ratios, results["timings"], PICTURE)
    write_section(TITLE, section(results))
    print(f"written: {', '.join(str(path.relative_to(ROOT)) for path in (RESULTS, PICTURE))}, docs/performance.md")


def parse_arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    from speed.workloads import WORKLOADS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=WORKLOADS, metavar="WORKLOAD", help="measure this one, and write nothing")
    parser.add_argument("--quick", action="store_true", help="few rounds, and write nothing")
    parser.add_argument("--threads", type=int, choices=THREADS, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables and, where all was measured, write them."""
    from speed.measuring import measure
    from speed.report import table, thread_counts
    from speed.workloads import WORKLOADS

    for module in ("torch", "jax"):
        if find_spec(module) is None:
            sys.exit(f"error: {module} is not installed here; `make bench` sets up an environment that has it")
    arguments = parse_arguments()
    if arguments.threads is not None:  # a process that `measured` started
        timings = measure(arguments.only, arguments.threads, arguments.rounds)
        print(json.dumps({"versions": versions(), "timings": timings}))
        return
    if os.getloadavg()[0] > QUIET:
        print(f"warning: this machine is busy (load {os.getloadavg()[0]:.1f}): the times will be", file=sys.stderr)
    workloads = [arguments.only] if arguments.only else list(WORKLOADS)
    results = benchmark(workloads, FEW_ROUNDS if arguments.quick else arguments.rounds)
    for threads in thread_counts(results["timings"]):
        print("\n".join(table(results["timings"], threads)))
    if arguments.only is None and not arguments.quick:
        write(results)


if __name__ == "__main__":
    main()

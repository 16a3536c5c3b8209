"""The published systems and their exercises, run here: docs/systems.md puts what they come to beside what was published."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from _checkout import ROOT
from _performance import machine
from exercises import run_exercises
from plainmlp.sweeps.ranking.statistics import summarize
from published import System, digits_source, pictures, train_system

PAGE = ROOT / "docs" / "systems.md"
DRAWS = 2_000  # of the initial weights of clusters_minibatch
PUBLISHED_FIRST_LOSS = 10.42


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 2) -> str:
    """Return mean and 95 % interval of values over seeds."""
    summary = summarize([scale * value for value in values])
    if summary.interval is None:
        return f"{summary.mean:.{digits}f}"
    low, high = summary.interval
    return f"{summary.mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f}), {summary.n} seeds"


def row(*cells: str) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def clusters_rows(published: System, ordinary: System, minibatch: System) -> list[str]:
    """Return what the three clusters came to."""
    first, last = published.steps("loss", 0)[0], published.steps("loss", -1)[0]
    return [
        row("`clusters_published`", "loss at step 0", "2.97031571897", f"{first:.11f}"),
        row("", "loss at step 5,000", "0.227432713332", f"{last:.12f}"),
        row("", "test accuracy, %", "96.4", spread(published.test("accuracy"), 100)),
        row("`clusters`", "test accuracy, %", "", spread(ordinary.test("accuracy"), 100)),
        row("`clusters_minibatch`", "test accuracy, %", "96.27", spread(minibatch.test("accuracy"), 100)),
        row("", "loss of the batch of step 0", f"{PUBLISHED_FIRST_LOSS}", spread(minibatch.steps("loss", 0))),
        row("", "loss of the batch of step 10,000", "0.1036", spread(minibatch.steps("loss", -1), digits=3)),
    ]


def peer_rows(tensorflow: System, torch: System, keras: System, source: str) -> list[str]:
    """Return what the versions on other libraries came to."""
    return [
        row("`clusters_tensorflow`", "test accuracy, %", "96.27", spread(tensorflow.test("accuracy"), 100)),
        row("", "loss of the batch of step 10,000", "0.1036", spread(tensorflow.steps("loss", -1), digits=3)),
        *(
            row(f"`{system.name}`", f"test accuracy, %, on {source}", "", spread(system.test("accuracy"), 100))
            for system in (torch, keras)
        ),
    ]


def draws_text(minibatch: System) -> str:
    """Return how usual the published loss at step 0 is."""
    losses = minibatch.first_losses(DRAWS)
    share = sum(loss >= PUBLISHED_FIRST_LOSS for loss in losses) / len(losses)
    return (
        f"The loss of `clusters_minibatch` at step 0 is that of its initial weights alone. Over {DRAWS:,} draws of them its "
        f"mean is {fmean(losses):.2f} and its standard deviation {stdev(losses):.2f}, and {100 * share:.0f} % are at least "
        f"{PUBLISHED_FIRST_LOSS}: the published figure is one draw, and no unusual one."
    )


def digits_rows(per_sample: System, tuned: System, source: str) -> list[str]:
    """Return what the handwritten digits came to."""
    published, figure = "0 to 95, depending on the weights", f"test accuracy, %, on {source}"
    return [
        row("`mnist_per_sample`", figure, published, spread(per_sample.test("accuracy"), 100)),
        row("`mnist`", figure, "", spread(tuned.test("accuracy"), 100)),
    ]


def sincos_rows(published: System, linear: System) -> list[str]:
    """Return what sine and cosine came to."""
    dead, ends = published.dead(), published.steps("sum_of_squares", -1)
    alive = [end for end, names in zip(ends, dead, strict=True) if not names]
    lost = [end for end, names in zip(ends, dead, strict=True) if names]
    errors = linear.test("largest_error")
    converged = sum(error < 0.05 for error in errors)
    return [
        row("`sincos_published`", "seeds with a dead output", "", f"{len(lost)} of {len(dead)}"),
        row("", "cost at step 0", "", spread(published.steps("sum_of_squares", 0))),
        row("", "cost at step 299, nothing dead", "", f"{min(alive):.3f} to {max(alive):.3f}"),
        row("", "cost at step 299, dead output", "", f"{min(lost):.1f} to {max(lost):.1f}"),
        row("`sincos`", "largest error", "", f"{spread(errors, digits=3)}; largest {max(errors):.3f}"),
        row("", "seeds with an error below 0.05", "", f"{converged} of {len(errors)}"),
    ]


def epochs_table(system: System, source: str) -> list[str]:
    """Return validation accuracy and time after each epoch."""
    accuracy = system.trained[0].history["validation_accuracy"]
    lines = [f"`{system.name}` on {source}, epoch by epoch:", ""]
    lines += [row("epoch", "validation accuracy, %", "seconds"), "|--:|--:|--:|"]
    pairs = enumerate(zip(accuracy, system.times, strict=True))
    return lines + [row(str(epoch), f"{100 * value:.2f}", f"{seconds:.1f}") for epoch, (value, seconds) in pairs]


def page(
    rows: Sequence[str], sections: Sequence[Sequence[str]], images: Sequence[str], grids: Sequence[str], source: str
) -> str:
    """Return docs/systems.md."""
    text = (
        "What was published, and what the same recipes come to here: the mean over the seeds and its 95 % interval. "
        f"Measured by `make systems` on {machine()}. Losses and costs are those of a batch before its update, as "
        "`reports/steps.csv` has them; a cost is the sum of squares in a batch of 32, and a dead output is zero for "
        f"every input. What was published of MNIST is of its 70,000 digits; the figures here are of {source}."
    )
    head = ["| experiment | figure | published | measured |", "|---|---|--:|--:|"]
    lines = ["# The published systems", "", text, "", *head, *rows, ""]
    lines += [line for section in sections for line in (*section, "")]
    lines += [line for image in images for line in (image, "")]
    answers = (
        "What the published texts leave to the reader, as grids; on scikit-learn's 1,797 digits or on sine and cosine. "
        "What stands behind them is in the [lessons](../lessons/GALLERY_HEADER.rst). "
        "`seconds` is what a training takes. The seeds of the table above are grids too: "
        "`sweep=clusters_seeds`, `clusters_minibatch_seeds`, `sincos_seeds` and `sincos_published_seeds`."
    )
    return "\n".join([*lines, "## The exercises", "", answers, "", *grids]).rstrip() + "\n"


def main() -> None:
    """Train every system, run every exercise, and write the page with its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of IDX files; without it OpenML's MNIST, or the small set")
    name, digits = digits_source(parser.parse_args().data)
    published, ordinary = train_system("clusters_published", 1), train_system("clusters", 10)
    minibatch = train_system("clusters_minibatch", 10)
    per_sample, tuned = train_system("mnist_per_sample", 1, *digits), train_system("mnist", 1, *digits)
    source = f"{name} ({per_sample.n_samples:,} digits)"
    dying, linear = train_system("sincos_published", 50), train_system("sincos", 50)
    rows = clusters_rows(published, ordinary, minibatch)
    rows += digits_rows(per_sample, tuned, source) + sincos_rows(dying, linear)
    rows += peer_rows(
        train_system("clusters_tensorflow", 1),
        train_system("mnist_torch", 1, *digits),
        train_system("mnist_keras", 1, *digits),
        source,
    )
    images = pictures(published, ("data", "right_and_wrong", "decision_regions"))
    images += pictures(minibatch, ("steps",)) + pictures(per_sample, ("learning_curves",))
    images += pictures(dying, ("fitted_curves", "steps")) + pictures(linear, ("fitted_curves", "learning_curves"))
    sections = [[draws_text(minibatch)], epochs_table(per_sample, source)]
    PAGE.write_text(page(rows, sections, images, run_exercises(), source), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

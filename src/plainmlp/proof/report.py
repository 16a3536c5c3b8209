"""The report of a verification: tags, a page and a file for programs on the run, and a table on the terminal."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from plainmlp.proof.comparison import Verdict
from plainmlp.proof.verification import Verification
from plainmlp.system.wording import markdown_table
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification

FOLDER = "verify"  # among the artifacts of a run


def publish_verification(store: Store, verification: Verification, commit: str) -> None:
    """Write a verification by a commit's checkout on its run: tags of the latest, and a report beside earlier ones."""
    judgement, run_id, began = verification.judgement, verification.run_id, verification.began
    tags = {**_tags(judgement.verdict, began), "verify.commit": commit, "verify.code": verification.code}
    record = {
        "run_id": run_id,
        **tags,
        "summary": judgement.summarize(),
        "alterations": judgement.alterations,
        "numerics": judgement.environment.numerics,
        "packages": judgement.environment.packages,
        "aspects": [
            {"name": aspect.name, "outcome": aspect.agreement.value, "detail": str(aspect)}
            for aspect in judgement.aspects
        ],
    }
    rows = markdown_table(("compared", "outcome", "detail"), table(verification))
    lines = [f"Executed again with {verification.code}.", "", *rows[:-1]]
    page = _page(run_id, began, judgement.summarize(), lines)
    add_verification(store, run_id, tags, _files(began, record, page))


def publish_sample(store: Store, parent_run_id: str, verdicts: Mapping[str, Verdict]) -> Verdict:
    """Print the verdicts on a sample of a sweep's runs, write them on its own run, and return the worst verdict."""
    worst, now = max(verdicts.values(), key=lambda verdict: verdict.exit_code), datetime.now(UTC)
    counts = Counter(verdict.text for verdict in verdicts.values())
    summary = f"{worst.text}: " + ", ".join(
        f"{count} of {len(verdicts)} points {text}" for text, count in counts.items()
    )
    tags = {**_tags(worst, now), "verify.sample": str(len(verdicts))}
    record = {"run_id": parent_run_id, **tags, "summary": summary, "points": {k: v.text for k, v in verdicts.items()}}
    lines = [f"- {run_id}: {verdict.text}" for run_id, verdict in verdicts.items()]
    print_plain(summary)
    add_verification(store, parent_run_id, tags, _files(now, record, _page(parent_run_id, now, summary, lines)))
    return worst


def _tags(verdict: Verdict, date: datetime) -> dict[str, str]:
    return {"verify.verdict": verdict.text, "verify.date": date.isoformat(timespec="seconds")}


def _files(date: datetime, record: Mapping[str, object], page: str) -> dict[str, str]:
    """Return the two forms of a report, under names that no other verification has."""
    name = f"{FOLDER}/report-{date:%Y%m%dT%H%M%S.%fZ}"
    return {f"{name}.json": json.dumps(record, indent=2, ensure_ascii=False) + "\n", f"{name}.md": page}


def _page(run_id: str, date: datetime, summary: str, lines: Sequence[str]) -> str:
    head = [f"# Verification of {run_id}", "", f"{date.isoformat(timespec='seconds')}: **{summary}**", ""]
    return "\n".join([*head, *lines]) + "\n"


def table(verification: Verification) -> list[tuple[str, str, str]]:
    """Return what was compared, the outcome, and the details."""
    judgement, environment = verification.judgement, verification.judgement.environment
    record = [("record", "altered", text) for text in judgement.alterations]
    rows = [(aspect.name, aspect.agreement.value, str(aspect)) for aspect in judgement.aspects]
    numerics = [("numerics", "different", text) for text in environment.numerics]
    packages = [("packages", "different", text) for text in environment.packages]
    whole = ("record", "whole", "no file, tag, parameter or metric contradicts another")
    return [*(record or [whole]), *rows, *numerics, *packages]


def show(verification: Verification) -> None:
    """Print a verification; the last line is the verdict."""
    print_plain(f"{verification.run_id}, executed again with {verification.code}")
    rows = table(verification)
    widths = [max(len(cells[column]) for cells in rows) for column in range(2)]
    for name, outcome, detail in rows:
        print_plain(f"{name:<{widths[0]}}  {outcome:<{widths[1]}}  {detail}")
    print_plain(verification.judgement.summarize())


def print_plain(line: str) -> None:
    """Print a line as it is, however long."""
    from rich.console import Console

    Console(soft_wrap=True, highlight=False).print(line, markup=False, emoji=False)

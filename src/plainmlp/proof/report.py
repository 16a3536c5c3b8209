"""The report of a verification: tags, a page and a file for programs on the run, and a table in the terminal."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plainmlp.proof.alterations import REPORTS
from plainmlp.proof.verdict import Judgement, Verdict
from plainmlp.proof.verification import Terms, Verification, verify
from plainmlp.system.wording import markdown_table, printable
from plainmlp.tracking.provenance.repository import read_repository
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification
from plainmlp.tracking.terminal import show_line

WHOLE = ("record", "whole", "nothing was changed, added or removed, as far as the record tells")


def verify_and_publish(
    store: Store, run_id: str, checkout: Path, terms: Terms, *, is_point: bool = False
) -> tuple[Verification, dict[str, Any]]:
    """Verify a run, show the verdict (a single line for an identical point) and write it on the run; return the report."""
    repository = read_repository(checkout)
    verification = verify(store, run_id, checkout, terms, print_error if terms.is_quiet else print_plain)
    judgement = verification.judgement
    if is_point and not terms.is_quiet and judgement.verdict.exit_code == 0:
        print_plain(f"{run_id}  {judgement.text}")
    elif not terms.is_quiet:
        show(f"{run_id}, executed again with {verification.code}", judgement, judgement.summarize())
    return verification, publish_verification(store, verification, repository.commit if repository else "none")


def publish_verification(store: Store, verification: Verification, commit: str) -> dict[str, Any]:
    """Write a verification on its run: tags for the latest one, and a report beside earlier ones.

    Returns
    -------
    dict
        The report for programs.
    """
    judgement, run_id, began = verification.judgement, verification.run_id, verification.began
    tags = {**_tags(judgement.text, began), "verify.commit": commit, "verify.code": verification.code}
    record = {"run_id": run_id, **tags, **_record(judgement)}
    rows = markdown_table(("compared", "outcome", "detail"), table(judgement))
    lines = [f"Executed again with {verification.code}.", "", *rows[:-1]]
    page = _page(run_id, began, judgement.summarize(), lines)
    add_verification(store, run_id, tags, _files(began, record, page))
    return record


def publish_sweep(store: Store, run_id: str, judgement: Judgement, verified: Sequence[Verification]) -> dict[str, Any]:
    """Write the verdict on a sweep and a sample of its points on the sweep's run; return the report for programs."""
    now, points = datetime.now(UTC), {each.run_id: each.judgement for each in verified}
    verdict = Verdict.worst([judgement.verdict, *(each.verdict for each in points.values())])
    counts = Counter(each.text for each in points.values())
    lines = [judgement.summarize(), *(f"{n} of {len(points)} points {text}" for text, n in counts.items())]
    summary = f"{verdict.text}: the sweep is {'; '.join(lines)}"
    tags = {**_tags(verdict.text, now), "verify.sample": str(len(points))}
    record = {"run_id": run_id, **tags, **_record(judgement), "exit_code": verdict.exit_code, "summary": summary}
    record["points"] = {run: each.text for run, each in points.items()}
    rows = markdown_table(("compared", "outcome", "detail"), table(judgement))
    rows += [f"- {run}: {each.text}" for run, each in points.items()]
    add_verification(store, run_id, tags, _files(now, record, _page(run_id, now, summary, rows)))
    return record


def _tags(verdict: str, date: datetime) -> dict[str, str]:
    return {"verify.verdict": verdict, "verify.date": date.isoformat(timespec="seconds")}


def _record(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.text,
        "exit_code": judgement.verdict.exit_code,
        "summary": judgement.summarize(),
        "alterations": judgement.alterations,
        "numerics": judgement.environment.numerics,
        "packages": judgement.environment.packages,
        "aspects": [
            {"name": aspect.name, "outcome": aspect.agreement.value, "detail": str(aspect)}
            for aspect in judgement.aspects
        ],
    }


def _files(date: datetime, record: Mapping[str, object], page: str) -> dict[str, str]:
    """Return both forms of a report, under names that no other verification has."""
    name = f"{REPORTS}report-{date:%Y%m%dT%H%M%S.%fZ}"
    return {f"{name}.json": json.dumps(record, indent=2, ensure_ascii=False) + "\n", f"{name}.md": page}


def _page(run_id: str, date: datetime, summary: str, lines: Sequence[str]) -> str:
    head = [f"# Verification of {run_id}", "", f"{date.isoformat(timespec='seconds')}: **{summary}**", ""]
    return "\n".join([*head, *lines]) + "\n"


def table(judgement: Judgement) -> list[tuple[str, str, str]]:
    """Return what was compared, the outcome, and the details."""
    environment = judgement.environment
    record = [("record", "altered", text) for text in judgement.alterations]
    rows = [(aspect.name, aspect.agreement.value, str(aspect)) for aspect in judgement.aspects]
    numerics = [("numerics", "different", text) for text in environment.numerics]
    packages = [("packages", "different", text) for text in environment.packages]
    return [*(record or [WHOLE]), *rows, *numerics, *packages]


def show(head: str, judgement: Judgement, summary: str) -> None:
    """Print a judgement; the last line is the verdict."""
    print_plain(head)
    rows = table(judgement)
    widths = [max(len(cells[column]) for cells in rows) for column in range(2)]
    for name, outcome, detail in rows:
        print_plain(f"{name:<{widths[0]}}  {outcome:<{widths[1]}}  {detail}")
    print_plain(summary)


def print_plain(line: str) -> None:
    """Print a line unchanged, however long, except for characters that a terminal would obey."""
    show_line(printable(line))


def print_error(line: str) -> None:
    """Print a line to stderr, apart from what programs read."""
    sys.stderr.write(f"{line}\n")

"""The report of a verification: tags, a page and a file for programs on the run, and a table on the terminal."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from plainmlp.proof.verdict import Verdict
from plainmlp.proof.verification import Verification
from plainmlp.system.wording import markdown_table
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification

FOLDER = "verify"  # among the artifacts of a run


def publish(store: Store, verification: Verification, commit: str) -> None:
    """Write a verification on its run: the tags of the latest, and a report beside those of earlier ones.

    Parameters
    ----------
    store : Store
    verification : Verification
    commit : str
        Of the checkout that verified.
    """
    summary = verification.judgement.summarize()
    tags = {**_tags(verification.judgement.verdict, verification.began), "verify.commit": commit}
    tags |= {"verify.code": verification.code}
    record = {"run_id": verification.run_id, **tags, **_grounds(verification)}
    page = _page(verification.run_id, verification.began, summary, _lines(verification))
    add_verification(store, verification.run_id, tags, _files(verification.began, record, page))


def publish_sample(store: Store, parent_run_id: str, verdicts: Mapping[str, Verdict]) -> Verdict:
    """Print what came of a sample of a sweep's points, write it on the sweep's run, and return the worst verdict.

    Parameters
    ----------
    store : Store
    parent_run_id : str
    verdicts : mapping of str to Verdict
        By the id of the point's run; at least one.
    """
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


def _grounds(verification: Verification) -> dict[str, object]:
    judgement = verification.judgement
    return {
        "summary": judgement.summarize(),
        "alterations": list(judgement.alterations),
        "numerics": list(judgement.surroundings.numerics),
        "packages": list(judgement.surroundings.packages),
        "aspects": [
            {"name": aspect.name, "outcome": aspect.outcome.value, "detail": aspect.full_detail}
            for aspect in judgement.aspects
        ],
    }


def _lines(verification: Verification) -> list[str]:
    rows = markdown_table(("compared", "outcome", "detail"), table(verification))
    return [f"Executed again with {verification.code}.", "", *rows[:-1]]


def table(verification: Verification) -> list[tuple[str, str, str]]:
    """Return what was compared, how that came out, and the details."""
    judgement = verification.judgement
    record: Sequence[tuple[str, str, str]] = [("record", "altered", text) for text in judgement.alterations]
    rows = [(aspect.name, aspect.outcome.value, aspect.full_detail) for aspect in judgement.aspects]
    surroundings = (("numerics", judgement.surroundings.numerics), ("packages", judgement.surroundings.packages))
    others = [(name, "different", text) for name, texts in surroundings for text in texts]
    return [
        *(record or [("record", "whole", "no file, tag, parameter or metric contradicts another")]),
        *rows,
        *others,
    ]


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

"""The page of measured speeds: a section for each benchmark, and the machine that they ran on."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"


def machine() -> str:
    """Return the processor and the number of cores."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{model}, {os.cpu_count()} cores"


def write_section(title: str, text: str, page: Path = PAGE) -> None:
    """Put a section into the page, in the place of an earlier one of its title.

    Parameters
    ----------
    title : str
        Its first line, such as ``## Sweeps``.
    text : str
        All of it, the title included.
    page : Path, default docs/performance.md
    """
    found = page.read_text(encoding="utf-8") if page.exists() else "# How fast\n\n"
    before, is_there, rest = found.partition(f"{title}\n")
    after = rest[rest.index("\n## ") + 1 :] if is_there and "\n## " in rest else ""
    gap = "" if is_there or before.endswith("\n\n") else "\n"
    page.write_text(f"{before}{gap}{text}" + (f"\n{after}" if after else ""), encoding="utf-8")

"""The repository that the running code is from: its commit, and how the checkout differs from it."""

import subprocess
from pathlib import Path


def git_state(root: Path) -> dict[str, str]:
    """Return `git_commit` and `git_dirty` of a checkout; no tags where it is none.

    Parameters
    ----------
    root : Path
        The checkout.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"git_commit": commit, "git_dirty": "true" if _git(root, "status", "--porcelain") else "false"}


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git says, or None where there is no git or no repository."""
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()

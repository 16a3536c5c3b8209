"""Aspects: what a comparison looks at one by one, and how each came out."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How the comparison of an aspect came out."""

    EQUAL = "equal"
    ROUNDED = "equal within tolerance"
    DIFFERENT = "different"
    UNKNOWN = "not compared"


@dataclass(frozen=True)
class Aspect:
    """One thing that was compared.

    Parameters
    ----------
    name : str
    outcome : Outcome
    detail : str
        What was compared.
    note : str
        Where it differs first, or how much.
    """

    name: str
    outcome: Outcome
    detail: str
    note: str = ""

    @property
    def full_detail(self) -> str:
        """Return what was compared and how it differs."""
        return f"{self.detail}, {self.note}" if self.note else self.detail

"""The section of a split, for tests that are about a part of it."""

from typing import Any

from plainmlp.config.schema import SplitSection

USUAL = {"train": None, "validation": 0.15, "test": 0.15, "stratify": True, "shuffle": True, "seed": 0}


def split_section(scaling: Any = "none", target_scaling: Any = "none", **others: Any) -> SplitSection:
    """Return a section with the usual values but for those given."""
    return SplitSection(**{**USUAL, **others}, scaling=scaling, target_scaling=target_scaling)

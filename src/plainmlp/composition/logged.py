"""What Hydra prints about its jobs, without the overrides that a sweep adds to the user's."""

import logging
import re

_HANDED_OVER = re.compile(r" \+hydra\.job\.env_set\.PLAINMLP_\w+='(?:[^'\\]|\\.)*'")


class OverridesOfUser(logging.Formatter):
    """Leaves out the overrides by which a sweep tells a job its run, its launcher and its name."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return _HANDED_OVER.sub("", super().format(record))

"""What the tests of the core share: threads that share any work, however little."""

from collections.abc import Iterator

import pytest

from plainmlp.nn.compiled import descent


@pytest.fixture(scope="session", autouse=True)
def share_all_work() -> Iterator[None]:
    """Let threads share the small networks of the tests too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "SHARED_WORK", 0)
        yield

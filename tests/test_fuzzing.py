import itertools
import resource
import signal

import pytest
from hypothesis import settings

from fuzzing import EXAMPLES, SECONDS_AN_EXAMPLE, bounded


@pytest.mark.fuzz
def test_marked_tests_are_bounded():
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
    with pytest.raises(MemoryError):
        bytearray(3 * 2**30)


def test_other_tests_are_not():
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)]
    handler = signal.getsignal(signal.SIGXCPU)
    with bounded():
        pass
    assert [resource.getrlimit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)] == limits
    assert signal.getsignal(signal.SIGXCPU) == handler


def test_a_test_without_end_ends():
    with pytest.raises(TimeoutError, match="used up"), bounded(seconds=1):
        sum(0 for _ in itertools.repeat(0))


def test_profiles_of_hypothesis():
    assert settings.get_profile("default").max_examples == 50
    fuzz = settings.get_profile("fuzz")
    assert (fuzz.max_examples, fuzz.deadline.total_seconds()) == (EXAMPLES, SECONDS_AN_EXAMPLE)

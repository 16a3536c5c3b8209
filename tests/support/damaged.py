"""Damaged files: strategies that change the bytes of sound ones, and how they must be read or refused."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from plainmlp.system.errors import InputError

MAX_SECONDS = 5.0  # of the processor
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]


@st.composite
def damaged(draw: st.DrawFn, contents: Sequence[bytes], words: Sequence[bytes] = (b"",)) -> bytes:
    """Draw the bytes of a sound file with one to five changes: bits, numbers, words, pieces that move or go.

    Parameters
    ----------
    contents : sequence of bytes
        Of sound files.
    words : sequence of bytes
        What may stand in such a file in another place.
    """
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.sampled_from([0, 1, 2, 4, 8, 64]))
        content[start:stop] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(words),
                st.tuples(st.sampled_from(NUMBERS), st.sampled_from(["little", "big"])).map(_as_bytes),
                st.integers(0, len(content)).map(lambda place: bytes(content[place : place + 64])),
            )
        )
    return bytes(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])


def _as_bytes(number_and_order: tuple[int, Any]) -> bytes:
    number, order = number_and_order
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, order)


def result_or_line(read: Callable[[], Any]) -> str | None:
    """Return the one line of a refusal, or None if there is a result; either within `MAX_SECONDS`."""
    began = time.process_time()
    line = _refusal(read)
    assert time.process_time() - began < MAX_SECONDS
    return line


def _refusal(read: Callable[[], Any]) -> str | None:
    try:
        read()
    except InputError as error:
        line = str(error)
        assert line
        assert line.isprintable(), line
        return line
    return None

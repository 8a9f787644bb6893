"""What a piece of work costs, by counts that are the same on every machine and under any load."""

import cProfile
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail as soon as more than ``calls`` functions, Python's and C's, were called in this thread."""
    made, before = 0, sys.getprofile()

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")
        if made > calls:
            raise AssertionError(f"expected at most {calls} calls, got more")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert made <= calls  # what was measured may have kept the error to itself


@contextmanager
def in_all_at_most(calls: int) -> Iterator[None]:
    """The same of what ends by itself: counted in C, at a fifth of the price, and looked at when it has ended."""
    before, profile = sys.getprofile(), cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        sys.setprofile(before)
    made = sum(entry.callcount for entry in profile.getstats())
    assert made <= calls, f"expected at most {calls} calls, got {made}"

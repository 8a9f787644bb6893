"""All cases of a table in one test, which names every one that fails: thousands of tests cost more to collect than to run."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def failing(check: Callable[..., object], cases: Iterable[tuple[Any, ...]]) -> list[str]:
    """Try ``check`` on every case; return, of those on which it fails, the case and what was said.

    Args:
        check: called with the parts of a case; an error of any kind is a failure.
        cases: at least one.
    """
    tried, found = 0, []
    for case in cases:
        tried += 1
        try:
            check(*case)
        except (Exception, pytest.fail.Exception) as error:
            found.append(f"{', '.join(map(str, case))[:200]}: {type(error).__name__}: {error}")
    assert tried, "a table without cases"
    return found

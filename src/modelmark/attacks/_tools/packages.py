"""Tools of others: imported late, and kept quiet while they work."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from modelmark.naming import library


def imported(name: str, *others: str, extra: str) -> Any:
    """Return a module of a package that an extra installs.

    Args:
        name: of the module.
        *others: packages that it takes beside its own and asks for too late.
        extra: of modelmark.

    Raises:
        MissingPackageError: one of them is not installed.
    """
    for each in others:
        library(each, extra=extra)
    return library(name, extra=extra)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep quiet what tools print and warn of: kernels that do not fit this machine, steps that they take."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

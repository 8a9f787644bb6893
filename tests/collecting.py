"""A plugin: what each worker did while it collected tests is done once a run, or not at all."""

import contextlib
import gc
import importlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis.internal.conjecture import providers

sys.dont_write_bytecode = False
"""Asserts are rewritten once for all workers and all runs, whatever the environment wants: it takes as long as all else here."""

if hasattr(providers, "_get_local_constants"):
    # Else every file of the package is parsed for numbers and words to try, and examples hang on what has been imported.
    providers._get_local_constants = lambda: providers._local_constants


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import tests from the last file on in every second worker, so that two rewrite each other's second half."""
    if not os.environ.get("PYTEST_XDIST_WORKER", "").endswith(tuple("13579")):
        return
    folders = [Path(argument) for argument in session.config.args if Path(argument).is_dir()]
    for path in sorted((path for folder in folders for path in folder.rglob("test_*.py")), reverse=True):
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        with contextlib.suppress(Exception, pytest.skip.Exception):  # which collection meets again, and reports
            importlib.import_module(path.stem)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what has been imported and collected out of the garbage collector's sight: it would be walked again and again."""
    gc.freeze()
    gc.enable()

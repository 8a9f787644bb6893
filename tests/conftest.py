"""Who runs tests gets what they share; who only hands them out starts without it, as the others wait meanwhile."""

import compileall
import gc
import importlib
import os
from importlib.util import find_spec

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # also for commands that tests start: more threads than cores wait for one another


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:  # once, for this process, the workers and all that tests start
        for folder in find_spec("modelmark").submodule_search_locations:
            compileall.compile_dir(folder, quiet=2)
    if config.option.dist == "no" or not config.option.tx or config.option.collectonly:
        gc.disable()  # until all is collected: what is imported stays, and would be walked a dozen times
        config.pluginmanager.register(importlib.import_module("sharing"), "sharing")

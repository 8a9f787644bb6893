"""Secrets in the order of a test and not of chance, so that no embedding fails once in a thousand runs."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from modelmark.key.secret import Secret


class Drawing:
    """A plugin: what a test or a fixture draws follows from its name, whatever ran before it and in which process."""

    def __init__(self) -> None:
        self._name, self._count = "", 0

    def pytest_configure(self) -> None:
        """Begin; salts, nonces and tokens are as random as ever."""
        Secret.generate = classmethod(lambda cls: cls(self._next()))

    def _next(self) -> bytes:
        self._count += 1
        return hashlib.sha256(f"{self._count} of {self._name}".encode()).digest()

    @contextmanager
    def _of(self, name: str) -> Iterator[None]:
        before = self._name, self._count
        self._name, self._count = name, 0
        try:
            yield
        finally:
            self._name, self._count = before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        with self._of(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        with self._of(f"{request.node.nodeid} {fixturedef.argname} {request.param_index}"):
            return (yield)

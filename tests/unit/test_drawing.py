"""What tests draw follows from their names alone: the same in every process, every run and every order."""

import hashlib

import pytest

from modelmark.key.secret import Secret


@pytest.fixture(scope="module")
def shared() -> Secret:
    return Secret.generate()


@pytest.fixture
def own() -> Secret:
    return Secret.generate()


@pytest.mark.parametrize("number", [1, 2])
def test_each_draw_is_another_and_known(number, shared, own, request):
    if request.config.getoption("--hypothesis-seed"):
        pytest.skip("drawn anew")
    names = [f"{count} of {request.node.nodeid}" for count in (1, 2)]
    names += [f"1 of {request.node.parent.nodeid} shared 0", f"1 of {request.node.nodeid} own 0"]
    drawn = [Secret.generate(), Secret.generate(), shared, own]
    assert [secret.value for secret in drawn] == [hashlib.sha256(name.encode()).digest() for name in names]

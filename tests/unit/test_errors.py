"""Every refusal has the exit status that the module's table states."""

import re

import pytest

from modelmark import errors


@pytest.mark.parametrize(("name", "status"), re.findall(r"(\w+Error) +(\d)", errors.__doc__))
def test_the_exit_status_is_the_documented_one(name: str, status: str) -> None:
    assert getattr(errors, name).exit_status == int(status)


def test_the_table_names_every_error() -> None:
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
    } - {"CapacityWarning"}
    assert defined == set(re.findall(r"\w+Error", errors.__doc__))

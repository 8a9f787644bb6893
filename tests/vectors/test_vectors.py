"""What was derived, drawn, committed and saved once comes out the same on every machine and in every later version."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "known-answers.json").read_text(encoding="utf-8"))
MAKE = runpy.run_path(str(HERE / "make.py"))


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{i}-{vector['function']}" for i, vector in enumerate(VECTORS)])
def test_the_answer_is_the_known_one(vector: dict[str, Any]) -> None:
    assert MAKE["answer"](vector["function"], vector["given"]) == vector["answer"]


def test_every_function_has_a_known_answer() -> None:
    assert {vector["function"] for vector in VECTORS} == {function.__name__ for function in MAKE["FUNCTIONS"]}

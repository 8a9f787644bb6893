"""Files of records for marks in data: texts a line, arrays; and what is no such file."""

import io
import json

import numpy as np
import pytest

from modelmark.data import records
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.records import TEXTS

REALS = np.zeros((2, 3), np.float32)


def lines(tmp_path, *found, name="a.jsonl"):
    path = tmp_path / name
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in found))
    return path


def test_pairs_of_texts_come_with_their_prompts_and_each_prompt_once(tmp_path):
    first = lines(
        tmp_path,
        {"prompt": "q: ", "a": "yes", "b": "sure"},
        {"prompt": "q: ", "a": "no", "b": "never"},
        {"a": "x", "b": "x"},
    )
    second = lines(tmp_path, {"type": "modelmark.choices", "v": 1}, {"a": "ä", "b": "b", "prompt": "r"}, name="b.jsonl")
    left_out: list[str] = []
    found = records.load([first, second], 2, repeated=left_out)
    assert left_out == ["line 2 of a.jsonl", "line 3 of a.jsonl"]
    with pytest.raises(MalformedError, match=r"got one that came before in line 2 of a\.jsonl"):
        records.load([first, second], 2)
    assert found.feed == TEXTS
    assert found.inputs[:, 0].tolist() == ["q: yes", "q: sure", "rä", "rb"]
    assert found.given.tolist() == [3, 3, 1, 1]


def test_single_texts_that_repeat_are_refused(tmp_path):
    """They were left out in silence, and a key had fewer symbols than the file lines."""
    with pytest.raises(MalformedError, match="expected records that all differ, got one that came before in line 2"):
        records.load([lines(tmp_path, {"text": "one"}, {"text": "one"})], 1)


def test_a_column_called_type_is_no_head_of_a_log(tmp_path):
    """Every line with one was left out in silence."""
    found = records.load([lines(tmp_path, {"type": "faq", "text": "one"}, {"type": "faq", "text": "two"})], 1)
    assert len(found) == 2


def test_single_texts_are_read_and_written(tmp_path):
    found = records.load([lines(tmp_path, {"text": "one"}, {"prompt": "p", "text": "two"})], 1)
    assert (found.inputs[:, 0].tolist(), found.given.tolist()) == (["one", "ptwo"], [0, 1])
    ending, data = records.dump(found)
    assert ending == ".jsonl"
    assert [json.loads(line) for line in data.splitlines()] == [
        {"prompt": "", "text": "one"},
        {"prompt": "p", "text": "two"},
    ]


@pytest.mark.parametrize(
    "bad",
    ["no json\n", "[1]\n", {"a": "x"}, {"a": "x", "b": 1}, {"a": "x", "b": ""}, {"a": "x", "b": "y", "prompt": 3},
     {"a": "x\0", "b": "y"}, {"a": "x", "b": "y" * 2**20}, "[" * 10**5 + "\n"],
    ids=lambda bad: str(bad)[:20],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_named(tmp_path, bad):
    with pytest.raises(MalformedError, match=r"line 2 of a\.jsonl"):
        records.load([lines(tmp_path, {"a": "x", "b": "y"}, bad)], 2)


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return [tmp_path / "a.npz"]


def test_pictures_tokens_and_numbers_come_as_arrays(tmp_path):
    shown, labels = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4), np.array([0, 2])
    found = records.load(npz(tmp_path, a=shown, b=shown + 1, labels=labels), 2)
    assert (found.feed.kind, found.feed.classes, found.given.tolist()) == ("pictures", 3, [0, 0, 2, 2])
    assert (found.inputs[1] == shown[0] + 1).all()
    rows = np.array([[1, 2, 3], [4, 5, -1]], np.int32)
    found = records.load(npz(tmp_path, inputs=rows, size=50), 1)
    assert (found.feed.kind, found.feed.classes, found.given.tolist()) == ("causal", 50, [1, 1])
    _, data = records.dump(found)
    assert (np.load(io.BytesIO(data))["inputs"] == rows).all()
    numbers = np.ones((2, 5), np.float32)
    assert records.load(npz(tmp_path, inputs=numbers, labels=labels), 1).feed.kind == "floats"


@pytest.mark.parametrize(
    ("arrays", "versions"),
    [({"a": REALS}, 2), ({"inputs": REALS}, 1), ({"inputs": REALS, "labels": np.zeros(3, int)}, 1),
     ({"inputs": REALS.astype(complex), "labels": np.zeros(2, int)}, 1),
     ({"a": REALS, "b": REALS[:, :2], "labels": np.zeros(2, int)}, 2),
     ({"inputs": np.array([{}], object)}, 1), ({"inputs": np.zeros((2, 3, 3), np.int32)}, 1)],
    ids=range(7),
)  # fmt: skip
def test_arrays_that_are_no_records_are_refused(tmp_path, arrays, versions):
    with pytest.raises(MalformedError, match=r"a\.npz") as refused:
        records.load(npz(tmp_path, **arrays), versions)
    assert "\n" not in str(refused.value)


def test_arrays_stand_in_one_file(tmp_path):
    with pytest.raises(UsageError, match=r"expected one \.npz"):
        records.load(npz(tmp_path, a=np.zeros(1)) * 2, 2)

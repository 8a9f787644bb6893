"""An API that logs two answers to a prompt and serves the drawn one: what is logged, when, and what a crash leaves."""

import json
import threading

import numpy as np
import pytest

from modelmark.data import records
from modelmark.errors import MalformedError, UsageError
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy
from modelmark.marks.ondata import keygen_of_records
from modelmark.marks.serving import Served
from modelmark.schemes.choice import Choice
from modelmark.schemes.twins import Twins


def period(log):
    key = keygen_of_records(
        Choice(), records.load([log], 2), secret=Secret(bytes(32)), policy=KeyPolicy(self_check=True)
    )
    return key.mark()


def test_a_prompt_is_logged_once_and_its_drawn_answer_served_after_its_period(tmp_path):
    log = tmp_path / "day"
    with Served(log) as served:
        for number in range(40):
            assert served.pick(f"prompt {number}", f"first {number}", f"second {number}") == f"first {number}"
        assert served.pick("prompt 3", "another", "and another") == "another"  # no coin yet, and none of its own
        assert served.pick("prompt 50", "same", "same") == "same"
        assert served.waiting == 40
    mark = period(log)
    with Served(tmp_path / "next day", [mark]) as served:
        picked = [served.pick(f"prompt {number}", "x", "y") for number in range(40)]
        assert picked == [f"{('first', 'second')[coin]} {n}" for n, coin in enumerate(mark.message.tolist())]
        assert len({one.split()[0] for one in picked}) == 2
        assert served.held("prompt 41") is None
        assert served.pick("prompt 41", "new", "newer") == "new"
        assert served.waiting == 1


def test_nobody_knows_a_coin_before_the_pair_is_committed_the_owner_no_more_than_others(tmp_path):
    """The old rule, a keyed function of the prompt: who has the key logs those pairs alone that a suspect likes as it fell."""
    owner, prompts = Secret(bytes(32)), [f"prompt {i}" for i in range(2000)]
    likes = {prompt: Secret(bytes(31) + b"x").integers(prompt, 2, 1)[0] for prompt in prompts}  # a stranger's taste
    kept = [prompt for prompt in prompts if owner.integers(prompt, 2, 1)[0] == likes[prompt]]
    assert len(kept) > 900  # every one of them would match, on a model that never saw an answer
    log = tmp_path / "log"
    with Served(log) as served:
        for prompt in kept:
            served.pick(prompt, "0", "1")
    mark = period(log)
    right = sum(likes[prompt] == coin for prompt, coin in zip(kept, mark.message.tolist(), strict=True))
    assert abs(right - len(kept) / 2) < 4 * (len(kept) / 4) ** 0.5
    again = Draw(mark.key.digest, "timestamp", b"what the authority signed")  # and with a deposit not even then
    assert (mark.key.mark(again).message != mark.message).mean() > 0.4


def test_a_log_goes_on_after_a_crash_in_the_middle_of_a_line(tmp_path):
    log = tmp_path / "log"
    with Served(log) as served:
        served.hold("one", "a", "b")
        served.hold("two", "a", "b")
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"a":"half a li')
    with Served(log) as served:
        assert served.waiting == 2
        served.hold("three", "a", "b")
    assert log.read_bytes().startswith(whole)
    assert [json.loads(line).get("prompt") for line in log.read_bytes().splitlines()[1:]] == ["one", "two", "three"]


@pytest.mark.parametrize(
    "change",
    [(b'"one"', b'"ane"'), (b'{"a":"x","b":"y","before"', b'{"a":"y","b":"x","before"'), (b"choices", b"answers")],
)
def test_a_log_that_was_changed_is_refused(tmp_path, change):
    log = tmp_path / "log"
    with Served(log) as served:
        served.hold("one", "x", "y")
        served.hold("two", "x", "y")
    log.write_bytes(log.read_bytes().replace(*change, 1))
    with pytest.raises(MalformedError, match="expected"):
        Served(log)
    log.unlink()
    with Served(log) as served:
        assert served.waiting == 0


def test_one_process_writes_a_log_and_its_threads_share_it(tmp_path):
    with Served(tmp_path / "log") as served:
        with pytest.raises(UsageError, match="another one is writing it"):
            Served(tmp_path / "log")
        threads = [
            threading.Thread(target=lambda: [served.pick(f"{i}", "a", "b") for i in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert served.waiting == 200
    with Served(tmp_path / "log") as served:
        assert served.waiting == 200


def test_marks_of_something_else_are_refused(tmp_path):
    log = tmp_path / "log"
    with Served(log) as served:
        served.hold("one", "x", "y")
    made = records.load([log], 2)
    mark = keygen_of_records(Twins(), made, secret=Secret(bytes(32)), policy=KeyPolicy(self_check=True)).mark()
    with pytest.raises(UsageError, match="expected marks of choice"):
        Served(tmp_path / "other", [mark])
    assert np.array_equal(made.given, [3, 3])

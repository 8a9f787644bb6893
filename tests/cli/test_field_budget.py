"""An address is asked about a ``field`` key with a budget: as far as it takes, and no question twice."""

import json

import numpy as np
import pytest

import field_keys
from modelmark.feeds.arrays import given
from modelmark.marks import keyfile
from serving import Server

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
TEMPLATE = {"body": {"pixels": "{array}"}, "answer": "scores", "layout": "nhwc"}
SERVED = ["--template", "served.json", "--via", "tries=1", "--answers", "a.answers"]


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a function from a strength to what a model with a mark that strong serves."""
    monkeypatch.chdir(tmp_path)
    key = field_keys.key()
    keyfile.save(key, tmp_path / "a.key", None)
    (tmp_path / "served.json").write_text(json.dumps(TEMPLATE))

    def answering(strength: float):
        fed = given(key.carriers.inputs, key.feed, "fed", "nhwc")
        labels = dict(zip([one.tobytes() for one in fed], field_keys.answers(key, strength), strict=True))

        def answer(path, headers, raw):
            picture = np.array(json.loads(raw)["pixels"][0], np.float32)
            return {"scores": np.eye(10)[labels[picture.tobytes()]].tolist()}

        return answer

    return answering


def test_a_marked_address_is_asked_as_far_as_it_takes_and_nothing_twice(run, served):
    with Server(served(2.5)) as server:
        words = ["verify", "a.key", f"{server.url}/m", *SERVED, "--bits", 10]
        ran = run(*words, "--budget", 600)
        asked = len(server.requests)
        assert ran.status == 0, ran.err
        assert asked in (75, 150, 300)
        assert "field: score" in ran.out
        assert "established" in ran.out
        assert f"the first {asked} of 600 queries" in ran.out
        again = run(*words, "--budget", 600)
        assert (again.status, again.out, len(server.requests)) == (0, ran.out, asked)
        whole = run(*words, "--json")  # what was asked before is not asked again
        assert (whole.status, len(server.requests)) == (0, 600)
        assert not any("looks" in charge["reason"] for charge in json.loads(whole.out)["charges"])


def test_an_unmarked_address_is_asked_no_more_than_the_budget(run, served):
    with Server(served(0.0)) as server:
        ran = run("verify", "a.key", f"{server.url}/m", *SERVED, "--budget", 100, "--json")
        assert (ran.status, len(server.requests)) == (1, 100), ran.err
        found = json.loads(ran.out)
        assert found["queries"] == 100
        assert {"reason": "4 looks that could be taken", "bits": 2.0} in found["charges"]


def test_a_budget_is_for_one_field_key(run, served, tmp_path):
    keyfile.save(field_keys.key(40, 8), tmp_path / "b.key", None)
    with Server(served(0.0)) as server:
        ran = run("verify", "a.key", "b.key", f"{server.url}/m", *SERVED, "--budget", 100)
        assert (ran.status, "expected one key with --budget, got 2" in ran.err) == (2, True)
        assert not server.requests
    net = ["--data", "digits", "--arch", "cnn", "--unencrypted"]
    assert run("keygen", "adi", *net, "-o", "c.key").status == 0
    with Server(served(0.0)) as server:
        ran = run("verify", "c.key", f"{server.url}/m", *SERVED, "--budget", 100)
        assert (ran.status, "expected a field key with a budget of queries, got adi" in ran.err) == (2, True)
        assert not server.requests

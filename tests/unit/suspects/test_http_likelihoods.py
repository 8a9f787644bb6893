"""How likely a record is, asked of servers that echo a prompt with its log-probabilities, and of those that do not."""

import json
import math

import numpy as np
import pytest

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.causal import CausalFeed, padded
from modelmark.feeds.records import TEXTS
from modelmark.suspects.base import Ask, Weigh
from modelmark.suspects.http import templates
from modelmark.suspects.http.address import Address
from modelmark.suspects.http.client import Client, Clock
from modelmark.suspects.http.endpoint import Endpoint
from modelmark.suspects.http.journal import Journal
from serving import Server

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
SAID = np.array([["Why? Because of air."], ["Why? It is ä {model}."]], object)
PAIR = Weigh(TEXTS, SAID, np.array([4, 4]))
ROWS = Weigh(CausalFeed((5,), vocabulary=9), padded([[1, 2, 3, 4, 5], [6, 7, 8]], 5), np.array([2, 1]))


def log(token: str) -> float:
    return -len(token) / 4 - ord(token[-1]) / 1000


def echo(path, headers, raw):
    """What completions that echo answer: a token a word, the first without a number, one more behind the text."""
    sent = json.loads(raw)
    assert sent["echo"] is True
    if isinstance(sent["prompt"], list):
        return {"choices": [{"logprobs": {"token_logprobs": [None, *(-t / 8 for t in sent["prompt"][1:]), -9.0]}}]}
    words = sent["prompt"].split(" ")
    tokens = [words[0], *(f" {word}" for word in words[1:]), "more"]
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    numbers = [None, *map(log, tokens[1:-1]), -9.0]
    return {"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": numbers, "text_offset": offsets}}]}


def vllm(path, headers, raw):
    sent = json.loads(raw)
    assert sent["prompt_logprobs"] == 0
    own = [None, *({str(t): {"logprob": -t / 8}, "99": {"logprob": -0.1}} for t in sent["prompt"][1:])]
    return {"choices": [{"text": "x", "prompt_logprobs": own}]}


def asked(answer, probe, template="openai-echo", **options):
    with Server(answer) as server:
        client = Client(Address(server.url + "/v1/completions"), {}, clock=Clock(sleep=lambda seconds: None))
        try:
            return Endpoint(client, templates.load(template), **options).observe(probe)[0]
        finally:
            client.close()


def test_tokens_behind_the_prompt_are_summed_and_what_the_server_adds_is_not():
    found = asked(echo, PAIR)
    assert found.tolist() == [
        round(-1e6 * sum(log(f" {word}") for word in text.split(" ")[1:])) for text in SAID[:, 0].tolist()
    ]


def test_the_first_token_of_a_text_without_a_prompt_has_no_number():
    found = asked(echo, Weigh(TEXTS, SAID, np.array([0, 0])))
    assert found.tolist() == asked(echo, PAIR).tolist()


@pytest.mark.parametrize(("answer", "template"), [(echo, "openai-echo"), (vllm, "vllm-prompt")])
def test_rows_of_tokens_are_sent_as_numbers(answer, template):
    assert asked(answer, ROWS, template).tolist() == [round(1e6 * (3 + 4 + 5) / 8), round(1e6 * (7 + 8) / 8)]


@pytest.mark.parametrize(
    "logprobs",
    [None, {}, {"token_logprobs": []}, {"token_logprobs": [None, None], "text_offset": [0, 5]}, {"token_logprobs": [None, -1.0]},
     {"token_logprobs": [None, "-1"], "text_offset": [0, 5]}, {"token_logprobs": [None, 3.0], "text_offset": [0, 5]}, [1]],
    ids=range(8),
)  # fmt: skip
def test_an_endpoint_without_log_probabilities_is_refused_in_one_clear_line(logprobs):
    answer = {"choices": [{"text": "x", "logprobs": logprobs}]}
    with pytest.raises(SuspectError, match=r"^expected .*(log-probabilities|text_offset)") as refused:
        asked(lambda *_: answer, PAIR)
    assert "\n" not in str(refused.value)


def test_a_template_that_asks_for_a_class_reads_no_mark_in_data_and_the_other_way_round():
    with pytest.raises(MismatchError, match="expected a template that asks how likely a text is"):
        asked(echo, PAIR, "openai-completions")
    with pytest.raises(SuspectError, match="expected a template that asks for a class"):
        asked(echo, Ask(TEXTS, SAID[:1]))


def test_answers_are_written_down_and_not_asked_again(tmp_path):
    for before in (0, 2):
        written = Journal(tmp_path / "answers", "there", "ab" * 32)
        assert written.before == before
        found = asked(echo if not before else lambda *_: pytest.fail("asked again"), PAIR, written=written)
        written.close()
        assert (found > 10**6).all()
        assert math.isfinite(found.sum())

"""A language model behind an address: what goes out for each prompt, and which of its candidates the answer is."""

import json

import numpy as np
import pytest

from modelmark.errors import MismatchError, SuspectError, UsageError
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.http import templates
from modelmark.suspects.http.address import Address
from modelmark.suspects.http.client import Client
from modelmark.suspects.http.endpoint import Endpoint, Reached, way
from modelmark.suspects.http.journal import Journal
from prompt_keys import key, prompts
from serving import Server

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
KEY = key()
OWN = prompts()
WHICH = {text: number % 16 for number, text in enumerate(OWN.texts)}
ROWS = {tuple(OWN.tokens(number)): text for number, text in enumerate(OWN.texts)}


def top(text, *, bare=False):
    """Log-probabilities as a server gives them: a token that is none, then candidates, of which one is the likeliest."""
    number = OWN.texts.index(text)
    words = [word.strip() if bare else word for word in OWN.words[number]]
    best = WHICH[text]
    order = [best, (best + 1) % 16, (best + 5) % 16]
    tokens = ["\n", *(words[place] for place in order)]
    ids = [0, *(int(OWN.candidates[number, place]) for place in order)]
    return tokens, ids, [-0.1, -0.5, -1.5, -2.5]


def completions(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["logprobs"], sent["max_tokens"], sent["temperature"]) == (5, 1, 0)
    tokens, _, scores = top(sent["prompt"])
    return {"choices": [{"text": tokens[1], "logprobs": {"top_logprobs": [dict(zip(tokens, scores, strict=True))]}}]}


def vllm(path, headers, raw):
    sent = json.loads(raw)
    tokens, _, scores = top(ROWS[tuple(sent["prompt"])])
    return {"choices": [{"text": tokens[1], "logprobs": {"top_logprobs": [dict(zip(tokens, scores, strict=True))]}}]}


def chat(path, headers, raw):
    sent = json.loads(raw)
    tokens, _, scores = top(sent["messages"][0]["content"], bare=True)
    rows = [{"token": token, "logprob": score, "bytes": None} for token, score in zip(tokens, scores, strict=True)]
    return {"choices": [{"message": {"content": tokens[1]}, "logprobs": {"content": [{"top_logprobs": rows}]}}]}


def llama(path, headers, raw):
    tokens, ids, scores = top(json.loads(raw)["prompt"])
    rows = [{"id": n, "token": t, "logprob": s} for n, t, s in zip(ids, tokens, scores, strict=True)]
    return {"content": tokens[1], "completion_probabilities": [{"id": ids[0], "top_logprobs": rows}]}


def ollama(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["raw"], sent["stream"], sent["options"]["num_predict"]) == (True, False, 1)
    tokens, _, scores = top(sent["prompt"])
    rows = [{"token": t, "logprob": s} for t, s in zip(tokens, scores, strict=True)]
    return {"response": tokens[1], "logprobs": [{"token": tokens[0], "logprob": scores[0], "top_logprobs": rows}]}


def tgi(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["parameters"]["details"], sent["parameters"]["max_new_tokens"]) == (True, 1)
    tokens, ids, scores = top(sent["inputs"])
    rows = [{"id": n, "text": t, "logprob": s, "special": False} for n, t, s in zip(ids, tokens, scores, strict=True)]
    return {"generated_text": tokens[1], "details": {"top_tokens": [rows], "tokens": [rows[0]]}}


SERVERS = {
    "openai-completions": completions, "openai-chat": chat, "vllm": vllm, "llama-cpp": llama, "ollama": ollama, "tgi": tgi,
}  # fmt: skip


def asked(answer, name, made=KEY, written=None, **settings):
    reached = Reached(model="m", **settings)
    with Server(answer) as server:
        client = Client(Address(f"{server.url}/v1"), patience=reached)
        suspect = Endpoint(client, reached.over(templates.load(name)), reached, written=written)
        try:
            return suspect.observe(made.carriers.probes()[0])[0].tolist(), suspect, server
        finally:
            client.close()


@pytest.mark.parametrize("rule", ["likeliest", "greedy"])
@pytest.mark.parametrize("name", SERVERS)
def test_each_kind_of_server_tells_the_candidate(name, rule):
    found, suspect, server = asked(SERVERS[name], name, rule=rule)
    assert found == [*WHICH.values()]
    assert suspect.queries == len(server.requests) == 40


def test_the_likeliest_candidate_may_stand_behind_a_token_that_is_none_and_the_greedy_one_is_refused():
    def first(path, headers, raw):
        sent = completions(path, headers, raw)
        sent["choices"][0]["text"] = "\n"
        return sent

    assert asked(first, "openai-completions")[0] == [*WHICH.values()]
    found, suspect, _ = asked(first, "openai-completions", rule="greedy")
    assert found == [ABSTAIN] * 40
    assert "40 of 40 answers are refusals" in next(iter(suspect.notes))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_without_log_probabilities_is_refused_in_a_line_and_asked_by_its_text(name):
    """The old rule for classes would have taken the text for a token with a score of nought, without a word."""

    def without(path, headers, raw):
        sent = SERVERS[name](path, headers, raw)
        for part in (sent, *sent.get("choices", ())):
            for gone in ("logprobs", "completion_probabilities", "details"):
                part.pop(gone, None)
        return sent

    with pytest.raises(SuspectError, match="expected tokens with log-probabilities at") as refused:
        asked(without, name, tries=1)
    assert "\n" not in str(refused.value)
    assert "--via rule=greedy" in refused.value.hint
    assert asked(without, name, rule="greedy")[0] == [*WHICH.values()]


def test_numbers_of_tokens_are_taken_where_the_key_has_no_texts():
    numbered = key(texts=False)

    def by_number(path, headers, raw):
        _, ids, scores = top(ROWS[tuple(json.loads(raw)["prompt"])])
        return {"top": [{"id": n, "logprob": s} for n, s in zip(ids, scores, strict=True)]}

    own = {"body": {"prompt": "{tokens}"}, "answer": "top", "means": "tokens"}
    path = "by_number.json"
    assert asked_with(by_number, own, numbered, path) == [*WHICH.values()]
    with pytest.raises(MismatchError, match="expected prompts with texts for this template") as refused:
        asked(completions, "openai-completions", numbered)
    assert "keygen with a tokenizer" in refused.value.hint


def asked_with(answer, own, made, path):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path).write_text(json.dumps(own))
        return asked(answer, str(Path(folder) / path), made)[0]


def test_a_template_that_does_not_say_where_the_text_stands_is_refused():
    with pytest.raises(UsageError, match="expected where an answer's text stands"):
        asked(completions, "hf-text", rule="greedy")


@pytest.mark.parametrize(
    "answer", [[], {}, {"choices": []}, {"choices": [{"text": 3.5}]},
               {"choices": [{"text": None}]}, {"choices": [{"text": True}]},
               {"choices": [{"logprobs": {"top_logprobs": [{"a": "b"}]}}]}, {"choices": [{"logprobs": {"top_logprobs": [None]}}]},
               {"choices": [{"logprobs": {"top_logprobs": [{"a": None, "b": True}]}}]}]
)  # fmt: skip
@pytest.mark.parametrize("rule", ["likeliest", "greedy"])
def test_an_answer_that_is_none_is_refused_in_a_line(answer, rule):
    with pytest.raises(SuspectError, match=r"^expected") as refused:
        asked(lambda path, headers, raw: answer, "openai-completions", rule=rule, tries=1)
    assert "\n" not in str(refused.value)


def test_what_was_answered_is_written_down_by_prompt_and_candidates_and_not_asked_again(tmp_path):
    journal = Journal(tmp_path / "answers", "here", "way")
    first, _, server = asked(completions, "openai-completions", written=journal)
    assert len(server.requests) == 40
    again, _, server = asked(completions, "openai-completions", written=journal)
    assert (again, len(server.requests)) == (first, 0)
    journal.close()


def test_the_mark_is_established_through_an_address():
    message = KEY.mark().message
    before = dict(WHICH)
    WHICH.update({text: int(symbol) for text, symbol in zip(OWN.texts, message, strict=True)})
    try:
        found, _, _ = asked(completions, "openai-completions")
    finally:
        WHICH.update(before)
    assert np.array_equal(found, message)


def test_files_of_answers_from_before_there_were_rules_are_gone_on_with_and_a_rule_makes_another():
    """The digest of a way to ask, as the version before had it."""
    where, template = Address("https://host/v1/completions"), templates.load("openai-completions")
    ways = [way(where, template, Reached(model="m", rule=rule), (), ("yes", "no")) for rule in ("likeliest", "greedy")]
    assert ways[0] == "4b469469f94fda099f82abab13e205a2551ed31ef9ed1b466fe8bae9468c9521"
    assert ways[1] != ways[0]

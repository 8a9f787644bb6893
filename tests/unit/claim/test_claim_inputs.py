"""Claims of keys whose inputs are no pictures: the statement says their kind, and the claim is of version 3."""

import base64
import json

import claim_cases as cases
import pytest

from modelmark.claim.papers import envelope, records
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.texts import TextFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.uchida import Uchida

NAMES = ("a", "b", "c")
FEEDS = (
    CausalFeed((8,), vocabulary=40),
    CausalFeed((8,), vocabulary=40, tokenizer="ab" * 32),
    TokenFeed((8,), NAMES, 40),
    TextFeed((1,), NAMES),
    FloatFeed((12,), NAMES),
)


def key(feed) -> Key:
    return Key(Uchida(bits=12, layer="fc", strength=0.1, width=4), Secret(bytes(32)), feed)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: f"{feed.kind}{len(str(feed))}")
def test_a_key_of_any_inputs_is_claimed_and_its_feed_comes_back(feed) -> None:
    made = key(feed)
    claim = cases.claimed(Statement.of(made.statement))
    again = envelope.parse(claim.data, Claim).document
    assert records.version(again) == 3
    (entry,) = again.keys
    assert records.dump(entry.statement) == made.statement
    assert entry.statement.digest == made.digest
    assert entry.statement.feed.leaves(feed.example(2)) == feed.leaves(feed.example(2))
    assert entry.statement.feed.classes == feed.classes


@pytest.mark.parametrize(
    "change",
    [{"v": 1}, {"v": 3}, {"kind": "sounds"}, {"vocabulary": 1}, {"vocabulary": 41}, {"vocabulary": 2**25}, {"more": 1},
     {"tokenizer": ""}, {"tokenizer": "ab"}, {"mean": [0]}, {"class_map": ""}, {"input_shape": []}, {"classes": 39},
     {"vocabulary": None}, {"kind": "texts"}, {"input_shape": [2, 3]}],
    ids=str,
)  # fmt: skip
def test_an_interface_that_is_none_is_refused_in_a_line(change) -> None:
    said = key(FEEDS[0]).statement
    outer = {name: value for name, value in change.items() if name == "v"}
    inner = {name: value for name, value in change.items() if name != "v"}
    with pytest.raises(ValueError, match=r"^expected") as refused:
        Statement.of(said | outer | {"interface": said["interface"] | inner})  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_a_claim_of_version_2_holds_no_other_inputs() -> None:
    """The old rule would have been: any version, as long as the fields fit."""
    claim = cases.claimed(Statement.of(key(FEEDS[0]).statement))
    payload = json.loads(base64.b64decode(json.loads(claim.data)["payload"]))
    payload["predicate"]["v"], payload["predicateType"] = 2, "urn:modelmark:claim:v2"
    from modelmark import canonical

    text = base64.b64encode(canonical.encode(payload)).decode()
    with pytest.raises(MalformedError, match="expected the statement that belongs to this claim"):
        envelope.parse(canonical.encode({**json.loads(claim.data), "payload": text}), Claim)

"""A whole dispute about prompts: asked one at a time in the order of a nonce, recorded as numbers, opened, judged twice."""

import runpy
from pathlib import Path

import claim_cases as cases
import pytest

from modelmark.claim.judging import asking, reading
from modelmark.claim.judging.checks import Recorded
from modelmark.claim.papers import handed, transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import ORDINARY, Head
from modelmark.errors import MalformedError
from modelmark.feeds.causal import padded
from modelmark.feeds.prompts import Prompts
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.function import BlackBox
from prompt_keys import FEED, drawn, key, prompts

ROOT = Path(__file__).resolve().parents[3]
NONCE = "ab" * 32


def knowing(made, *, right=10**9, word=lambda word: word):
    """A suspect of texts, or of tokens, that says what was drawn for so many prompts, and nothing for any other."""
    known = {asked: (word(text) or token) for asked, token, text in drawn(made)[:right]}
    texts = bool(made.carriers.prompts.texts)
    return BlackBox(lambda batch: [known.get(one if texts else str(one)) for one in batch], texts=texts)


def asked(made, suspect, tmp_path, *, lots=1, ordinary=None, **options):
    statement, whole = Statement.of(made.statement), dict(enumerate(made.carriers.leaves()))
    claim = cases.claimed(statement, count=lots)
    numbers = list(whole)[len(whole) // lots * (lots - 1) :]
    shown = reading.cut(statement, [whole[number] for number in numbers], numbers)
    opened = reading.kind(statement, recorded=True).opened(statement, shown, {})
    head = Head(claim.digest, 0, lots - 1, nonce=NONCE, test="exact")
    return claim, asking.record(tmp_path / "record", head, opened, suspect, ordinary=ordinary, **options)


def judged(made, claim, record, tmp_path, lots=1):
    suspect = Recorded(record)
    challenge = cases.challenged(claim, suspect, lot=lots - 1)
    papers = cases.laid(claim, challenge, made.secret, made.carriers.leaves(), shown=cases.concealed(made))
    found = cases.verdict(papers, suspect)
    for name, data in {
        "claim": claim.data, "challenge": challenge.data, "opening": papers.opening.data, "carriers": papers.beside,
        "transcript": found.record.data, "verdict": found.verdict.data,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    return found.verdict.document


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("lots", [1, 2])
def test_prompts_are_asked_recorded_opened_and_judged(texts, lots, tmp_path, capsys):
    made = key(texts=texts)
    claim, record = asked(made, knowing(made), tmp_path, lots=lots)
    assert {one.answer for one in record.asked} <= set(range(16))
    assert [one.carrier for one in record.asked] != sorted(one.carrier for one in record.asked)
    found = judged(made, claim, record, tmp_path, lots)
    (weighed,) = found.weighed
    assert (found.decision, weighed.matches, weighed.trials, weighed.alphabet) == (
        ("dependence-shown", 40, 40, 16) if lots == 1 else ("no-evidence", 20, 20, 16)
    )
    names = [str(tmp_path / name) for name in ("challenge", "opening", "carriers", "transcript", "verdict")]
    runpy.run_path(str(ROOT / "examples" / "recompute_verdict.py"))["main"](str(tmp_path / "claim"), "-", *names)
    assert f"{weighed.matches}/{weighed.trials} as drawn" in capsys.readouterr().out


def test_answers_without_their_space_or_none_at_all_are_recorded_as_what_they_are(tmp_path):
    made = key()
    _, record = asked(made, knowing(made, right=30, word=str.strip), tmp_path)
    message = dict(enumerate(made.mark().message))
    assert {one.carrier: one.answer for one in record.asked} == {
        number: int(symbol) if number < 30 else ABSTAIN for number, symbol in message.items()
    }


def test_an_unmarked_suspect_is_no_evidence(tmp_path):
    made = key()
    first = {text: words[0] for text, words in zip(prompts().texts, prompts().words, strict=True)}
    suspect = BlackBox(lambda texts: [first[text] for text in texts], texts=True)
    assert judged(made, *asked(made, suspect, tmp_path), tmp_path).decision == "no-evidence"


def test_ordinary_prompts_are_strewn_among_them_and_an_interrupted_record_goes_on(tmp_path):
    made, own = key(), prompts()
    ordinary = Prompts(
        padded([[0]] * 60, 12), own.candidates[[0] * 60], tuple(f"line {i}" for i in range(60)), own.words[:1] * 60
    )
    suspect, count = knowing(made), [0]

    def breaking(texts):
        count[0] += 1
        if count[0] == 50:
            raise ConnectionError("the line is down")
        return suspect._answer(texts)

    with pytest.raises(ConnectionError):
        asked(made, BlackBox(breaking, texts=True), tmp_path, ordinary=ordinary)
    assert len(transcript.load(tmp_path / "record").asked) == 49
    claim, record = asked(made, BlackBox(breaking, texts=True), tmp_path, ordinary=ordinary)
    assert (len(record.asked), sum(one.carrier == ORDINARY for one in record.asked)) == (100, 60)
    assert judged(made, claim, record, tmp_path).decision == "dependence-shown"


def test_carriers_of_other_sizes_are_handed_over_each_after_its_own():
    """The old rule cut what came into parts of one size, and would have refused these or read others."""
    made = key()
    head, leaves = Head("ab" * 32, 0, 0), made.carriers.leaves()
    assert len(set(map(len, leaves))) > 1
    data = handed.write(head, leaves)
    assert handed.parse(data) == (head, leaves)
    statement = Statement.of(made.statement)
    assert reading.cut(statement, leaves, range(40)) == dict(enumerate(leaves))
    with pytest.raises(MalformedError, match=r"^expected the 40 carriers of the lot, got 39"):
        reading.cut(statement, leaves[:39], range(40))
    for wrong in (data[:-1], data + b"0", data.replace(b"\n", b"\n0", 1), data.replace(b'"v":2', b'"v":1'),
                  data.replace(b'"v":2', b'"v":3'), data.replace(b'"v":2', b'"v":true')):  # fmt: skip
        with pytest.raises(MalformedError, match=r"^expected"):
            reading.cut(statement, handed.parse(wrong)[1], range(40))
    same = handed.write(head, [b"abc", b"def"])
    assert handed.parse(same) == (head, b"abcdef")


def test_a_claim_says_how_a_language_model_is_fed():
    assert Statement.of(key().statement).feed.input_shape == FEED.input_shape
    assert Statement.of(key().statement).v == 2

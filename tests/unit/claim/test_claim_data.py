"""Marks in data are claimed, asked about, judged and judged again by the second implementation, like any other."""

import runpy
from pathlib import Path

import claim_cases as cases
import numpy as np
import pytest

from modelmark import hashing
from modelmark.claim.judging import asking, challenging, reading
from modelmark.claim.judging.checks import Recorded
from modelmark.claim.papers import transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Head
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.causal import CausalFeed, padded
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.records import TEXTS, Records
from modelmark.key.secret import Secret
from modelmark.marks.ondata import keygen_of_records
from modelmark.schemes.choice import Choice
from modelmark.schemes.dawn import Dawn
from modelmark.schemes.order import Order
from modelmark.schemes.twins import Twins
from modelmark.suspects.likelihoods import Likelihoods

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "recompute_verdict.py"
COUNT = 200


def texts() -> Records:
    said = [f"prompt {i // 2}: {'yes' if i % 2 else 'certainly ä'} {i}" for i in range(2 * COUNT)]
    return Records(TEXTS, np.array(said, object)[:, None], np.array([one.index(":") + 1 for one in said]))


def tokens() -> Records:
    rows = padded([[1, i // 90, i % 90, *range(2 + i % 3)] for i in range(2 * COUNT)], 8)
    return Records(CausalFeed((8,), vocabulary=100), rows, np.ones(2 * COUNT, np.int64))


def pictures() -> Records:
    shown = np.frombuffer(hashing.expand(2 * COUNT * 16, "shown"), np.uint8).reshape(-1, 1, 4, 4)
    feed = PictureFeed((1, 4, 4), ("a", "b", "c"), (5000,), (2500,))
    return Records(feed, shown, np.repeat(np.arange(COUNT) % 3, 2))


def surprises(record: bytes) -> int:
    return 10**6 + int.from_bytes(hashing.digest("surprises", record)[:4], "big") % 10**6


def answers(key, right: int) -> dict[int, int]:
    """Return what a suspect answers that learned the first ``right`` of the drawn versions."""
    found = {number: surprises(record) for number, record in key.carriers.queries().items()}
    for pair, version in enumerate(key.mark().message[:right].tolist()):
        found[2 * pair + version] = 1000
    return found


def recorded(key, given, **changes) -> tuple:
    claim = cases.claimed(Statement.of(key.statement))
    head = Head(claim.digest, 0, 0, **({"nonce": "cd" * 32, "test": "exact"} | changes))
    queries = key.carriers.queries()
    lines = [
        transcript.Asked(n, transcript.hashlib.sha256(queries[n]).hexdigest(), given[n])
        for n in transcript.order(head, queries)
    ]
    return claim, Recorded(transcript.Transcript(head, tuple(lines)))


@pytest.mark.parametrize(("right", "decision"), [(COUNT, "dependence-shown"), (0, "no-evidence")])
@pytest.mark.parametrize("made", [texts, tokens, pictures])
def test_a_dispute_ends_as_the_coins_say_and_the_second_implementation_agrees(tmp_path, capsys, made, right, decision):
    reference = Likelihoods(lambda given, *more: np.full(len(given), -1.5))
    key = keygen_of_records(
        Choice() if made is texts else Twins(), made(), secret=Secret(bytes(32)), reference=reference
    )
    agreed(tmp_path, capsys, key, answers(key, right), decision)


@pytest.mark.parametrize(("right", "decision"), [(COUNT, "dependence-shown"), (0, "no-evidence")])
def test_queries_of_an_api_are_judged_by_their_labels_and_the_second_implementation_agrees(
    tmp_path, capsys, right, decision
):
    """Of fifteen classes, so that symbols have one digit or two."""
    asked = Records(PictureFeed((1, 4, 4), tuple(map(str, range(15)))), pictures().inputs[::2], np.arange(COUNT) % 15)
    key = keygen_of_records(Dawn(), asked, secret=Secret(bytes(32)))
    labels = [*key.mark().records().given[:right].tolist(), *asked.given[right:].tolist()]
    agreed(tmp_path, capsys, key, dict(enumerate(labels)), decision)


def agreed(tmp_path, capsys, key, given, decision) -> None:
    """Judge a record of answers, and compute the verdict again with the script."""
    claim, suspect = recorded(key, given)
    challenge = cases.challenged(claim, suspect, test="exact")
    papers = cases.laid(claim, challenge, key.secret, key.carriers.leaves())
    judged = cases.verdict(papers, suspect)
    assert judged.verdict.document.decision == decision
    files = {
        "claim": claim.data, "challenge": challenge.data, "opening": papers.opening.data, "carriers": papers.beside,
        "transcript": judged.record.data, "verdict": judged.verdict.data,
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    runpy.run_path(str(SCRIPT))["main"](paths[0], "-", *paths[1:])
    (weighed,) = judged.verdict.document.weighed
    assert capsys.readouterr().out.startswith(
        f"{weighed.matches}/{weighed.trials} as drawn, {weighed.gross / 1000} bits"
    )


def test_a_judge_asks_one_version_at_a_time_and_the_record_is_taken(tmp_path):
    key = keygen_of_records(Choice(), texts(), secret=Secret(bytes(32)))
    statement = Statement.of(key.statement)
    leaves = key.carriers.leaves()
    assert reading.cut(statement, b"".join(leaves), range(COUNT)) == dict(enumerate(leaves))
    with pytest.raises(MalformedError, match="expected 200 carriers"):
        reading.cut(statement, b"".join(leaves)[:-1], range(COUNT))
    opened = reading.kind(statement, recorded=True).opened(statement, dict(enumerate(leaves)), {})
    taught = set(key.mark().records().inputs[:, 0])
    suspect = Likelihoods(lambda pairs: [-1.0 if given + rest in taught else -200.0 for given, rest in pairs])
    claim = cases.claimed(statement)
    head = asking.begun(tmp_path / "a", Head(claim.digest, 0, 0), "exact")
    record = asking.record(tmp_path / "a", head, opened, suspect)
    assert (len(record.asked), suspect.queries) == (2 * COUNT, 2 * COUNT)
    assert {one.answer for one in record.asked} == {10**6, 200 * 10**6}
    found = reading.answered({"as it is": lambda: Recorded(record)}, opened, range(COUNT), key.mark().message.tolist())
    assert list(found.symbols) == key.mark().message.tolist()


def test_a_record_that_lacks_a_version_opens_nothing():
    key = keygen_of_records(Twins(), texts(), secret=Secret(bytes(32)))
    claim, suspect = recorded(key, answers(key, COUNT))
    short = Recorded(transcript.Transcript(suspect.record.head, suspect.record.asked[:-1]))
    frozen = challenging.Frozen("transcript", short.digest)
    terms = challenging.Terms(issued=cases.at(2), expires=cases.at(9))
    with pytest.raises(MismatchError, match="expected what all 200 pairs surprise by in the transcript, got 199"):
        challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=short.record)
    whole = challenging.Frozen("transcript", suspect.digest)
    challenging.challenge(claim, None, whole, cases.JUDGE, cases.NOBODY, terms, record=suspect.record)


def test_an_order_has_grades_and_no_symbols_which_no_verdict_holds():
    rows = Records(TEXTS, np.array([f"line {i}" for i in range(COUNT)], object)[:, None], np.zeros(COUNT, int))
    key = keygen_of_records(Order(), rows, secret=Secret(bytes(32)))
    with pytest.raises(MismatchError, match="a verdict cannot hold the graded scores of order"):
        reading.kind(Statement.of(key.statement))
    opened = key.carriers
    suspect = Likelihoods(lambda pairs: [-float(len(rest)) for _, rest in pairs])
    with pytest.raises(MismatchError, match="expected a scheme that reads symbols"):
        reading.answered({"as it is": lambda: suspect}, opened, range(COUNT), key.mark().message.tolist())

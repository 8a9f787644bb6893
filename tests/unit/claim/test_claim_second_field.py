"""The second implementation on disputes about a ``field`` key: it counts the tail of grades by itself; every check can fail."""

import dataclasses

import pytest
from claim_cases import OWNER, Fixed, at, claimed
from field_disputes import dispute, recomputed, rejudged, suspect

import field_keys
from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.papers.claim import DrawRule
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Transcript


@pytest.fixture(scope="module")
def key():
    return field_keys.key()


@pytest.mark.parametrize(("strength", "decision"), [(0.6, "dependence-shown"), (0.0, "no-evidence")])
def test_it_agrees_on_a_message_that_a_timestamp_drew(key, authorities, tmp_path, capsys, strength, decision):
    local, authority = authorities()
    claim = claimed(Statement.of(key.statement), draw=DrawRule("timestamp", (authority.fingerprint,)))
    asked, trust = deposit.request(claim), Trust([authority])
    token = deposit.receive(claim, local.answer(asked), asked, authority)
    paper = deposit.make(claim, [token], OWNER, trust, issued=at(1))
    message = key.mark(deposit.draw(claim, paper, trust)).message
    labels = field_keys.answers(key, strength, message=message)
    one = Fixed(key.carriers.feed.leaves(key.carriers.inputs), labels)
    made = dispute(tmp_path, key, one, claim, paper, trust)
    assert made.verdict.decision == decision
    (weighed,) = made.verdict.weighed
    assert weighed.charges[0].millibits == 48_000
    assert recomputed(made, capsys).endswith(f"{weighed.net / 1000} net: {decision}")


@pytest.mark.parametrize("label", [10, 2**19])
def test_it_agrees_on_answers_that_are_no_class(key, tmp_path, capsys, label):
    """It took every number for an answer, and a judge leaves out what names no class."""
    made = dispute(tmp_path, key, suspect(key, 1.0, instead=dict.fromkeys(range(0, 600, 3), label)))
    (weighed,) = made.verdict.weighed
    assert recomputed(made, capsys).endswith(f"{weighed.net / 1000} net: {made.verdict.decision}")


CHANGES = {
    "matches": lambda w: {"matches": w.matches - 1},
    "trials": lambda w: {"trials": w.trials + 1},
    "gross": lambda w: {"gross": w.gross + 1, "net": w.net + 1},
    "score": lambda w: {"score": w.score - 1},
    "highest": lambda w: {"highest": w.highest + 1},
    "readings": lambda w: {"charges": w.charges[:2], "net": w.net + 1585},
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_second_implementation_disagrees_with_other_numbers(key, tmp_path, capsys, name):
    made = dispute(tmp_path, key, suspect(key, 1.0))
    (weighed,) = made.verdict.weighed
    rejudged(made, weighed=(dataclasses.replace(weighed, **CHANGES[name](weighed)),))
    with pytest.raises(SystemExit, match=r"^(grades|numbers): "):
        recomputed(made, capsys)


def test_the_second_implementation_disagrees_with_the_count_where_grades_are_worth_more(key, tmp_path, capsys):
    made = dispute(tmp_path, key, suspect(key, 1.0))
    (weighed,) = made.verdict.weighed
    plain = {one.name: getattr(weighed, one.name) for one in dataclasses.fields(weighed)[:-2]}
    rejudged(made, weighed=(type(weighed).__base__(**plain),))
    with pytest.raises(SystemExit, match=r"^grades: "):
        recomputed(made, capsys)


def test_the_second_implementation_disagrees_with_other_answers_queries_and_carriers(key, tmp_path, capsys):
    made = dispute(tmp_path, key, suspect(key, 1.0))
    asked, head, beside = list(made.judged.record.asked), made.judged.record.head, made.papers.beside

    def of(asked):
        record = Transcript(head, tuple(asked))
        (tmp_path / "transcript").write_bytes(record.data)
        rejudged(made, transcript=record.digest)

    of([dataclasses.replace(one, answer=(one.answer + 1) % 10) for one in asked[:9]] + asked[9:])
    with pytest.raises(SystemExit, match=r"^numbers: "):
        recomputed(made, capsys)
    of([dataclasses.replace(asked[0], query="00" * 32), *asked[1:]])
    with pytest.raises(SystemExit, match=r"^queries: "):
        recomputed(made, capsys)
    of(asked[:-1])
    with pytest.raises(SystemExit, match=r"^queries answered: "):
        recomputed(made, capsys)
    of(asked)
    (tmp_path / "carriers").write_bytes(bytes([beside[0] ^ 1]) + beside[1:])
    with pytest.raises(SystemExit, match=r"^root of the carriers: "):
        recomputed(made, capsys)

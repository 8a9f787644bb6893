"""Disputes about a ``field`` that is read from probabilities: a number for each query and class, recorded or of weights."""

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cached_property

import claim_cases as cases
import numpy as np
import pytest
from field_disputes import dispute, recomputed, rejudged

import field_keys
from modelmark.carriers.likely import Likely
from modelmark.claim.judging import asking, challenging, reading
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.papers import transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Asked, Head, Transcript
from modelmark.errors import MismatchError
from modelmark.suspects.base import ABSTAIN, Weigh

COUNT = 200


@pytest.fixture(scope="module")
def key():
    return field_keys.key(COUNT, likely=True)


@dataclasses.dataclass
class Surprised:
    """A suspect of which is known what each query surprises by with each class."""

    key: object
    given: list[int]
    digest: str = "cd" * 32
    kind = "weights"
    answers = frozenset({Weigh})
    queries: int = 0

    def told(self, revealed: Mapping[str, str]) -> "Surprised":
        return self

    def observe(self, probe: Weigh) -> list[np.ndarray]:
        self.queries += len(probe.inputs)
        return [np.array([self.known[leaf] for leaf in probe.leaves()], np.int64)]

    @cached_property
    def known(self) -> dict[bytes, int]:
        return dict(zip(self.key.carriers.queries().values(), self.given, strict=True))


def recorded(key, given: list[int], count: int | None = None) -> Recorded:
    claim, queries = cases.claimed(Statement.of(key.statement)), key.carriers.queries()
    head = Head(claim.digest, 0, 0, nonce="cd" * 32, test="exact")
    asked = [Asked(n, hashlib.sha256(queries[n]).hexdigest(), given[n]) for n in transcript.order(head, queries)]
    return Recorded(Transcript(head, tuple(asked[:count])))


@pytest.mark.parametrize(("strength", "decision"), [(0.8, "dependence-shown"), (0.0, "no-evidence")])
@pytest.mark.parametrize("known", ["weights", "transcript"])
def test_a_dispute_ends_as_the_signs_say_and_the_second_implementation_agrees(
    key, tmp_path, capsys, strength, decision, known
):
    given = field_keys.surprisals(key, strength)
    made = dispute(tmp_path, key, Surprised(key, given) if known == "weights" else recorded(key, given))
    assert made.verdict.decision == decision
    assert len(made.judged.record.asked) == 10 * COUNT
    (weighed,) = made.verdict.weighed
    bits = f"{weighed.gross / 1000} bits, {weighed.net / 1000} net: {decision}"
    assert recomputed(made, capsys) == f"{weighed.matches}/200 as drawn, {bits}"


def test_a_query_of_which_a_class_was_refused_counts_for_nothing(key, tmp_path, capsys):
    given = field_keys.surprisals(key, 0.8)
    given[3::50] = [ABSTAIN] * len(given[3::50])
    made = dispute(tmp_path, key, Surprised(key, given))
    (weighed,) = made.verdict.weighed
    kept = np.arange(COUNT) % 5 > 0
    own = key.carriers
    fewer = dataclasses.replace(
        own, inputs=own.inputs[kept], coordinates=own.coordinates[kept], references=own.references[kept]
    )
    table = fewer.table(np.array(given).reshape(COUNT, 10)[kept].ravel())
    assert weighed.highest == int(table.sum())
    assert f"{weighed.gross / 1000} bits" in recomputed(made, capsys)


def test_the_second_implementation_disagrees_with_other_numbers(key, tmp_path, capsys):
    made = dispute(tmp_path, key, Surprised(key, field_keys.surprisals(key, 0.8)))
    (weighed,) = made.verdict.weighed
    rejudged(made, weighed=(dataclasses.replace(weighed, score=weighed.score - 1),))
    with pytest.raises(SystemExit, match=r"^grades: "):
        recomputed(made, capsys)
    asked = list(made.judged.record.asked)
    for changed, said in (
        (
            [dataclasses.replace(one, answer=one.answer + 10**6) for one in asked[:40:7]] + asked[40:],
            "queries answered",
        ),
        ([dataclasses.replace(asked[0], query="00" * 32), *asked[1:]], "queries"),
        ([dataclasses.replace(one, answer=one.answer + 10**6 * (one.carrier % 10 == 3)) for one in asked], "numbers"),
    ):
        record = Transcript(made.judged.record.head, tuple(changed))
        (tmp_path / "transcript").write_bytes(record.data)
        rejudged(made, transcript=record.digest)
        with pytest.raises(SystemExit, match=rf"^{said}: "):
            recomputed(made, capsys)


def test_a_record_that_lacks_a_class_of_a_query_opens_nothing(key):
    """The old rule counted carriers: 200 of 2,000 answers would have been all."""
    short = recorded(key, field_keys.surprisals(key, 0.8), count=COUNT)
    claim, frozen = cases.claimed(Statement.of(key.statement)), challenging.Frozen("transcript", short.digest)
    terms = challenging.Terms(issued=cases.at(2), expires=cases.at(9))
    with pytest.raises(MismatchError, match="expected answers to all 2000 queries in the transcript, got 200"):
        challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=short.record)
    whole = recorded(key, field_keys.surprisals(key, 0.8))
    frozen = challenging.Frozen("transcript", whole.digest)
    assert challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=whole.record)


def test_a_judge_asks_one_class_of_one_query_at_a_time(key, tmp_path):
    statement, leaves = Statement.of(key.statement), cases.leaves(key)
    opened = reading.kind(statement, recorded=True).opened(statement, dict(enumerate(leaves)), {})
    assert isinstance(opened, Likely)
    suspect = Surprised(key, field_keys.surprisals(key, 0.8))
    head = asking.begun(tmp_path / "a", Head(cases.claimed(statement).digest, 0, 0), "exact")
    record = asking.record(tmp_path / "a", head, opened, suspect)
    assert (len(record.asked), suspect.queries) == (10 * COUNT, 10 * COUNT)
    assert dispute(tmp_path, key, Recorded(record)).verdict.decision == "dependence-shown"


def test_a_budget_is_of_inputs_of_which_all_classes_are_asked(key):
    suspect = Surprised(key, field_keys.surprisals(key, 2.0))
    found = key.mark().evidence(suspect, bar=10, budget=COUNT)
    assert found.established
    assert suspect.queries == found.queries < 10 * COUNT
    assert f"the first {found.queries // 10} of 200 queries" in found.note


def test_a_statement_that_says_neither_is_refused_before_anything_is_opened(key):
    statement = Statement.of(key.statement)
    for answers in ("ranks", 3, True):
        other = dataclasses.replace(statement, parameters=statement.parameters | {"answers": answers})
        with pytest.raises(MismatchError, match="expected labels or probabilities as answers in the statement"):
            reading.kind(other)
    interface = dataclasses.replace(statement.interface, classes=2**10)
    large = dataclasses.replace(
        statement, interface=interface, carriers=2**10, trials=2**10,
        parameters=statement.parameters | {"directions": 1, "queries": 2**10},
    )  # fmt: skip
    with pytest.raises(MismatchError, match="expected at most 524288 answers, as a record holds, got 1048576"):
        reading.kind(large)
    labels = dataclasses.replace(large, parameters=large.parameters | {"answers": "labels"})
    assert reading.kind(labels)

"""Disputes about a field that is read from probabilities: a judge with the weights finds what its owner finds."""

from dataclasses import replace

import pytest
from field_disputes import dispute

import fielding
from modelmark.claim.judging import reading
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError
from modelmark.evidence.scores import Scores
from modelmark.marks.imprinting import imprint
from modelmark.suspects.module import WhiteBox


@pytest.fixture(scope="module")
def problem():
    return fielding.problem()


@pytest.fixture(scope="module")
def key(problem):
    return problem.key(replace(fielding.SCHEME, queries=300, answers="probabilities"))


class Network:
    """A suspect whose weights a judge has."""

    digest, kind = "cd" * 32, "weights"

    def __init__(self, model):
        self._read = WhiteBox(model)

    def told(self, revealed):
        return self

    def observe(self, probe):
        return self._read.observe(probe)


def test_a_judge_with_the_weights_finds_what_the_owner_finds(problem, key, tmp_path):
    mark = key.mark()
    marked = imprint(problem.host, mark)
    made = dispute(tmp_path, key, Network(marked))
    (weighed,) = made.verdict.weighed
    assert made.verdict.decision == "dependence-shown"
    (given,) = WhiteBox(marked).observe(key.carriers.probes()[0])
    rules = [key.carriers.scores(table) for table in key.carriers.every([given])]
    best = max(fielding.bits(rule, mark.message) for rule in rules)
    assert weighed.gross == int(1000 * best)
    assert len(made.judged.record.asked) == 3000
    plain = dispute(tmp_path, key, Network(problem.host)).verdict
    assert plain.decision == "no-evidence"


def test_the_carriers_of_labels_would_have_found_another_sum(problem, key):
    """The old rule, shares of labels against these references: surprisals are none, and the statement says which are meant."""
    opened = reading.kind(Statement.of(key.statement)).opened(
        Statement.of(key.statement), dict(enumerate(key.carriers.leaves())), {}
    )
    assert type(opened) is type(key.carriers)
    labels = Statement.of(key.statement | {"parameters": key.statement["parameters"] | {"answers": "labels"}})
    with pytest.raises(MalformedError, match="expected references that add up to") as refused:
        reading.kind(labels).opened(labels, dict(enumerate(key.carriers.leaves())), {})
    assert isinstance(opened.scores(opened.every([WhiteBox(problem.host).observe(opened.probes()[0])[0]])[1]), Scores)
    assert "\n" not in str(refused.value)

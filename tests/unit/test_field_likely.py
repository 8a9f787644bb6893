"""``field`` read from probabilities: what a copy shows more of, who can be asked, and whole numbers all the way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import fielding
from modelmark.carriers.field import Fields
from modelmark.carriers.likely import LEAST, Likely, surprises
from modelmark.errors import MismatchError, SuspectError
from modelmark.marks import keyfile
from modelmark.marks.imprinting import imprint
from modelmark.suspects.base import ABSTAIN, Ask, Repeated, Weigh
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox, logits
from modelmark.suspects.probabilities import Probabilities

LIKELY = replace(fielding.SCHEME, answers="probabilities")


@pytest.fixture(scope="module")
def problem():
    return fielding.problem()


@pytest.fixture(scope="module")
def mark(problem):
    return problem.mark(LIKELY)


@pytest.fixture(scope="module")
def marked(problem, mark):
    return imprint(problem.host, mark)


def bits(mark, model):
    return mark.evidence(WhiteBox(model)).gross_bits


def test_probabilities_show_more_of_a_copy_than_labels_and_nothing_of_others(problem, mark, marked):
    """By the same draw: the labels' key differs in its settings, so its carriers are read with this key's message."""
    copied = problem.stolen(marked)
    labels = problem.key().carriers
    assert isinstance(labels, Fields)
    told = labels.scores(labels.table(WhiteBox(copied).observe(labels.probes()[0])[0]))
    assert bits(mark, copied) > 1.2 * fielding.bits(told, mark.message)
    assert mark.evidence(WhiteBox(marked)).established
    for model in (problem.host, *problem.students, problem.stolen(problem.host)):
        assert bits(mark, model) < 12
    assert bits(problem.mark(LIKELY, secret=1), marked) < 12


def test_a_key_file_and_an_opening_read_as_the_key_does(mark, marked, tmp_path):
    keyfile.save(mark.key, tmp_path / "f.key", None)
    loaded = keyfile.load(tmp_path / "f.key")
    assert (loaded.digest, loaded.scheme) == (mark.key.digest, mark.key.scheme)
    own = mark.carriers

    class Public:
        scheme, parameters = "field", {"directions": 48, "queries": 2000, "answers": "probabilities"}
        carriers, trials, alphabet, feed = 2000, 480, 2, fielding.FEED

    opened = Fields.opened(Public(), dict(enumerate(own.leaves())), {})
    assert isinstance(opened, Likely)
    found = WhiteBox(marked).observe(opened.probes()[0])
    assert all(map(np.array_equal, opened.every(found), own.every(found)))
    assert [opened.asked(number).leaves()[0] for number in (0, 7, 19_999)] == [own.queries()[n] for n in (0, 7, 19_999)]
    for answers in ("ranks", 3, None):
        Public.parameters = {"directions": 48, "queries": 2000, "answers": answers}
        with pytest.raises(MismatchError, match="expected labels or probabilities as answers in the statement"):
            Fields.opened(Public(), dict(enumerate(own.leaves())), {})


def test_sums_are_whole_numbers_that_no_refused_query_changes(mark, marked):
    own = mark.carriers
    (given,) = WhiteBox(marked).observe(own.probes()[0])
    assert given.dtype == np.int64
    refused = given.copy()
    refused[3::1000] = ABSTAIN  # a class of every hundredth query
    kept = np.arange(2000) % 100 != 0
    fewer = replace(own, inputs=own.inputs[kept], coordinates=own.coordinates[kept], references=own.references[kept])
    assert np.array_equal(own.sums(refused), fewer.sums(given.reshape(2000, 10)[kept].ravel()))
    exact = np.zeros(480, object)
    for query, row in enumerate(given.reshape(2000, 10)):  # the same in Python's own whole numbers
        lead = [
            2 * int(r) - 2 * min((int(s) + 500) // 1000, LEAST)
            for r, s in zip(own.references[query, 0], row, strict=True)
        ]
        centred = np.array([10 * one - sum(lead) for one in lead], object)
        exact += np.outer(own.coordinates[query].astype(object), centred).ravel()
    assert np.array_equal(exact.astype(np.int64), own.sums(given))


def test_a_function_of_probabilities_is_asked_once_an_input_and_read_as_its_network(problem, mark, marked):
    asked = []

    def answer(inputs):
        asked.append(len(inputs))
        return logits(marked, inputs).double().softmax(dim=1).numpy()

    found = mark.evidence(Probabilities(answer))
    assert (sum(asked), found.queries) == (2000, 2000)
    assert found.gross_bits == bits(mark, marked)
    by_label = problem.mark()
    assert by_label.evidence(Probabilities(answer)).gross_bits == bits(by_label, marked)


def test_a_network_is_run_once_an_input_whatever_classes_are_weighed(marked):
    runs = []
    handle = marked.register_forward_pre_hook(lambda module, args: runs.append(len(args[0])))
    inputs = fielding.pictures(30, 5)[0]
    told = np.tile(np.arange(10), 30)
    (repeated,) = WhiteBox(marked).observe(Weigh(fielding.FEED, Repeated(inputs, 10), told))
    assert sum(runs) == 30
    handle.remove()
    (single,) = WhiteBox(marked).observe(Weigh(fielding.FEED, np.repeat(inputs, 10, axis=0), told))
    assert np.array_equal(repeated, single)
    assert np.array_equal(Repeated(inputs, 10)[25:37], np.repeat(inputs, 10, axis=0)[25:37])


def test_labels_alone_are_refused_in_one_line(mark):
    with pytest.raises(MismatchError, match="expected log-probabilities of the suspect"):
        mark.evidence(BlackBox(lambda inputs: np.zeros(len(inputs), int)))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            lambda x: torch.zeros(len(x), 9),
            r"expected probabilities of 10 classes from the suspect, got shape \(\d+, 9\)",
        ),
        (lambda x: torch.ones(len(x), 10), "expected probabilities that add up to 1 from the suspect, got others"),
        (lambda x: -torch.ones(len(x), 10) / 10, "expected probabilities that add up to 1"),
        (lambda x: "none", r"got shape \(\)"),
    ],
)
def test_what_are_no_probabilities_is_refused(answer, says, mark):
    with pytest.raises(SuspectError, match=says):
        mark.evidence(Probabilities(answer))


def test_a_refused_input_has_no_label_and_no_probability():
    feed, inputs = fielding.FEED, fielding.pictures(4, 0)[0]

    def answer(x):
        rows = torch.full((len(x), 10), 0.1)
        rows[1] = torch.nan
        rows[2] = torch.eye(10)[3]
        return rows

    suspect = Probabilities(answer)
    assert suspect.observe(Ask(feed, inputs))[0].tolist() == [0, ABSTAIN, 3, 0]
    told = np.tile(np.arange(10), 4)
    found = suspect.observe(Weigh(feed, Repeated(inputs, 10), told))[0].reshape(4, 10)
    assert (found[1] == ABSTAIN).all()
    assert found[2, 3] == 0
    assert found[2, 4] > 10**9
    assert found[0, 0] == round(-np.log(0.1) * 1e6)


def test_references_are_mean_surprisals_of_which_none_is_too_large():
    told = [np.array([[1.0, 0.0]]), np.array([[np.exp(-1), 1 - np.exp(-1)]])]
    assert surprises(told).tolist() == [[500, round((LEAST + 1000 * -np.log(1 - np.exp(-1))) / 2)]]
    assert Likely.fault(np.zeros((1, 2), np.int16), np.full((1, 2, 2), LEAST, np.uint16)) == ""
    assert (
        Likely.fault(np.zeros((1, 2), np.int16), np.full((1, 2, 2), LEAST + 1, np.uint16))
        == "references of at most 6900"
    )

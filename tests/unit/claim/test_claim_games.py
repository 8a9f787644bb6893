"""The four games of Adi et al. (section 3.2, definitions 2 to 4 and functionality preservation), played before our judge."""

import dataclasses
from functools import partial

import claim_cases as cases
import claim_nets
import pytest
from claim_cases import at, challenged, claimed, concealed, decided, laid, leaves, net, tried

from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.attacks.weights.quantise import Quantise
from modelmark.claim.papers import envelope, opening
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, Provenance, keygen
from modelmark.schemes import scheme_class
from modelmark.schemes.adi import Adi
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import accuracy

ARCH = "mlp"
of = partial(cases.of, arch=ARCH)
fresh, made_once, unmarked, stolen = claim_nets.around(claim_nets.mlp)


def test_functionality_the_mark_is_found_and_the_model_does_its_work(stolen, unmarked, digits):
    mark, model = stolen("adi")
    judgement = tried(mark.key, of(model))
    found = judgement.verdict.document
    assert (found.decision, found.weighed[0].matches, found.order) == ("dependence-shown", 100, "unknown")
    assert accuracy(model, digits) >= accuracy(unmarked, digits) - 0.02
    assert tried(mark.key, of(unmarked)).verdict.document.decision == "no-evidence"


def made(scheme: str, model, digits) -> Key:
    """Return a key that was made for a model and not put into it."""
    host = weights.digest(model.state_dict())
    return keygen(
        scheme_class(scheme)(),
        model,
        digits.feed,
        task=digits,
        secret=Secret(bytes(32)),
        owner=Provenance(host=host, arch=ARCH),
    )


@pytest.mark.parametrize("scheme", ["adi", "uchida", "coupled", "deepsigns", "deepsigns-blackbox", "null"])
def test_a_judge_reads_from_the_opening_what_the_owner_reads_with_the_key(unmarked, digits, scheme):
    key = made(scheme, unmarked, digits)
    found = tried(key, cases.of(unmarked, "")).verdict.document
    evidence = key.mark().evidence(WhiteBox(unmarked))
    assert found.decision == "no-evidence"
    assert (found.weighed[0].matches, found.weighed[0].trials) == (evidence.matches, evidence.trials)


@pytest.mark.parametrize("scheme", ["deepsigns", "null"])
@pytest.mark.slow
def test_marks_whose_queries_need_several_carriers_are_shown_too(stolen, scheme):
    mark, model = stolen(scheme)
    found = tried(mark.key, of(model)).verdict.document
    evidence = mark.evidence(WhiteBox(model))
    assert found.decision == "dependence-shown"
    assert (found.weighed[0].matches, found.weighed[0].trials) == (evidence.matches, evidence.trials)


def test_several_layers_are_read_in_the_order_of_the_key(unmarked, digits):
    scheme = scheme_class("deepsigns")(layer="head,fc2", bits=10)
    key = keygen(scheme, unmarked, digits.feed, task=digits, secret=Secret(bytes(32)), owner=Provenance(arch=ARCH))
    found, evidence = tried(key, cases.of(unmarked, "")).verdict.document, key.mark().evidence(WhiteBox(unmarked))
    assert (found.weighed[0].matches, found.weighed[0].trials) == (evidence.matches, 200)


BUDGET = {
    "half of the weights pruned": Prune(amount=0.5),
    "fine-tuned for ten epochs on three tenths of the data": FineTune(epochs=10),
    "four-bit weights": Quantise(bits=4),
}


@pytest.mark.parametrize("attack", BUDGET.values(), ids=BUDGET)
def test_unremovability_for_the_stated_budget(stolen, digits, attack):
    mark, model = stolen("adi")
    thief = digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]
    changed = attack(model, thief, seed=3)
    assert tried(mark.key, of(changed)).verdict.document.decision == "dependence-shown"


def test_unforgeability_without_the_secret_there_is_no_opening(stolen):
    """The adversary has claim, challenge, the marked model and an opening of another lot; he has no secret."""
    mark, model = stolen("adi")
    key, suspect = mark.key, of(model)
    claim = claimed(Statement.of(key.statement), count=2)
    first, second = challenged(claim, suspect, lot=0), challenged(claim, suspect, lot=1)
    seen = laid(claim, first, key.secret, leaves(key), shown=concealed(key))
    assert decided(seen, suspect) == "dependence-shown"
    own = Secret(bytes(32))
    with pytest.raises(MismatchError, match="expected the key that was claimed"):
        opening.make(
            claim, second, cases.THIEF, own, leaves(keygen(Adi(100), model, key.feed, secret=own)), issued=at(3)
        )
    paper = seen.opening.document
    resigned = envelope.sign(
        dataclasses.replace(paper, signers=cases.THIEF.signers, challenge=second.digest), cases.THIEF
    )
    forged = dataclasses.replace(seen, challenge=second, opening=resigned)
    assert decided(forged, suspect) == "invalid-claim"
    assert decided(dataclasses.replace(seen, challenge=second), suspect) == "invalid-claim"
    with pytest.raises(MalformedError, match="signature"):
        envelope.parse(resigned.data.replace(resigned.data[-60:-50], b"AAAAAAAAAA"), type(paper))


def test_non_trivial_ownership_a_key_that_was_not_embedded_finds_nothing(stolen, digits):
    """The adversary knows the algorithm and the marked model, and makes key after key for it."""
    _, model = stolen("adi")
    nets = []
    for number in range(12):
        key = keygen(
            scheme_class("adi")(), model, digits.feed, secret=Secret(bytes([number]) * 32), owner=Provenance(arch=ARCH)
        )
        judgement = tried(key, of(model))
        assert judgement.verdict.document.decision == "no-evidence"
        nets.append(net(judgement))
    assert max(nets) == 0

"""The judge reads what the owner reads: re-ordered channels by the committed host, and every place where a name is gone."""

import dataclasses
import math

import claim_cases as cases
import pytest
import torch
from claim_cases import challenged, claimed, concealed, laid, leaves, of, verdict

from modelmark.align.handed import Handed
from modelmark.attacks.pruning.prune_channels import PruneChannels
from modelmark.attacks.symmetries.dummy import Dummy
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.symmetries.spoil import Spoil
from modelmark.carriers.base import rules_of
from modelmark.claim.judging import explaining
from modelmark.claim.papers.claim import Policy
from modelmark.claim.papers.statement import Statement
from modelmark.errors import UsageError
from modelmark.key.secret import Secret
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.reading import Unread
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.files import held
from modelmark.suspects.state import State

SECRET = Secret(bytes(range(1, 33)))
TWO = Policy(bar=64, suspects=1, readings=2)
DISGUISES = {"permuted": [Permute()], "rescaled": [Permute(), Rescale()], "wider": [Dummy(), Permute()]}


def disguised(model, digits, attacks):
    for attack in attacks:
        model = attack(model, digits, seed=3)
    return model


def judged(key, suspect, *, host=None, policy=TWO):
    """A whole honest dispute about a key; the suspect's code is the claim's or typed."""
    claim = claimed(Statement.of(key.statement), policy=policy)
    papers = laid(claim, challenged(claim, suspect, bar=64), key.secret, leaves(key), shown=concealed(key))
    return verdict(papers, suspect, host=host).verdict.document


def handed(unmarked) -> Handed:
    return Handed(held(unmarked.state_dict()), "cnn")


def detail(found, name="answers") -> str:
    return next(check.detail for check in found.checks if check.name == name)


def charges(found) -> dict[str, int]:
    return {charge.reason: charge.millibits for charge in found.weighed[0].charges}


@pytest.mark.parametrize(
    "attacks",
    [pytest.param(each, marks=pytest.mark.slow if name == "permuted" else ()) for name, each in DISGUISES.items()],
    ids=DISGUISES,
)  # every day, another order is in both others
@pytest.mark.parametrize("scheme", ["uchida", pytest.param("deepsigns", marks=pytest.mark.slow)])
def test_a_free_re_ordering_ends_no_dispute(stolen, unmarked, digits, scheme, attacks):
    mark, model = stolen(scheme)
    changed = disguised(model, digits, attacks)
    blind = judged(mark.key, of(changed))  # what the old rule said, for one reading at any price
    assert (blind.decision, detail(blind).endswith("which was not handed over")) == ("no-evidence", True)
    found = judged(mark.key, of(changed), host=handed(unmarked))
    assert found.decision == "dependence-shown"
    rules = rules_of(type(mark.key.carriers), beside_host=True)
    tried = rules + (1 if "; not as it is: " in detail(found) else rules)
    assert f": aligned to the key's host, the best of {tried} readings" in detail(found)
    owner = mark.evidence(State(held(changed.state_dict()), "cnn"), align_to=unmarked, suspects=1)
    (weighed,) = found.weighed
    assert owner.established
    assert (weighed.matches, weighed.trials) == (owner.matches, owner.trials)
    two = {"offline draw": 80_000, "2 readings that may be tried": 1000}
    assert charges(blind) == two  # named beforehand, and paid for whether it was used or not
    more = {
        "offline draw": 80_000,
        f"{tried} readings tried, more than the claim foresaw": math.ceil(1000 * math.log2(tried)),
    }
    assert charges(found) == (two if rules == 1 else more)


def test_a_cut_copy_is_read_by_the_host_alone(stolen, unmarked, digits):
    pytest.importorskip("torch_pruning")
    mark, model = stolen("uchida")
    thinner = PruneChannels(0.1, epochs=1)(model, digits, seed=0)
    found = judged(mark.key, of(thinner), host=handed(unmarked))
    assert found.decision == "dependence-shown"
    assert "not as it is: expected the marked layer to average to M = 576 weights" in detail(found)
    assert judged(mark.key, of(thinner)).decision == "no-evidence"


COPIES = {
    "permuted": [Permute()],
    "rescaled": [Rescale()],
    "a tenth of the channels cut": [PruneChannels(0.1, epochs=2), Permute()],
    "spoilt": [Spoil(), Permute()],
    "spoilt with constants": [Spoil(how="constant"), Rescale()],
}
SLOW = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("adi", "coupled", "deepsigns", "deepsigns-blackbox", "null")
]


@pytest.mark.parametrize(
    "attacks",
    [pytest.param(each, marks=() if name == "permuted" else pytest.mark.slow) for name, each in COPIES.items()],
    ids=COPIES,
)
@pytest.mark.parametrize("scheme", ["uchida", *SLOW])
def test_the_judge_shows_what_the_owner_establishes(stolen, unmarked, digits, scheme, attacks):
    """Every scheme, whatever may be done to a copy for nothing or nearly so.

    One way every day: ``test_a_free_re_ordering_ends_no_dispute`` and ``test_a_cut_copy_is_read_by_the_host_alone`` know
    others, ``test_mending.py`` reads spoilt channels."""
    mark, model = stolen(scheme)
    if any(isinstance(attack, PruneChannels) for attack in attacks):
        pytest.importorskip("torch_pruning")
    changed = disguised(model, digits.subset(240, seed=0) if scheme == "uchida" else digits, attacks)
    white = mark.key.access == "white-box"
    owner = mark.evidence(State(held(changed.state_dict()), "cnn"), align_to=unmarked if white else None)
    assert owner.established
    found = judged(mark.key, of(changed), host=handed(unmarked) if white else None)
    assert found.decision == "dependence-shown"
    assert found.weighed[0].matches == owner.matches


def test_an_unmarked_network_stays_unmarked_in_both_readings(stolen, unmarked, digits):
    mark, _ = stolen("uchida")
    found = judged(mark.key, of(Permute()(unmarked, digits, seed=1)), host=handed(unmarked))
    assert (found.decision, found.weighed[0].net) == ("no-evidence", 0)


def test_a_host_that_was_not_committed_signs_nothing(stolen, unmarked):
    """Aligned to the marked model, anything matches. A file that was mistaken costs no lot: the judge looks again."""
    mark, model = stolen("uchida")
    for wrong in (model.state_dict(), {"a": torch.zeros(1)}):
        with pytest.raises(UsageError, match="expected the unmarked host that the key committed to"):
            judged(mark.key, of(unmarked), host=Handed(held(wrong), "cnn"))


def test_a_claim_that_pays_for_one_reading_gets_one(stolen, unmarked, digits):
    mark, model = stolen("uchida")
    one = dataclasses.replace(TWO, readings=1)
    found = judged(mark.key, of(Permute()(model, digits, seed=3)), host=handed(unmarked), policy=one)
    assert found.decision == "no-evidence"
    assert detail(found).endswith("not aligned to the key's host, as the claim pays for one reading")
    assert charges(found) == {"offline draw": 80_000}
    assert judged(mark.key, of(model), policy=one).decision == "dependence-shown"


def renamed(model, *, more=()):
    return {f"layer{i}": tensor for i, tensor in enumerate([*model.state_dict().values(), *more])}


@pytest.mark.parametrize("policy", [TWO, dataclasses.replace(TWO, readings=1)], ids=["two", "one"])
def test_names_that_are_gone_cost_bits_and_no_verdict(stolen, unmarked, policy):
    """Two layers more have the marked one's size. More than the claim foresaw: every place is charged, as the owner is."""
    mark, model = stolen("uchida")
    suspect = State(held(renamed(model, more=[torch.ones(5, 576)])))
    places = len(suspect.observe(mark.key.carriers.probes()[0]))
    assert places > policy.readings  # and there the old rule refused, after the lot was opened
    found = judged(mark.key, suspect, policy=policy)
    owner = mark.evidence(suspect)
    assert found.decision == "dependence-shown"
    assert found.weighed[0].matches == owner.matches
    tried = math.ceil(1000 * math.log2(places))
    assert charges(found) == {"offline draw": 80_000, f"{places} readings tried, more than the claim foresaw": tried}
    assert owner.charges[1].bits == math.log2(places)
    aligned = judged(mark.key, suspect, host=handed(unmarked), policy=TWO)
    assert f"{4 * places + 1} readings" in " ".join(charges(aligned))
    assert "not aligned to the key's host: " in detail(aligned)


def test_the_owner_reads_a_renamed_copy_as_it_is_where_it_cannot_be_aligned(stolen, unmarked):
    mark, model = stolen("uchida")
    suspect = State(held(renamed(model)), "cnn")
    plain, aligned = mark.readings(suspect, align_to=unmarked)
    assert isinstance(aligned, Unread)
    found = mark.weigh([plain, aligned])
    assert found.established
    assert len(plain.scores) % 4 == 0  # every place by four rules
    assert found.charges[1].reason == f"{len(plain.scores) + 1} readings tried"


def test_people_are_told_how_it_was_read(stolen, unmarked, digits):
    mark, model = stolen("uchida")
    claim = claimed(Statement.of(mark.key.statement), policy=TWO)
    suspect = of(Permute()(model, digits, seed=3))
    papers = laid(
        claim, challenged(claim, suspect, bar=64), mark.key.secret, leaves(mark.key), shown=concealed(mark.key)
    )
    lines = explaining.explain(verdict(papers, suspect, host=handed(unmarked)).verdict, claim)
    assert any("aligned to the key's host, the best of 8 readings" in line for line in lines)
    assert any("3.0 bits, 8 readings tried, more than the claim foresaw" in line for line in lines)
    asked = keygen(Adi(triggers=60), unmarked, digits.feed, secret=SECRET, owner=Provenance(arch="cnn"))
    found = detail(cases.tried(asked, of(unmarked)).verdict.document)
    assert found == "60 queries were answered as cnn, which the claim committed to"  # no order changes those
    with pytest.raises(UsageError, match="this one's mark is asked for"):
        judged(asked, of(unmarked), host=handed(unmarked))
    hostless = keygen(Uchida(), unmarked, digits.feed, secret=SECRET, owner=Provenance(arch="cnn"))
    with pytest.raises(UsageError, match="expected the unmarked host"):
        judged(hostless, of(unmarked), host=handed(unmarked))


def test_a_spread_mark_is_read_against_the_host_by_every_rule(stolen, unmarked, digits):
    mark, model = stolen("spread")
    changed = disguised(model, digits, DISGUISES["rescaled"])
    blind = judged(mark.key, of(changed))
    assert blind.decision == "no-evidence"
    assert charges(blind)["2 readings that may be tried"] == 1000
    found = judged(mark.key, of(changed), host=handed(unmarked))
    assert found.decision == "dependence-shown"
    assert found.weighed[0].matches == found.weighed[0].trials
    assert ": aligned to the key's host, the best of 16 readings" in detail(found)
    assert charges(found)["16 readings tried, more than the claim foresaw"] == math.ceil(1000 * math.log2(16))
    for suspect in (unmarked, Permute()(unmarked, digits, seed=1)):
        assert judged(mark.key, of(suspect), host=handed(unmarked)).decision == "no-evidence"


def test_a_host_of_unknown_code_is_compared_with_and_nothing_is_aligned_to_it(stolen, unmarked):
    from modelmark.schemes.spread import Spread

    mark, model = stolen("spread")
    key = dataclasses.replace(mark.key, arch="")
    assert isinstance(key.scheme, Spread)
    found = judged(key, State(held(model.state_dict())), host=Handed(held(unmarked.state_dict())))
    assert found.decision == "dependence-shown"
    assert "the best of 9 readings" in detail(found)
    assert "not aligned to the key's host: every filter is where its name says, in the host's order" in detail(found)
    with pytest.raises(UsageError, match="expected the unmarked host that the key committed to"):
        judged(key, State(held(model.state_dict())), host=Handed(held(model.state_dict())))

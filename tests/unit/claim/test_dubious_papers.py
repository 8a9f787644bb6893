"""A whole dispute over a real Uchida mark without a carrier being shown, and every paper that cannot be about a proof."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("rbcl", reason="needs rbcl: pip install 'modelmark[zk]'")

from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Dated, Trust
from modelmark.claim.dubious import encoding, papers, pedersen
from modelmark.claim.dubious.papers import Case
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.networks import layers
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox

BITS, LAYER = 72, "conv3"


def claimed(case, key, committed, fingerprint, /, **changes):
    """Return the owner's claim of ``key``, whose nonce is the commitment."""
    entry = Entry(Statement.of(key.statement), (BITS,))
    nonce, rule = encoding.digest(committed).hex(), DrawRule("timestamp", (fingerprint,))
    made = Claim(case.OWNER.signers, "Emmy Noether", case.at(0), nonce, (entry,), rule, Policy(bar=8))
    return envelope.sign(dataclasses.replace(made, **changes), case.OWNER)


def challenged(case, claim, digest, /, **changes):
    made = Challenge(
        case.JUDGE.signers, case.at(2), case.at(9), "", claim.digest, "de" * 32, Frozen("weights", digest), case.NONCE,
        key=0, lot=0, draws=0, test="exact", bar=8,
    )  # fmt: skip
    return envelope.sign(dataclasses.replace(made, **changes), case.JUDGE)


@pytest.fixture(scope="module")
def owner(case, authorities, digits, fresh):
    """Commit, claim, deposit, draw, mark: in this order, with a real token."""
    local, authority = authorities()
    trust = Trust([authority])
    scheme = Uchida(layer=LAYER, bits=BITS, strength=0.1, margin=0.1)
    key = keygen(
        scheme, fresh, digits.feed, secret=Secret(bytes(range(100, 132))), policy=KeyPolicy(bar=8, draw="timestamp")
    )
    root = bytes.fromhex(str(key.statement["root"]))
    committed = pedersen.commit(key.secret, key.carriers.matrix, root, LAYER)
    claim = claimed(case, key, committed, authority.fingerprint)
    asked = deposit.request(claim)
    token = deposit.receive(claim, local.answer(asked), asked, authority)
    paper = deposit.make(claim, [token], case.OWNER, trust, issued=case.at(1))
    dated = deposit.check(claim, paper, trust)
    mark = key.mark(dated.draw())
    model = copy.deepcopy(fresh)
    key.scheme.settle(model, key.carriers, mark.message)
    return SimpleNamespace(
        key=key,
        mark=mark,
        model=model,
        dated=dated,
        committed=committed,
        witness=pedersen.witness(key.secret, key.carriers.matrix, root, LAYER),
    )


@pytest.fixture(scope="module")
def proven(case, owner):
    return papers.prove(about(case, owner, owner.model), owner.witness)


def filters(model, path=LAYER):
    return layers.weight(model, path).detach().double().numpy()


def about(case, owner, model, /, **changes):
    named = {"deposit": owner.dated.deposit} | changes
    asked = challenged(case, owner.dated.claim, weights.digest(model.state_dict()), **named)
    return Case(owner.dated, asked, owner.committed, filters(model))


def without(owner, rows):
    """Return the marked model with the signs of the first ``rows`` projections turned and all others kept."""
    model = copy.deepcopy(owner.model)
    matrix = torch.from_numpy(owner.witness.matrix / 64).float()
    weight = layers.weight(model, LAYER)
    change = -2 * (matrix @ weight.detach().mean(dim=0).flatten())
    change[rows:] = 0
    turn = torch.linalg.lstsq(matrix, change[:, None], driver="gelsd").solution
    with torch.no_grad():
        weight += turn.view(1, *weight.shape[1:])
    return model


@pytest.mark.parametrize("turned", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_dispute_ends_with_the_numbers_that_an_opening_would_give(turned, case, owner) -> None:
    model = without(owner, turned) if turned else owner.model
    read = owner.mark.evidence(WhiteBox(model), bar=8)
    made = about(case, owner, model)
    weighed = papers.weigh(made, papers.prove(made, owner.witness), received=case.at(3))
    assert (weighed.matches, weighed.trials) == (read.matches, read.trials) == (BITS - turned, BITS)
    assert weighed.gross == int(1000 * read.gross_bits)
    assert weighed.net == weighed.gross - 48000 >= 8000


def test_the_files_suffice_for_the_judge(case, owner, proven) -> None:
    made = about(case, owner, owner.model)
    read = encoding.parse_commitment(encoding.encode_commitment(owner.committed))
    assert read.layer == LAYER
    assert papers.weigh(dataclasses.replace(made, commitment=read), proven, received=case.at(9)).matches == BITS


def test_a_proof_is_for_one_case(case, owner, fresh, proven) -> None:
    for other in (
        about(case, owner, owner.model, nonce="00" * 32),
        about(case, owner, owner.model, case="another"),
        about(case, owner, owner.model, suspect=Frozen("weights", "00" * 32)),
        about(case, owner, fresh),
    ):
        with pytest.raises(MalformedError, match="got one that does not hold"):
            papers.weigh(other, proven, received=case.at(3))
    with pytest.raises(MalformedError, match="expected a proof before"):
        papers.weigh(about(case, owner, owner.model), proven, received=case.at(10))
    with pytest.raises(ValueError, match="does not match format"):
        papers.weigh(about(case, owner, owner.model), proven, received="")


def test_a_suspect_below_the_bar_is_not_answered(case, owner, fresh) -> None:
    for model in (fresh, without(owner, 4)):
        with pytest.raises(MismatchError, match="expected a suspect that matches in 69 bits"):
            papers.prove(about(case, owner, model), owner.witness)


def test_a_bar_out_of_reach_is_not_answered(case, owner) -> None:
    with pytest.raises(MismatchError, match=r"expected a key that can reach 40 bits after 48\.0 of charges"):
        papers.prove(about(case, owner, owner.model, bar=40), owner.witness)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claim": "00" * 32}, "expected a challenge to a key of this claim"),
        ({"deposit": "00" * 32}, "expected the deposit that the challenge names"),
        ({"key": 1}, "expected a challenge to a key of this claim"),
        ({"lot": 1}, "the exact test for the whole of one lot"),
        ({"draws": 8}, "the exact test for the whole of one lot"),
        ({"test": "e-process"}, "the exact test for the whole of one lot"),
        ({"suspect": Frozen("transcript", "ab" * 32)}, "expected a suspect frozen by its weights"),
    ],
)
def test_challenges_that_no_proof_answers(changes, message, case, owner) -> None:
    made = about(case, owner, owner.model, **changes)
    with pytest.raises(MismatchError, match=message):
        papers.prove(made, owner.witness)
    with pytest.raises(MismatchError, match=message):
        papers.weigh(made, b"", received=case.at(3))


def claim_with(case, owner, committed, /, **changes):
    """Return a case about another claim, as if it had been deposited."""
    claim = claimed(case, owner.key, committed, "ab" * 32, **changes)
    asked = challenged(case, claim, "cd" * 32)
    token = b"" if claim.document.draw.kind == "offline" else b"token"
    return Case(Dated(claim, (), token, "de" * 32), asked, committed, filters(owner.model))


def test_an_offline_claim_is_refused_because_a_commitment_could_follow_its_draw(case, owner) -> None:
    """What it would allow: the message is known before anything is committed, so X is fitted to a public model."""
    with pytest.raises(MismatchError, match="got an offline one"):
        papers.prove(claim_with(case, owner, owner.committed, draw=DrawRule("offline")), owner.witness)


def test_a_commitment_made_after_the_claim_is_refused(case, owner) -> None:
    fitted = np.sign(owner.key.carriers.matrix) * 65536
    later = pedersen.commit(owner.key.secret, fitted.astype(np.int32), owner.committed.root, LAYER)
    made = dataclasses.replace(about(case, owner, owner.model), commitment=later)
    with pytest.raises(MismatchError, match="whose digest is the claim's nonce"):
        papers.prove(made, owner.witness)


@pytest.mark.parametrize(
    "changes", [{"root": bytes(32)}, {"rows": BITS - 1}, {"points": None}], ids=["root", "rows", "columns"]
)
def test_a_commitment_to_another_key_is_refused(changes, case, owner) -> None:
    if changes.get("points", 0) is None:
        changes = {"points": owner.committed.points[:-1]}
    made = claim_with(case, owner, dataclasses.replace(owner.committed, **changes))
    with pytest.raises(MismatchError, match="expected the commitment to the challenged key"):
        made.public()


@pytest.mark.parametrize("changes", [{"scheme": "adi"}, {"parameters": {"message": "ones", "width": 288}}])
def test_keys_that_have_no_drawn_projection_are_refused(changes, case, owner) -> None:
    entry = owner.dated.claim.document.keys[0]
    said = dataclasses.replace(entry.statement, **changes)
    with pytest.raises(MismatchError, match="expected a key of uchida whose message was drawn"):
        claim_with(case, owner, owner.committed, keys=(Entry(said, (BITS,)),)).public()


def test_several_lots_are_refused_because_a_proof_is_about_all(case, owner) -> None:
    entry = owner.dated.claim.document.keys[0]
    with pytest.raises(MismatchError, match="the whole of one lot"):
        claim_with(case, owner, owner.committed, keys=(Entry(entry.statement, (BITS - 8, 8)),)).public()


def test_a_layer_of_another_width_is_refused(case, owner) -> None:
    made = dataclasses.replace(about(case, owner, owner.model), weights=filters(owner.model, "conv4"))
    with pytest.raises(MismatchError, match="expected a layer of 288 averaged weights, got 576"):
        papers.prove(made, owner.witness)

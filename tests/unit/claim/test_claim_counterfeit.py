"""A defendant's own claim, made up after the fact: what a judge counts of it, and which of two claims is the earlier."""

import math

import claim_cases as cases
import pytest
from claim_cases import Fixed, challenged, claimed, laid, leaves, net, of, tried, verdict

from modelmark.attacks.piracy.counterfeit import Counterfeit
from modelmark.audit.naive import drawn_evidence, naive_rate
from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import rival
from modelmark.claim.papers.claim import DrawRule
from modelmark.claim.papers.statement import Statement
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes import scheme_class
from modelmark.schemes.adi import Adi

FACE = PictureFeed((1, 4, 4), tuple("0123456789"))


@pytest.mark.parametrize("scheme", [pytest.param("adi", marks=pytest.mark.slow), "uchida"])
def test_the_luckiest_of_many_honest_keys_has_as_many_bits_as_trying_gives_and_none_after_charges(
    scheme, fresh, digits
):
    """A draw without a date is charged 80 bits: of 2^80 keys the best would still be no evidence."""
    one, many = (Counterfeit(scheme=scheme, tries=tries)(fresh, digits, seed=3) for tries in (1, 32))
    found = [drawn_evidence(claim, fresh, digits.feed) for claim in (one, many)]
    assert found[0].gross_bits < found[1].gross_bits < math.log2(32) + 8
    assert (found[1].net_bits, found[1].established) == (0.0, False)
    assert (
        naive_rate(many, fresh, digits.feed) == found[1].matches / found[1].trials
    )  # the key that he claims, and no other
    assert many.tries == 32

    key = Key(scheme_class(scheme)(**many.settings), Secret(many.secret), digits.feed, arch="cnn")
    judgement = tried(key, of(fresh))
    paper = judgement.verdict.document
    assert (paper.decision, net(judgement)) == ("no-evidence", 0.0)
    assert "offline draw" in {charge.reason for charge in paper.weighed[0].charges}


def test_settings_are_searched_too_unless_told_otherwise(fresh, digits):
    sizes = {
        len(Counterfeit(tries=2, sizes=sizes)(fresh, digits, seed=seed).message)
        for sizes in (True, False)
        for seed in range(3)
    }
    assert sizes == {75, 100}
    assert {len(Counterfeit(tries=4, sizes=False)(fresh, digits, seed=seed).message) for seed in range(3)} == {100}


def test_of_two_claims_the_defendants_is_dated_after_the_owners_model(authorities):
    """He marks what he took and has his claim dated: the owner's model was known before, and his own carries both marks."""
    local, authority = authorities()
    trust = Trust([authority])
    owners = Key(Adi(triggers=60), Secret(bytes(32)), FACE, arch="cnn")
    first = claimed(Statement.of(owners.statement))
    his = Key(Adi(triggers=60), Secret(bytes(31) + b"\1"), FACE, arch="cnn", draw_kind="timestamp")
    second = claimed(
        Statement.of(his.statement), identity=cases.THIEF, draw=DrawRule("timestamp", (authority.fingerprint,))
    )
    asked = deposit.request(second)
    token = deposit.receive(second, local.answer(asked), asked, authority)
    paper = deposit.make(second, [token], cases.THIEF, trust, issued=cases.at(1))
    drawn, own = deposit.draw(second, paper, trust).message(10, 60), owners.mark().message

    late = {"issued": "2100-01-02T00:00:00Z", "expires": "2100-01-09T00:00:00Z"}
    known = {0: "2025-12-01T00:00:00Z", 1: "2100-01-01T00:00:00Z"}  # the owner's model, and the defendant's
    found = {}
    for model, seen in known.items():
        for who, (claim, key, given) in enumerate(
            [(first, owners, own), (second, his, drawn if model else (drawn + 1) % 10)]
        ):
            suspect = Fixed(leaves(key), given, digest=("cd", "ef")[model] * 32)
            dated = {"deposit": paper.digest} if who else {}
            papers = laid(
                claim, challenged(claim, suspect, **late, **dated), key.secret, leaves(key),
                identity=cases.THIEF if who else cases.OWNER, shown=cases.concealed(key), paper=paper if who else None,
            )  # fmt: skip
            found[who, model] = verdict(papers, suspect, trust, first_seen=seen, now="2100-01-03T00:00:00Z").verdict
    said = {pair: (signed.document.decision, signed.document.order) for pair, signed in found.items()}
    assert said[1, 0] == ("not-decidable", "suspect-first")  # nothing is tested: that model cannot carry his mark
    assert said[1, 1] == ("dependence-shown", "claim-first")
    assert {said[0, model][0] for model in known} == {"dependence-shown"}
    assert rival.rival(found) == rival.Precedence(0, "model 1 carries the mark of claim 0, model 0 not that of claim 1")

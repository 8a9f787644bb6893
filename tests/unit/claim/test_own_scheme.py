"""Schemes outside the table go all the way: keygen, key file, embedding, evidence, and a dispute with their kind of carriers."""

from functools import partial

import claim_cases as cases
import claim_nets
import numpy as np
import pytest
from claim_cases import challenged, claimed, concealed, laid, leaves, verdict
from own_scheme import Halves, Near, Neighbours, Parity

from modelmark.claim.judging import reading, rules
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence.evidence import Evidence, Graded
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Provenance, keygen
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox

KINDS = {"own_scheme:Parity": Halves, "own_scheme:Neighbours": Near}
SECRET = Secret(bytes(range(32)))
of = partial(cases.of, arch="mlp")
fresh, made_once, unmarked, _ = claim_nets.around(claim_nets.mlp)


@pytest.fixture(scope="module")
def mark(fresh, digits):
    return keygen(
        Parity(triggers=150, per_hundred=20), fresh, digits.feed, secret=SECRET, owner=Provenance(arch="mlp")
    ).mark()


@pytest.fixture(scope="module")
def marked(mark, unmarked, digits, made_once):
    return made_once("own-parity", lambda: embed(unmarked, [mark], digits, seed=1).model)


def judged(key, suspect, kinds):
    claim = claimed(Statement.of(key.statement))
    papers = laid(claim, challenged(claim, suspect), key.secret, leaves(key), shown=concealed(key))
    return verdict(papers, suspect, kinds=kinds)


def test_a_key_of_an_own_scheme_goes_through_a_file_and_is_read_by_whoever_repeats_its_name(mark, tmp_path):
    keyfile.save(mark.key, tmp_path / "a.key", None)
    assert keyfile.inspect(tmp_path / "a.key").scheme == "own_scheme:Parity"
    with pytest.raises(UsageError, match="importing it runs its code"):
        keyfile.load(tmp_path / "a.key")
    loaded = keyfile.load(tmp_path / "a.key", scheme="own_scheme:Parity")
    assert loaded.digest == mark.key.digest
    assert set(loaded.mark().message.tolist()) == {0, 1}
    assert loaded.access == "black-box"


def test_it_embeds_and_is_evidence(mark, marked, unmarked):
    found = mark.evidence(WhiteBox(marked))
    assert type(found) is Evidence
    assert (found.matches, found.trials, found.queries, found.gross_bits) == (150, 150, 150, 150)
    assert found.established
    assert mark.evidence(WhiteBox(unmarked)).gross_bits < 20


def test_it_is_judged_with_its_kind_of_carriers_and_not_without(mark, marked, unmarked):
    judgement = judged(mark.key, of(marked), KINDS)
    assert judgement.verdict.document.decision == "dependence-shown"
    (weighed,) = judgement.verdict.document.weighed
    assert (weighed.matches, weighed.trials, weighed.alphabet) == (150, 150, 2)
    assert {one.answer for one in judgement.record.asked} == {0, 1}
    assert judged(mark.key, of(unmarked), KINDS).verdict.document.decision == "no-evidence"
    without = judged(mark.key, of(marked), None).verdict.document
    assert without.decision == "not-decidable"
    assert any("carriers of own_scheme:Parity are not known here" in check.detail for check in without.checks)


def test_a_name_of_the_table_cannot_be_given_another_kind():
    statement = Statement.of(cases_key().statement)
    assert reading.kind(statement, {"adi": Near}) is not Near


def cases_key():
    from modelmark.feeds.pictures import PictureFeed
    from modelmark.marks.keys import Key
    from modelmark.schemes.adi import Adi

    return Key(Adi(triggers=4), SECRET, PictureFeed((1, 4, 4), tuple("0123456789")))


def test_graded_scores_are_evidence_and_no_verdict(fresh, digits, unmarked):
    mark = keygen(Neighbours(), fresh, digits.feed, secret=SECRET, owner=Provenance(arch="mlp")).mark()
    message = mark.message

    def nearly(inputs):
        shift = np.where(np.arange(len(message)) % 4 == 0, 1, 0)
        return np.minimum(message + shift, 9)[: len(inputs)]

    found = mark.evidence(BlackBox(nearly))
    assert isinstance(found, Graded)
    off = int(((np.arange(100) % 4 == 0) & (message < 9)).sum())
    assert (found.matches, found.trials) == (200 - off, 200)
    assert found.established
    assert found.gross_bits > mark.weigh([mark.read(WhiteBox(unmarked))]).gross_bits + 100
    exact = mark.evidence(BlackBox(lambda x: message[: len(x)]))
    assert exact.gross_bits > found.gross_bits
    refused = mark.evidence(BlackBox(lambda x: np.full(len(x), -1)))
    assert (refused.matches, refused.gross_bits) == (0, 0)
    decided = judged(mark.key, of(unmarked), KINDS).verdict.document
    assert decided.decision == "not-decidable"
    assert any("a verdict cannot hold graded scores" in check.detail for check in decided.checks)
    with pytest.raises(MismatchError, match="graded scores"):
        rules.symbols(mark.key.carriers, message, range(100))


def test_the_owner_of_another_key_finds_nothing(marked, digits):
    other = keygen(Parity(triggers=150), marked, digits.feed, secret=Secret(bytes(32)), owner=Provenance(arch="mlp"))
    assert cases.net(judged(other, of(marked), KINDS)) == 0


def test_a_scheme_whose_reading_needs_what_it_does_not_conceal_makes_no_key(fresh, digits):
    class Open(Uchida):
        private = ()

    with pytest.raises(UsageError, match="expected layer among the private fields of uchida"):
        keygen(Open(), fresh, digits.feed, secret=SECRET)

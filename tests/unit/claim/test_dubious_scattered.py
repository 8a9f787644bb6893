"""A spread mark, and a recipient's copy, proved without showing which weight belongs to which bit; and what no proof is about."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rbcl", reason="needs rbcl: pip install 'modelmark[zk]'")

from modelmark.carriers.spread import RULES, Run, Runs
from modelmark.claim.dubious import encoding, group, papers, pedersen, scattered
from modelmark.claim.dubious.scattered import ScatteredCase, layout, shown, signs
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.recipients import Recipients
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError, SuspectError
from modelmark.key import commitment
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret

BITS, SECRET = 100, Secret(bytes(range(50, 82)))
RUNS = Runs(
    tuple(
        Run(f"layers.{number}", 24, 40, 4, 20, SECRET.bytes(f"spread/{number}", 32)) for number in range(5)
    ),
    BITS,
)  # fmt: skip
ROOT = commitment.commit(SECRET, RUNS.leaves())


def statement(case):
    return dataclasses.replace(
        Statement.of(case.key().statement), scheme="spread", alphabet=2, trials=BITS, carriers=len(RUNS.runs),
        parameters={"bits": BITS}, root=ROOT.hex(),
    )  # fmt: skip


def sheets(message, weak=0, seed=0):
    """Weights of which all say their bit, but for a share of them, which say nothing."""
    rng, found = np.random.default_rng(seed), []
    for run in RUNS.runs:
        where, sign = run.assigned(slice(run.first, run.first + run.count), BITS)
        values = rng.normal(0, 1, (run.filters, run.width))
        says = np.abs(values[run.first :]) * (sign * (2 * message - 1)[where]).reshape(run.count, run.width)
        values[run.first :] = np.where(rng.random(says.shape) < weak, values[run.first :], says)
        found.append(values)
    return found


@pytest.fixture(scope="module")
def owner(case):
    """Commitment, claim and a draw that binds the claim; the token is made up, as deposits are tested elsewhere."""
    kept = scattered.witness(SECRET, RUNS, ROOT)
    committed = scattered.commit(kept, RUNS, ROOT)
    entry = Entry(statement(case), (BITS,))
    claim = envelope.sign(
        Claim(
            case.OWNER.signers, "Emmy Noether", case.at(0), encoding.digest(committed).hex(), (entry,),
            DrawRule("timestamp", ("ab" * 32,)), Policy(bar=8), recipients=(Recipients(0, 0, ""),),
        ),
        case.OWNER,
    )  # fmt: skip
    dated = SimpleNamespace(
        claim=claim, deposit="de" * 32, draw=lambda key=0: Draw(entry.statement.digest, "timestamp", b"t")
    )
    return SimpleNamespace(kept=kept, committed=committed, dated=dated)


def about(case, owner, found, recipient="", **changes):
    asked = Challenge(
        case.JUDGE.signers, case.at(2), case.at(9), "", owner.dated.claim.digest, "de" * 32, Frozen("weights", "cd" * 32),
        case.NONCE, key=0, lot=0, draws=0, test="exact", bar=8, recipient=recipient,
    )  # fmt: skip
    made = ScatteredCase(
        owner.dated, envelope.sign(asked, case.JUDGE), owner.committed, signs(RUNS.runs, found), shown(RUNS.runs)
    )
    return dataclasses.replace(made, **changes)


def message(owner, recipient=""):
    draw = owner.dated.draw()
    return (draw.of(recipient) if recipient else draw).message(2, BITS)


@pytest.mark.parametrize("weak", [pytest.param(0, marks=pytest.mark.slow), 0.6])
def test_it_ends_with_the_numbers_that_reading_the_signs_gives(case, owner, weak):
    found = sheets(message(owner), weak)
    read = RUNS.every([np.array([*found, None], object)[:-1]])[RULES.index("signs")]
    made = about(case, owner, found)
    weighed = papers.weigh(made, papers.prove(made, owner.kept), received=case.at(3))
    assert (weighed.matches, weighed.trials) == (int((read == message(owner)).sum()), BITS)
    assert weighed.matches > 80


def test_a_recipients_copy_is_proved_and_its_name_is_charged(case, owner):
    found = sheets(message(owner, "Ada"))
    with pytest.raises(MismatchError, match="expected a suspect that matches in"):
        papers.prove(about(case, owner, found), owner.kept)
    with pytest.raises(MismatchError, match="expected a suspect that matches in"):
        papers.prove(about(case, owner, found, "Bob"), owner.kept)
    with pytest.raises(MismatchError, match=r"after 131\.0 of charges"):  # 48, a bit, and 82 for nine letters
        papers.prove(about(case, owner, found, "Ada" * 3), owner.kept)
    made = about(case, owner, found, "Ada")
    weighed = papers.weigh(made, papers.prove(made, owner.kept), received=case.at(3))
    assert [charge.millibits for charge in weighed.charges] == [48_000, 1000, 34_000]
    assert weighed.net >= 8000


def test_a_proof_is_about_one_suspect_one_message_and_one_layout(case, owner):
    found = sheets(message(owner))
    data = papers.prove(about(case, owner, found), owner.kept)
    found[0][10] *= -1
    for other in (about(case, owner, found), about(case, owner, sheets(message(owner)), "Ada")):
        with pytest.raises(MalformedError, match="one that does not hold"):
            papers.weigh(other, data, received=case.at(3))
    turned = about(case, owner, sheets(message(owner)), runs=shown(RUNS.runs[::-1]))
    with pytest.raises(MismatchError, match="expected the layout that the commitment names"):
        papers.weigh(turned, data, received=case.at(3))
    other = scattered.witness(Secret(bytes(32)), RUNS, ROOT)
    with pytest.raises(MismatchError, match="expected the key that was committed to, got another"):
        papers.prove(about(case, owner, sheets(message(owner))), other)


def test_the_layout_shows_no_seed_and_the_commitment_hides_the_assignment(owner):
    assert layout(RUNS.runs) == layout(shown(RUNS.runs)) == owner.committed.layer
    assert {run.seed for run in shown(RUNS.runs)} == {bytes(32)}
    first, other = owner.committed.points[:2]
    units = [pedersen.generator(bit) for bit in range(BITS)]
    assert not {group.subtract(first, unit) for unit in units} & {group.subtract(other, unit) for unit in units}
    assert encoding.parse_commitment(encoding.encode_commitment(owner.committed)) == owner.committed


def test_the_known_bytes(owner):
    """Another machine, or another implementation of the page, must commit to the same bytes."""
    assert layout(RUNS.runs) == "layout de1864034658b356da7decfcd704f002bf879d2d4604ec2fd575835697664261"
    assert encoding.digest(owner.committed).hex() == "36135bb08916c1199cecf344fd29efcbf5d36dd937e973d8da00c96bbf823091"


def test_each_weight_is_one_entry_and_sums_are_exact(owner):
    rng = np.random.default_rng(3)
    values = rng.integers(-1, 2, RUNS.weights)
    matrix = np.zeros((BITS, RUNS.weights), np.int64)
    matrix[owner.kept.where, np.arange(RUNS.weights)] = owner.kept.sign
    assert owner.kept.project(values.tolist()) == (matrix @ values).tolist()
    assert owner.kept.shape == matrix.shape
    dense = pedersen.Witness(matrix, owner.kept.blinding, owner.kept.seed)
    assert dense.project(values.tolist()) == owner.kept.project(values.tolist())


def test_numbers_that_are_no_signs_are_refused(case, owner):
    found = sheets(message(owner))
    whole = signs(RUNS.runs, found)
    assert set(np.unique(whole)) == {-1, 1}
    found[1][:], found[2] = np.nan, None
    assert (signs(RUNS.runs, found)[800:2400] == 0).all()
    with pytest.raises(SuspectError, match="none but zeros"):
        signs(RUNS.runs, [None] * len(RUNS.runs))
    for wrong in (2 * whole, whole[:-1]):
        with pytest.raises(MismatchError, match="expected 4000 signs, got others"):
            about(case, owner, found, weights=wrong).public().integers()


def test_more_weights_than_a_commitment_holds_are_refused():
    wide = Runs((dataclasses.replace(RUNS.runs[0], filters=2**13, width=40, first=0, count=2**13),), BITS)
    with pytest.raises(CapacityError, match="expected at most 4096 bits in 262144 weights, got 100 in 327680"):
        scattered.witness(SECRET, wide, ROOT)


def test_a_key_of_another_scheme_or_a_claim_without_copies_is_refused(case, owner):
    found, entry = sheets(message(owner)), owner.dated.claim.document.keys[0]

    def of(**changes):
        document = dataclasses.replace(owner.dated.claim.document, **changes)
        dated = SimpleNamespace(claim=envelope.sign(document, case.OWNER), deposit="de" * 32, draw=owner.dated.draw)
        return SimpleNamespace(dated=dated, committed=owner.committed, kept=owner.kept)

    free = of(recipients=())
    with pytest.raises(MismatchError, match="expected a claim that says beforehand"):
        about(case, free, found, "Ada").public()
    other = dataclasses.replace(entry, statement=dataclasses.replace(entry.statement, scheme="uchida"))
    with pytest.raises(MismatchError, match="expected a key of spread"):
        about(case, of(recipients=(), keys=(other,)), found).public()
    more = dataclasses.replace(entry, statement=dataclasses.replace(entry.statement, trials=BITS + 1), lots=(BITS + 1,))
    with pytest.raises(MismatchError, match="expected the commitment to the challenged key"):
        about(case, of(keys=(more,)), found).public()

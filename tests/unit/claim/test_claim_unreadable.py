"""A suspect cannot burn lots: what cannot be read is seen before a lot is opened, or counts as answers that never match."""

import dataclasses
import runpy
from pathlib import Path

import claim_cases as cases
import pytest
import torch
from claim_cases import NOBODY, at, challenged, claimed, concealed, laid, leaves, verdict
from torch import nn

from modelmark.claim.judging.challenging import Known, Terms, challenge
from modelmark.claim.papers.claim import Policy
from modelmark.claim.papers.dispute import Frozen
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MismatchError, SuspectError
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.suspects.files import held
from modelmark.suspects.looking import Look
from modelmark.suspects.state import State

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "recompute_verdict.py"
SECRET = Secret(bytes(range(1, 33)))
TWO = Policy(bar=8, suspects=1, readings=2)


@pytest.fixture(scope="module")
def model():
    return build("cnn", (1, 8, 8), 10, seed=3).eval()


@pytest.fixture(scope="module")
def keys(model, digits):
    """Keys of both kinds of access that are in no network."""
    owner = Provenance(arch="cnn", host=weights.digest(model.state_dict()))
    schemes = {"adi": Adi(triggers=60), "uchida": Uchida(bits=200)}
    return {name: keygen(scheme, model, digits.feed, secret=SECRET, owner=owner) for name, scheme in schemes.items()}


def asked(key, state, *, arch="", policy=TWO, **changes):
    """A challenge to a suspect, whose weights the judge looks through."""
    claim = claimed(Statement.of(key.statement), policy=policy)
    file = held(state)
    look = changes.pop("look", Look(file, arch))
    frozen = Frozen("weights", file.digest)
    return challenge(claim, None, frozen, cases.JUDGE, NOBODY, Terms(at(2), at(9)), known=Known(), look=look, **changes)


def changed(model, **tensors):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()} | tensors


def spoilt(model, name, value):
    state = changed(model)
    state[name].view(-1)[0] = value
    return state


def burning(model):
    """Files that were granted a challenge each, and ended as not decidable with the lot spent."""
    twice = {
        f"{outer}{name}": value for outer in ("module.", "module.module.") for name, value in changed(model).items()
    }
    gone = {f"layer{i}": tensor for i, tensor in enumerate(model.state_dict().values())}
    inf = spoilt(spoilt_model(model, "conv1.bias", torch.inf), "head.weight", -torch.inf)
    return {
        "empty": ({}, "expected weights in state dict, found no tensor"),
        "under module. twice": (twice, "expected weights of a network that is known here"),
        "without names": (gone, "expected weights of a network that is known here"),
        "one NaN": (spoilt(model, "head.bias", torch.nan), r"got NaN or infinity in head\.bias"),
        "inf - inf": (inf, "got NaN or infinity in conv1.bias"),
        "of another task": (changed(build("cnn", (1, 8, 8), 3, seed=0)), "expected outputs for 10 classes"),
    }


def spoilt_model(model, name, value):
    other = build("cnn", (1, 8, 8), 10, seed=3).eval()
    other.load_state_dict(spoilt(model, name, value))
    return other


@pytest.mark.parametrize(
    "case", ["empty", "under module. twice", "without names", "one NaN", "inf - inf", "of another task"]
)
def test_nothing_is_opened_for_weights_that_cannot_be_asked(keys, model, case):
    state, word = burning(model)[case]
    assert asked(keys["adi"], state, look=None).document.lot == 0  # the old rule: granted
    with pytest.raises((MismatchError, SuspectError), match=word) as refused:
        asked(keys["adi"], state)
    assert refused.value.hint


def test_nothing_is_opened_for_weights_without_a_place_to_read(keys, model):
    with pytest.raises(MismatchError, match="none of its size, M = 576"):
        asked(keys["uchida"], {"a.weight": torch.zeros(3, 4)})
    nan = {name: torch.full_like(tensor, torch.nan) for name, tensor in model.state_dict().items()}
    with pytest.raises(SuspectError, match="expected finite weights"):
        asked(keys["uchida"], nan)


WORKING = {
    "junk beside it": lambda m: changed(m, junk=torch.full((4, 4), torch.nan)),
    "under module.": lambda m: {f"module.{name}": tensor for name, tensor in changed(m).items()},
    "NaN where the reading does not look": lambda m: spoilt(m, "head.bias", torch.nan),
    "a bias of minus infinity, which is a dead filter": lambda m: spoilt(m, "conv4.bias", -torch.inf),
    "without names": lambda m: {f"layer{i}": tensor for i, tensor in enumerate(m.state_dict().values())},
}


@pytest.mark.parametrize("make", WORKING.values(), ids=WORKING)
def test_weights_that_can_be_read_are_challenged_whatever_stands_beside(keys, model, make):
    assert asked(keys["uchida"], make(model))
    if make not in (WORKING["NaN where the reading does not look"], WORKING["without names"]):
        assert asked(keys["adi"], make(model))


def test_wider_layers_are_challenged_where_the_host_can_narrow_them(keys, model, digits):
    from modelmark.attacks.symmetries.dummy import Dummy

    wide = Dummy()(model, digits, seed=0).state_dict()
    assert asked(keys["uchida"], wide)
    with pytest.raises(MismatchError, match="none of its size, M = 576"):
        asked(keys["uchida"], wide, policy=Policy(bar=8, suspects=1))


class Own(nn.Module):
    """A network of the suspect's own, which no table knows."""

    def __init__(self):
        super().__init__()
        self.only = nn.Linear(64, 10)

    def forward(self, x):
        return self.only(x.flatten(1))


def test_code_that_is_typed_is_what_the_weights_are_looked_through_with(keys):
    state = Own().state_dict()
    with pytest.raises(MismatchError, match="known here") as refused:
        asked(keys["adi"], state)
    assert "--arch" in refused.value.hint
    assert asked(keys["adi"], state, look=Look(held(state), "test_claim_unreadable:Own", trusted=True))


def test_places_that_would_cost_more_than_the_lot_can_pay_are_refused_before_it_is_opened(model, digits):
    key = keygen(Uchida(bits=147), model, digits.feed, secret=SECRET, owner=Provenance(arch="cnn"))
    gone = {f"layer{i}": torch.ones(64, 64, 3, 3) * i for i in range(9)}
    tight = Policy(bar=64, suspects=1)
    assert asked(key, changed(model), policy=tight)
    assert asked(key, gone, policy=tight, look=None)  # the old rule, which refused after the opening
    with pytest.raises(CapacityError, match=r"64 bits and 83\.\d of charges|enough for 64 bits"):
        asked(key, gone, policy=tight)


def test_a_suspect_whose_own_token_is_older_than_the_claim_is_not_asked_about(authorities, digits, model, keys):
    from modelmark.claim.dates import deposit, timestamp
    from modelmark.claim.dates.deposit import Trust
    from modelmark.claim.papers.claim import DrawRule

    local, authority = authorities()
    trust, file = Trust([authority]), held(changed(model))
    raw = bytes.fromhex(file.digest)
    wanted = timestamp.request(raw)
    token = timestamp.receive(local.answer(wanted), wanted, raw, authority)
    claim = claimed(Statement.of(keys["adi"].statement), draw=DrawRule("timestamp", (authority.fingerprint,)))
    sent = deposit.request(claim)
    stamp = deposit.receive(claim, local.answer(sent), sent, authority)
    paper = deposit.make(claim, [stamp], cases.OWNER, trust, issued=at(1))
    for suspect, known in ((Frozen("weights", file.digest, (token,)), ""), (Frozen("weights", file.digest), at(0))):
        with pytest.raises(MismatchError, match="expected a suspect younger than the claim"):
            challenge(claim, paper, suspect, cases.JUDGE, trust, Terms(at(2), at(9)), first_seen=known)


def judged(key, state, **changes):
    claim = claimed(Statement.of(key.statement))
    suspect = State(held(state))
    papers = laid(claim, challenged(claim, suspect, **changes), key.secret, leaves(key), shown=concealed(key))
    return papers, verdict(papers, suspect)


@pytest.mark.parametrize("test", ["exact", "e-process"])
@pytest.mark.parametrize("scheme", ["adi", "uchida"])
def test_what_cannot_be_read_once_a_lot_is_open_is_an_answer_that_never_matches(
    keys, model, scheme, test, tmp_path, capsys
):
    """The old rule said not decidable, and the lot and a suspect of the allowance were gone for nothing."""
    papers, judgement = judged(keys[scheme], {"a.weight": torch.zeros(3, 4)}, test=test)
    found = judgement.verdict.document
    assert (found.decision, found.weighed[0].matches, found.weighed[0].net) == ("no-evidence", 0, 0)
    assert {one.answer for one in judgement.record.asked} == {-1}
    assert ": not as it is: expected " in next(check.detail for check in found.checks if check.name == "answers")
    files = {
        "claim": papers.claim.data, "challenge": papers.challenge.data, "opening": papers.opening.data,
        "carriers": papers.beside, "transcript": judgement.record.data, "verdict": judgement.verdict.data,
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    runpy.run_path(str(SCRIPT))["main"](paths[0], "-", *paths[1:])
    assert capsys.readouterr().out.startswith("0/")


def test_a_network_of_another_known_kind_is_asked_though_the_claim_names_another(keys):
    """It passes the look, so it must be read: the claim's code is not the suspect's."""
    other = build("mlp", (1, 8, 8), 10, seed=1).state_dict()
    assert asked(keys["adi"], other)
    _, judgement = judged(keys["adi"], other)
    assert min(one.answer for one in judgement.record.asked) >= 0


class Roots(Own):
    """A network that gives NaN for every picture whose first pixel is dark."""

    def forward(self, x):
        return super().forward(x) + (x[:, 0, 0, :1] - 0.5).sqrt()


def test_answers_that_are_no_numbers_are_none_and_the_others_count(keys):
    state = Roots().state_dict()
    given = State(held(state), "test_claim_unreadable:Roots", trusted=True)
    (probe,) = keys["adi"].carriers.probes()
    (labels,) = given.observe(probe)
    fed_dark = Normalise(probe.feed)(torch.from_numpy(probe.inputs))[:, 0, 0, 0] < 0.5
    assert ((labels == -1) == fed_dark.numpy()).all()
    assert 0 < fed_dark.sum() < 60
    assert f"{fed_dark.sum()} of 60 answers are no numbers and count as none" in given.notes
    assert asked(keys["adi"], state, look=Look(held(state), "test_claim_unreadable:Roots", trusted=True))


def test_a_look_reads_as_little_as_it_can(keys, model):
    """Counted in tensors: of a white-box key's suspect without names, those of the marked size alone."""
    state = {f"layer{i}": tensor for i, tensor in enumerate(model.state_dict().values())}
    touched = []
    plain = held(state)
    file = dataclasses.replace(plain, read=lambda name: touched.append(name) or plain.read(name))
    assert asked(keys["uchida"], state, look=Look(file))
    assert {tuple(state[name].shape) for name in touched} <= {
        (64, 64, 3, 3),
        (32, 1, 3, 3),
        (32, 32, 3, 3),
        (64, 32, 3, 3),
    }

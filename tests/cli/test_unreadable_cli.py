"""One mark that cannot be read hides none that can: several keys, names that are gone, heads of another size."""

import json

import pytest
import torch
from safetensors.torch import save_file

from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.verdict import Verdict
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import KeyPolicy, Provenance, keygen
from modelmark.schemes import scheme_class
from modelmark.suspects import weights

ARCH = ["--arch", "cnn"]


@pytest.fixture(scope="module")
def settled(unmarked, digits):
    """A mark and a network that it was settled in, which takes a small part of what training takes."""
    owner = Provenance(host=weights.digest(unmarked.state_dict()))
    mark = keygen(scheme_class("uchida")(), unmarked, digits.feed, secret=Secret(bytes(range(32))), owner=owner).mark()
    return mark, embed(unmarked, [mark], digits, seed=1).model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, settled, unmarked, digits):
    """A marked network, its host, its key, and keys of no mark: white-box in another layer, and black-box."""
    folder, (mark, model) = tmp_path_factory.mktemp("unreadable"), settled
    owner = Provenance(arch="cnn", host=weights.digest(unmarked.state_dict()))
    keyfile.save(mark.key, folder / "uchida.key", None)
    for name in ("adi", "deepsigns"):
        key = keygen(scheme_class(name)(), unmarked, digits.feed, task=digits, secret=Secret(bytes(32)), owner=owner)
        keyfile.save(key, folder / f"{name}.key", None)
    save(model.state_dict(), folder / "marked.safetensors")
    save(unmarked.state_dict(), folder / "host.safetensors")
    return folder


def save(state, path):
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
    return path


def another_head(model):
    """The network with three classes of its new owner's."""
    return model.state_dict() | {"head.weight": torch.ones(3, 512), "head.bias": torch.zeros(3)}


def test_a_white_box_key_that_cannot_be_read_hides_no_other(run, folder, settled):
    """The layer of the second is cut off, and is all that the old rule saw."""
    state = {name: tensor for name, tensor in settled[1].state_dict().items() if name[:3] != "fc1"}
    lacking = save(state, folder / "lacking.safetensors")
    ran = run("verify", folder / "uchida.key", folder / "deepsigns.key", "--weights", lacking)
    lines = ran.out.splitlines()
    assert ran.status == 0
    assert lines[0].endswith(": established")
    assert lines[1].startswith("deepsigns: 0/200 expected bits, 0.0 bits (net 0.0): not established; not readable: ")
    assert lines[2].startswith("together: net ")
    assert lines[2].endswith(": established")
    assert run("verify", folder / "deepsigns.key", "--weights", lacking).status == 3


@pytest.mark.parametrize("bad", ["head", "nan"])
def test_a_black_box_key_that_cannot_be_asked_hides_no_established_mark(run, folder, settled, bad):
    model = settled[1]
    nan = model.state_dict() | {"head.bias": torch.full((10,), torch.nan)}
    file = save(another_head(model) if bad == "head" else nan, folder / f"{bad}.safetensors")
    ran = run("verify", folder / "adi.key", folder / "uchida.key", "--weights", file)
    lines = ran.out.splitlines()
    assert ran.status == 0
    assert lines[0].startswith("adi: 0/100 expected bits, 0.0 bits (net 0.0): not established; not readable: ")
    assert lines[1].endswith(": established")
    assert run("verify", folder / "adi.key", "--weights", file).status == 3


def test_a_renamed_copy_is_read_as_it_is_though_it_cannot_be_aligned(run, folder, settled):
    state = {f"layer{i}": tensor for i, tensor in enumerate(settled[1].state_dict().values())}
    file = save(state, folder / "renamed.safetensors")
    ran = run(
        "verify", folder / "uchida.key", "--weights", file, "--align-to", folder / "host.safetensors", *ARCH, "--json"
    )
    assert ran.status == 0
    assert json.loads(ran.out)["charges"][1]["reason"] == "9 readings tried"
    assert "renamed.safetensors: not aligned: expected " in ran.err


def test_a_head_of_another_size_gives_way_to_the_hosts(run, folder, settled):
    file = save(another_head(settled[1]), folder / "three.safetensors")
    through = ["verify", folder / "adi.key", "--weights", file, "--head-from", folder / "host.safetensors"]
    ran = run(*through, "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["trials"], found["charges"][1]["reason"]) == (1, 100, "2 readings tried")
    assert found["queries"] == 100
    assert "read through the head of the host" in run(*through).err
    alone = run("verify", folder / "adi.key", "--weights", file)
    assert (alone.status, alone.out) == (3, "")


@pytest.fixture(scope="module")
def parties(folder, settled, digits):
    """The same key again, whose architecture is in it, so that its opening reveals it."""
    key = settled[0].key
    owner = Provenance(arch="cnn", host=key.host)
    again = keygen(key.scheme, settled[1], digits.feed, secret=key.secret, owner=owner, policy=KeyPolicy())
    keyfile.save(again, folder / "claimed.key", None)
    return folder


def test_a_judge_reads_a_permuted_copy_from_the_command_line(run, parties, settled, unmarked, digits, tmp_path):
    """The mark is not drawn for this key, so nothing is shown: what was said, charged and handed over is looked at here."""
    from modelmark.attacks.symmetries.permute import Permute

    for who in ("owner", "judge"):
        run("identity", "--unencrypted", "-o", tmp_path / f"{who}.id")
    suspect = save(Permute()(settled[1], digits, seed=1).state_dict(), tmp_path / "suspect.safetensors")
    claim, owner, judge = (
        tmp_path / "a.claim",
        ["--identity", tmp_path / "owner.id"],
        ["--identity", tmp_path / "judge.id"],
    )
    ran = run("claim", parties / "claimed.key", *owner, "-o", claim)
    assert "81.0 bits charged" in ran.err
    assert "hand the host over with each opening" in ran.err
    assert envelope.load(claim, Claim).document.policy.readings == 2
    one = run("claim", parties / "claimed.key", *owner, "--readings", 1, "-o", tmp_path / "one.claim")
    assert "80.0 bits charged" in one.err
    assert "host" not in one.err
    asked, opening = tmp_path / "a.challenge", tmp_path / "a.opening"
    assert run("challenge", claim, "--weights", suspect, *judge, "-o", asked).status == 0
    ran = run("open", claim, asked, "--key", parties / "claimed.key", *owner, "-o", opening)
    assert "hand over the weights of the host as well" in ran.err
    judged = ["judge", claim, asked, "--opening", opening, "--weights", suspect, *judge]
    wrong = run(*judged, "--host", parties / "marked.safetensors", "-o", tmp_path / "wrong.verdict")
    assert (wrong.status, (tmp_path / "wrong.verdict").exists()) == (2, False)
    assert "expected the unmarked host that the key committed to before the draw" in wrong.err
    assert run(*judged, "--host", parties / "host.safetensors", "-o", tmp_path / "a.verdict").status == 1
    details = {check.name: check.detail for check in envelope.load(tmp_path / "a.verdict", Verdict).document.checks}
    assert details["answers"].startswith("256 queries were answered as cnn, which the claim committed to: ")
    assert details["answers"].endswith("the best of 8 readings")


def test_a_judge_refuses_an_empty_file_before_anything_is_opened(run, parties, tmp_path):
    run("identity", "--unencrypted", "-o", tmp_path / "owner.id")
    claim, who = tmp_path / "a.claim", ["--identity", tmp_path / "owner.id"]
    assert run("claim", parties / "adi.key", *who, "-o", claim).status == 0
    assert envelope.load(claim, Claim).document.policy.readings == 1
    empty = save({}, tmp_path / "empty.safetensors")
    ran = run("challenge", claim, "--weights", empty, *who, "-o", tmp_path / "a.challenge")
    assert (ran.status, ran.out, (tmp_path / "a.challenge").exists()) == (3, "", False)
    assert ran.err.splitlines() == [
        "modelmark: error: expected weights in empty.safetensors, found no tensor",
        "modelmark: hint: nothing was opened, and no lot is spent",
    ]

"""A copy and its row appear together or not at all; the same again; what is refused."""

import hashlib
import json
import math
import os
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import torch
from copies_cases import HIDDEN, combined, made, state, suspect, written
from safetensors.torch import load_file, save_file
from sqlalchemy import event

from modelmark.carriers.spread import Runs
from modelmark.copies import issuing
from modelmark.copies.dispersing import personal
from modelmark.copies.issuing import issue
from modelmark.copies.reading import Traced, for_recipient
from modelmark.copies.registry import Copy, Registry
from modelmark.copies.tracing import trace
from modelmark.errors import MalformedError, MismatchError, NotEmbeddedError, SuspectError, UsageError
from modelmark.marks.keys import KeyPolicy, Provenance, keygen
from modelmark.marks.onfiles import imprint_file, is_host, keygen_for_file
from modelmark.schemes.adi import Adi
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.files import open_weights
from modelmark.suspects.module import WhiteBox


@pytest.fixture
def plain(tmp_path):
    return written(tmp_path / "plain.safetensors")


@pytest.fixture
def mark(plain):
    return made(plain)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "s.copies", make=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_is_what_the_recipients_draw_says_and_its_row_says_which_file(mark, plain, registry, tmp_path):
    done = issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert done.digest == hashlib.sha256((tmp_path / "ada").read_bytes()).hexdigest()
    assert (done.recipient, done.draw) == ("Ada", mark.draw.of("Ada").seed.hex())
    assert registry.find("Ada") == done
    assert [*registry.copies()] == [done]
    found = for_recipient(mark, "Ada").evidence(suspect(tmp_path / "ada"), align_to=suspect(plain))
    assert (found.matches, found.trials) == (1024, 1024)
    assert "a name of 3 bytes" in [charge.reason for charge in found.charges]
    assert mark.evidence(suspect(tmp_path / "ada"), align_to=suspect(plain)).gross_bits < 20


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_move_as_far_as_a_mark_moves_them_but_each_by_another_amount(kind, tmp_path, registry):
    plain = written(tmp_path / "plain.safetensors", state(kind))
    mark = made(plain)
    issue(mark, "Ada", plain, tmp_path / "ada", registry)
    before, after = load_file(plain), load_file(tmp_path / "ada")
    moves, spread = [], []
    for name, tensor in before.items():
        assert after[name].dtype == kind
        moved = (after[name].double() - tensor.double()) / tensor.double().std(correction=0)
        moves.append(moved.square().mean().sqrt().item())
        spread.append((moved.abs() / moved.abs().mean()).std().item())
    assert np.mean(moves) == pytest.approx(mark.key.scheme.strength, rel=0.03)
    assert min(spread) > 0.9  # of one size it would be 0, of the exponential distribution it is 1
    assert np.ptp(moves) < 0.01


def test_all_other_bytes_are_the_originals(plain, mark, registry, tmp_path):
    held = state() | {"lm_head.weight": torch.ones(7, HIDDEN), "steps": torch.arange(3)}
    plain = written(tmp_path / "more.safetensors", held)
    issue(made(plain), "Ada", plain, tmp_path / "ada", registry)
    after = load_file(tmp_path / "ada")
    assert [name for name, tensor in held.items() if torch.equal(tensor, after[name])] == ["lm_head.weight", "steps"]
    length = 8 + int.from_bytes(plain.read_bytes()[:8], "little")
    assert plain.read_bytes()[:length] == (tmp_path / "ada").read_bytes()[:length]


def test_in_memory_as_in_a_file(fresh, digits, tmp_path, registry):
    weights.save(fresh, tmp_path / "plain")
    mark = keygen(Spread(), fresh, digits.feed).mark()
    issue(mark, "Ada", tmp_path / "plain", tmp_path / "ada", registry)
    ours = personal(fresh, for_recipient(mark, "Ada")).state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in load_file(tmp_path / "ada").items())
    (named,) = trace(mark, WhiteBox(personal(fresh, for_recipient(mark, "Ada"))), ["Ada", "Bob"]).named
    assert named == "Ada"


def test_the_same_recipient_twice_is_said_with_date_and_digest_and_can_be_written_again(
    mark, plain, registry, tmp_path
):
    done = issue(mark, "Zo\xeb", plain, tmp_path / "first", registry)
    with pytest.raises(UsageError, match=f"Zo\xeb has one since {done.date}, SHA-256 {done.digest}"):
        issue(mark, "Zoe\u0308", plain, tmp_path / "second", registry)
    assert not (tmp_path / "second").exists()
    assert issue(mark, "Zo\xeb", plain, tmp_path / "second", registry, again=True) == done
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    with pytest.raises(UsageError, match="Bob has none"):
        issue(mark, "Bob", plain, tmp_path / "third", registry, again=True)


def test_again_from_a_file_of_other_bytes_is_refused(mark, plain, registry, tmp_path):
    issue(mark, "Ada", plain, tmp_path / "first", registry)
    other = tmp_path / "other"
    save_file(state(), other, metadata={"note": "the same tensors"})
    with pytest.raises(MismatchError, match="expected the bytes of the first copy"):
        issue(mark, "Ada", other, tmp_path / "second", registry, again=True)
    assert not (tmp_path / "second").exists()
    assert registry.count() == 1


def test_a_copy_of_a_copy_is_refused_for_it_would_name_somebody_innocent(mark, plain, registry, tmp_path, monkeypatch):
    issue(mark, "Ada", plain, tmp_path / "ada", registry)
    with monkeypatch.context() as old:  # what the rule was: any file is taken
        old.setattr(issuing, "is_host", lambda key, file: True)
        issue(mark, "Bob", tmp_path / "ada", tmp_path / "bob", registry)
    assert "Ada" in trace(mark, suspect(tmp_path / "bob"), ["Ada", "Bob"], align_to=suspect(plain)).named
    with pytest.raises(
        MismatchError, match="expected the weights that the key was made for, ada holds others"
    ) as refused:
        issue(mark, "Cleo", tmp_path / "ada", tmp_path / "cleo", registry)
    assert "name those of keygen" in refused.value.hint
    assert not (tmp_path / "cleo").exists()
    assert registry.find("Cleo") is None


def test_a_key_made_with_a_network_knows_its_host_in_a_file(fresh, digits, tmp_path, registry):
    """The digest in the key is of the network's tensors; a file may name them otherwise."""
    host = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    own = Provenance(arch="cnn", host=weights.digest(host))
    mark = keygen(Spread(), fresh, digits.feed, owner=own).mark()
    prefixed = written(tmp_path / "plain", {f"module.{name}": tensor for name, tensor in host.items()})
    assert open_weights(prefixed).digest != own.host
    issue(mark, "Ada", prefixed, tmp_path / "ada", registry)
    with pytest.raises(MismatchError, match="ada holds others"):
        issue(mark, "Bob", tmp_path / "ada", tmp_path / "bob", registry)


def test_a_host_of_shared_weights_is_known_in_a_file_that_holds_them_once(tmp_path):
    held = state()
    key = replace(made(written(tmp_path / "plain")).key, host=weights.digest(held | {"head": held["layers.0.weight"]}))
    assert not is_host(key, open_weights(tmp_path / "plain"))
    save_file(held, tmp_path / "tied", metadata={"head": "layers.0.weight"})
    assert is_host(key, open_weights(tmp_path / "tied"))


class Stopped(BaseException):
    """A process that is killed."""


def test_killed_between_row_and_name_the_copy_can_be_written_again(mark, plain, registry, tmp_path, monkeypatch):
    """What a kill leaves is a row without a file: nobody holds a copy of which ``trace`` knows nothing."""
    monkeypatch.setattr(registry, "remove", lambda name: None)  # a killed process tidies nothing
    monkeypatch.setattr(issuing.copying, "_named", lambda *_: (_ for _ in ()).throw(Stopped))
    with pytest.raises(Stopped):
        issue(mark, "Ada", plain, tmp_path / "ada", registry)
    monkeypatch.undo()
    assert registry.find("Ada") is not None
    assert not (tmp_path / "ada").exists()
    with pytest.raises(UsageError, match="has one since") as refused:
        issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert "--again" in refused.value.hint
    done = issue(mark, "Ada", plain, tmp_path / "ada", registry, again=True)
    assert done.digest == hashlib.sha256((tmp_path / "ada").read_bytes()).hexdigest()


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stops_before_the_name_leaves_neither_row_nor_file(stop, mark, plain, registry, tmp_path, monkeypatch):
    issue(mark, "Bob", plain, tmp_path / "bob", registry)
    before = names(tmp_path)

    def fail(*_):
        raise stop

    monkeypatch.setattr(issuing.copying, "_named", fail)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert names(tmp_path) == before
    assert registry.find("Ada") is None
    assert registry.count() == 1


def test_interrupted_once_the_file_has_its_name_the_row_stays(mark, plain, registry, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(issuing.copying.shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert (tmp_path / "ada").exists()
    assert registry.find("Ada").digest == hashlib.sha256((tmp_path / "ada").read_bytes()).hexdigest()


def test_no_space_while_it_is_written_leaves_neither_row_nor_file(mark, plain, registry, tmp_path, monkeypatch):
    def full(source, new):
        new.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    before = names(tmp_path)
    monkeypatch.setattr(issuing.copying.shutil, "copyfile", full)
    with pytest.raises(UsageError, match="No space left on device"):
        issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert names(tmp_path) == before


def test_a_registry_that_is_full_leaves_no_file(mark, plain, tmp_path):
    registry = Registry(tmp_path / "s.copies", make=True)
    issue(mark, "Ada", plain, tmp_path / "ada", registry)
    registry = Registry(tmp_path / "s.copies")
    before = (tmp_path / "s.copies").read_bytes()
    pages = len(before) // int.from_bytes(before[16:18], "big")
    begin_with(registry, f"PRAGMA max_page_count={pages}")
    with pytest.raises(UsageError, match="database or disk is full"):
        fill(registry, mark)
    with pytest.raises(UsageError, match="database or disk is full"):
        issue(mark, "Z" * 200, plain, tmp_path / "z", registry)
    assert not (tmp_path / "z").exists()
    assert [name for name in names(tmp_path) if name.startswith(".")] == []
    assert registry.find("Ada") is not None


def begin_with(registry, statement):
    """Let every connection of a registry begin with a statement."""
    event.listen(registry._engine, "connect", lambda connection, _: connection.execute(statement))


def fill(registry, mark):
    for number in range(200):
        name = f"{number:0200}"
        registry.add(Copy(name, mark.draw.of(name).seed.hex(), "ab" * 32, "2026-01-01T00:00:00Z"))


def test_somebody_else_was_faster(mark, plain, registry, tmp_path, monkeypatch):
    """Between the look at the registry and the row another process wrote one for the same name: its row stays."""
    monkeypatch.setattr(registry, "find", lambda name: None)
    issue(mark, "Ada", plain, tmp_path / "first", registry)
    with pytest.raises(UsageError, match="Ada got one a moment ago"):
        issue(mark, "Ada", plain, tmp_path / "second", registry)
    assert not (tmp_path / "second").exists()
    assert registry.count() == 1


def of_host(mark, file):
    """Return the mark as of a key that was made for another file, which keygen would refuse."""
    return replace(mark.key, host=open_weights(file).digest).mark()


def test_what_cannot_be_marked_is_refused_and_makes_no_registry(mark, plain, tmp_path, fresh, digits):
    broken = state()
    broken["layers.1.weight"][3, 4] = float("nan")
    nan = written(tmp_path / "nan", broken)
    adi = keygen(Adi(), fresh, digits.feed).mark()
    for own, file, kind, says in (
        (of_host(mark, nan), nan, SuspectError, "NaN or infinity"),
        (mark, nan, MismatchError, "nan holds others"),
        (mark, written(tmp_path / "other", {"layers.0.weight": torch.ones(3, 4)}), MismatchError, "expected"),
        (adi, plain, UsageError, "expected a spread key for copies, got adi"),
    ):
        before = names(tmp_path)
        registry = Registry(tmp_path / "s.copies", make=True)
        with pytest.raises(kind, match=says):
            issue(own, "Ada", file, tmp_path / "out", registry)
        assert names(tmp_path) == before


def test_a_bit_that_did_not_come_is_said(plain, registry, tmp_path):
    """Whole numbers of bf16 are further apart than the push: a type that cannot hold the message."""
    held = {name: torch.sign(tensor).half() * 1024 for name, tensor in state().items()}
    file = written(tmp_path / "coarse", held)
    with pytest.raises(NotEmbeddedError, match="expected every bit in the copy"):
        issue(made(file, strength=1e-5), "Ada", file, tmp_path / "out", registry)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "s.copies").exists()


@pytest.mark.parametrize("name", ["", "A\n", "x" * 201, " A"])
def test_a_name_is_refused_before_anything_is_written(name, mark, plain, registry, tmp_path):
    with pytest.raises(UsageError, match="expected a name of 1 to 200 printable characters"):
        issue(mark, name, plain, tmp_path / "out", registry)
    assert names(tmp_path) == ["plain.safetensors"]


@pytest.mark.parametrize(("how", "count"), [("mean", 10), ("median", 10), ("mix", 10), ("midrange", 10)])
def test_ten_who_put_their_copies_together_are_all_named_and_nobody_else(how, count, mark, plain, registry, tmp_path):
    everyone = [f"customer {number}" for number in range(200)]
    held = []
    for name in everyone[:count]:
        issue(mark, name, plain, tmp_path / name, registry)
        held.append(load_file(tmp_path / name))
    written(tmp_path / "stolen", combined(held, how))
    found = trace(mark, suspect(tmp_path / "stolen"), everyone, align_to=suspect(plain), bar=40)
    assert sorted(found.named) == sorted(everyone[:count])
    assert found.charges[0].reason == "201 messages tested"


def test_copies_of_one_size_fall_to_the_middle_of_the_outermost(mark, plain, tmp_path):
    """The fault of pushing equally far, as ``embed`` does: ten copies compared give the unmarked weights back."""
    everyone, held = [f"customer {number}" for number in range(200)], []
    for name in everyone[:10]:
        imprint_file(plain, tmp_path / name, [for_recipient(mark, name)])
        held.append(load_file(tmp_path / name))
    written(tmp_path / "stolen", combined(held, "midrange"))
    assert trace(mark, suspect(tmp_path / "stolen"), everyone, align_to=suspect(plain), bar=8).named == []


def test_a_suspect_of_nobody_names_nobody(mark, plain, tmp_path):
    everyone = [f"customer {number}" for number in range(500)]
    for other in (plain, written(tmp_path / "other", state(seed=3))):
        found = trace(mark, suspect(other), everyone, align_to=suspect(plain), bar=1)
        assert found.named == []
        assert len(found.rows) == 501
        assert "0 of 500 recipients named" in str(found)


def test_everything_is_charged(mark, plain, tmp_path):
    found = trace(mark, suspect(plain), ["A", "B", "C"], align_to=suspect(plain), suspects=4)
    reasons = {charge.reason: charge.bits for charge in found.charges}
    assert reasons["4 messages tested"] == 2
    assert reasons["4 suspects tried"] == 2
    assert reasons["72 looks: 8 at each of 9 readings"] == pytest.approx(math.log2(72))
    alone = trace(mark, suspect(plain), [])
    assert [charge.reason for charge in alone.charges] == ["16 looks: 8 at each of 2 readings"]
    with pytest.raises(UsageError, match="got one twice"):
        trace(mark, suspect(plain), ["A", "A"])


def test_the_keys_own_message_is_tested_too(mark, plain, tmp_path):
    imprint_file(plain, tmp_path / "own", [mark])
    found = trace(mark, suspect(tmp_path / "own"), ["A"])
    assert (found.rows[0].recipient, found.rows[0].named, found.named) == ("", True, [])


def test_a_suspect_is_read_once_whoever_is_tested(mark, plain, monkeypatch):
    counted, sums = [], Runs.sums
    monkeypatch.setattr(Runs, "sums", lambda self, found: counted.append(1) or sums(self, found))
    trace(mark, suspect(plain), [f"customer {number}" for number in range(300)], align_to=suspect(plain))
    assert len(counted) == 1
    assert Traced.of(mark).carriers.leaves() == mark.key.carriers.leaves()


def test_a_self_check_key_names_nobody(plain, registry, tmp_path):
    key = keygen_for_file(Spread(), open_weights(plain), policy=KeyPolicy(self_check=True))
    issue(key.mark(), "Ada", plain, tmp_path / "ada", registry)
    found = trace(key.mark(), suspect(tmp_path / "ada"), ["Ada"])
    assert found.rows[0].net_bits > 64
    assert found.named == []
    assert "never evidence" in str(found)


def test_shards_have_one_digest(plain, mark, registry, tmp_path):
    source, held = tmp_path / "source", state()
    source.mkdir()
    for number in range(2):
        part = {name: tensor for name, tensor in held.items() if int(name[7]) % 2 == number}
        written(source / f"model-0000{number + 1}-of-00002.safetensors", part)
    where = {name: f"model-0000{int(name[7]) % 2 + 1}-of-00002.safetensors" for name in held}
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    done = issue(made(source), "Ada", source, tmp_path / "out", registry)
    parts = sorted((tmp_path / "out").glob("*.safetensors"))
    lines = "".join(f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}\n" for part in parts)
    assert done.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert os.listdir(source) != []


def test_a_row_that_was_changed_by_hand_is_damage(mark, plain, registry, tmp_path):
    issue(mark, "Ada", plain, tmp_path / "ada", registry)
    assert registry.recipients(mark.draw) == ["Ada"]
    with sqlite3.connect(tmp_path / "s.copies") as connection:
        connection.execute("update modelmark_copies set recipient = 'Bob'")
    with pytest.raises(MalformedError, match="expected the draw of Bob"):
        registry.recipients(mark.draw)
    with sqlite3.connect(tmp_path / "s.copies") as connection:
        connection.execute("update modelmark_copies set recipient = 'B\nb'")
    with pytest.raises(MalformedError, match="a damaged one"):
        registry.recipients(mark.draw)

"""Copies from the command line: written, listed, traced, proved to somebody else; what is refused, in one line."""

import base64
import dataclasses
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import torch
from rich.cells import cell_len
from safetensors.torch import load_file, save_file

from modelmark import files
from modelmark.copies import database
from modelmark.feeds.floats import FloatFeed
from modelmark.marks import keyfile
from modelmark.suspects import weights
from modelmark.suspects.files import copying
from modelmark.testing.authority import LocalAuthority

HIDDEN = 160
PAGE = Path(__file__).parents[2] / "docs" / "copies.md"


def state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = (0.02 * torch.randn(8, HIDDEN, HIDDEN, generator=generator)).to(torch.bfloat16)
    return {f"layers.{number}.weight": weight.clone() for number, weight in enumerate(drawn)}


@pytest.fixture
def plain(tmp_path):
    save_file(state(), tmp_path / "plain.safetensors")
    return tmp_path / "plain.safetensors"


@pytest.fixture
def key(plain, run, tmp_path):
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", tmp_path / "s.key").status == 0
    return tmp_path / "s.key"


@pytest.fixture
def issue(run, key, plain, tmp_path):
    def issued(name, *more):
        return run("issue", key, "--to", name, "--weights", plain, "-o", tmp_path / f"{name}.copy", *more)

    return issued


def refused(ran, status, *says):
    assert ran.status == status, ran
    assert ran.out == ""
    lines = [line for line in ran.err.splitlines() if not line.startswith("modelmark: hint: ")]
    assert len(lines) == 1, ran.err
    assert all(part in ran.err for part in says), ran.err


def test_who_leaked_it(issue, run, key, plain, tmp_path):
    for name in ("Ada", "Bob", "Cleo"):
        ran = issue(name)
        assert ran.status == 0, ran
        assert f"copy for {name}, SHA-256 " in ran.err
    assert "3 in s.copies" in ran.err
    listed = run("copies", key).out.splitlines()
    assert [line.split("  ")[-1] for line in listed] == ["Ada", "Bob", "Cleo"]
    rows = [json.loads(line) for line in run("copies", key, "--json").out.splitlines()]
    assert [row["recipient"] for row in rows] == ["Ada", "Bob", "Cleo"]
    assert all(row["digest"] in line and row["date"] in line for row, line in zip(rows, listed, strict=True))
    for aligned in ((), ("--align-to", plain)):
        found = run("trace", key, "--weights", tmp_path / "Bob.copy", *aligned)
        assert found.status == 0, found
        lines = found.out.splitlines()
        assert lines[0].split() == ["recipient", "bits", "net"]
        assert (lines[1].split()[0], lines[1].split()[-1]) == ("Bob", "named")
        assert lines[-1].startswith("1 of 3 recipients named at a bar of 64 bits: one in 2^64 traces at most")
    nobody = run("trace", key, "--weights", plain, "--json")
    assert nobody.status == 1
    assert json.loads(nobody.out)["named"] == []


def test_the_page_can_be_typed(run, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain.rename(tmp_path / "model.safetensors")
    block = PAGE.read_text().split("```console\n")[1].split("```")[0]
    *steps, trace = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines()]
    for words in steps:
        ran = run(*words[1:], *["--unencrypted"][: words[1] == "keygen"])
        assert ran.status == 0, ran
    shutil.copy("bob.safetensors", "suspect.safetensors")
    assert run(*trace[1:]).out.splitlines()[1].split()[:3] == ["Bob", "&", "Sons"]
    weighed = shlex.split(
        re.search(r"`modelmark (verify [^`]* --recipient [^`]*) --deposit [^`]*`", PAGE.read_text())[1]
    )
    assert run(*weighed).status == 1
    shutil.copy("ada.safetensors", "suspect.safetensors")
    assert run(*weighed).status == 0


@pytest.fixture
def stamping():
    """Yield the address of a throwaway timestamp authority and its root certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    with tempfile.TemporaryDirectory() as folder:
        local = LocalAuthority.make(Path(folder))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                answer = local.answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/", local.root
            server.shutdown()


def test_the_dispute_of_the_page_can_be_typed(run, plain, stamping, tmp_path, monkeypatch):
    """With the right recipient named, then with an innocent one, then with a name that the claim did not fix."""
    monkeypatch.chdir(tmp_path)
    address, root = stamping
    plain.rename(tmp_path / "model.safetensors")
    shutil.copy(root, "tsa.pem")
    shutil.copy(PAGE.parents[1] / "examples" / "recompute_verdict.py", ".")
    Path("customers.txt").write_text("Ada Ltd\nBob & Sons\nCleo\n")
    for name in ("owner.id", "judge.id"):
        assert run("identity", "--unencrypted", "-o", name).status == 0
    block = PAGE.read_text().split("## In a dispute")[1].split("```console\n")[1].split("```")[0]
    lines = [line.removeprefix("$ ").replace("https://tsa.example.org", address) for line in block.splitlines()]
    said = {}
    for line in lines:
        verb, *words = shlex.split(line)[1 if line.startswith("modelmark") else 0 :]
        if verb == "python":
            second = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
            continue
        said[verb] = run(verb, *words, *["--unencrypted"][: verb == "keygen"])
        assert said[verb].status == 0, said[verb]
        if verb == "issue":
            shutil.copy("ada.safetensors", "suspect.safetensors")
    assert "copies may be judged of the 3 names of customers.txt" in said["claim"].err
    assert " for the copy of Ada Ltd, open by " in said["challenge"].err
    assert said["judge"].out.startswith("dependence-shown; copy of Ada Ltd; 4096/4096 as drawn, 4,096.0 bits (net ")
    assert second.strip().endswith("net: dependence-shown")
    *_, asking, opening, judging, _ = lines

    def judged(name, title, *more):
        for line in (asking, opening, judging):
            words = shlex.split(line.replace('"Ada Ltd"', shlex.quote(name)).replace("ada.", f"{title}."))[1:]
            ran = run(*words, *(more if words[0] == "challenge" else ()))
        return ran

    earlier = ("--verdict", "ada.verdict")
    assert judged("Bob & Sons", "bob", *earlier).out.startswith("no-evidence; copy of Bob & Sons; ")
    assert judged("Ada Limited", "free", *earlier).out.startswith("no-evidence; copy of Ada Limited; ")
    verdict = json.loads(base64.b64decode(json.loads(Path("free.verdict").read_text())["payload"]))["predicate"]
    reasons = [charge["reason"] for charge in verdict["weighed"][0]["charges"]]
    assert reasons[-2:] == ["5 messages, names off the list counted as one", "a name of 11 bytes"]
    again = shlex.split(asking.replace("ada.challenge", "again.challenge"))[1:]
    refused(run(*again, *earlier), 3, "expected an unspent lot, lot 0 of key 0 was opened before")


def test_a_key_made_for_a_file_alone_can_be_claimed_and_so_can_an_older_one(run, key, plain, tmp_path):
    """Its statement was of version 2, which no claim took before version 3."""
    identity = ("--identity", tmp_path / "owner.id")
    assert run("identity", "--unencrypted", "-o", tmp_path / "owner.id").status == 0
    assert run("claim", key, *identity, "-o", tmp_path / "new.claim").status == 0
    made = keyfile.load(key, None)
    keyfile.save(dataclasses.replace(made, feed=FloatFeed((1,), ("0", "1"))), tmp_path / "old.key", None)
    assert run("claim", tmp_path / "old.key", *identity, "-o", tmp_path / "old.claim").status == 0
    assert run("verify", tmp_path / "old.key", plain).status == 1


def test_names_are_refused_where_the_claim_cannot_pay_for_them(run, key, tmp_path):
    identity = ("--identity", tmp_path / "owner.id")
    assert run("identity", "--unencrypted", "-o", tmp_path / "owner.id").status == 0
    net = ("--data", "digits", "--arch", "cnn", "--unencrypted")
    assert run("keygen", "uchida", *net, "-o", tmp_path / "u.key").status == 0
    (tmp_path / "names").write_text("Ada\n")
    out = ("-o", tmp_path / "c.claim")
    refused(run("claim", tmp_path / "u.key", "--copies", *identity, *out), 2, "expected a key of spread for --copies")
    named = ("--names", tmp_path / "names")
    refused(run("claim", key, *named, *identity, *out), 2, "an offline one binds the key alone")
    for text, status, says in ((b"\n", 2, "got none"), (b"\xff", 3, "in UTF-8"), (b" Ada", 2, "a name of 1 to 200")):
        (tmp_path / "names").write_bytes(text)
        refused(run("claim", key, *named, *identity, *out), status, says)
    assert not (tmp_path / "c.claim").exists()
    assert run("claim", key, *identity, *out).status == 0
    suspect = ("--weights", tmp_path / "plain.safetensors", "--recipient", "Ada")
    words = ("challenge", tmp_path / "c.claim", *suspect, *identity, "-o", tmp_path / "c.challenge")
    refused(run(*words), 3, "expected a claim that says beforehand that key 0 has copies", "claim --copies")
    refused(run(*words[:3], *suspect[1:3], " Ada", *words[6:]), 2, "expected a name of 1 to 200")


def test_all_who_put_their_copies_together_are_named(issue, run, key, plain, tmp_path):
    names = [f"customer {number}" for number in range(12)]
    held = []
    for name in names:
        assert issue(name).status == 0
        held.append(load_file(tmp_path / f"{name}.copy"))
    mean = {name: torch.stack([one[name].float() for one in held[:5]]).mean(0) for name in held[0]}
    save_file(mean, tmp_path / "stolen")
    words = ("trace", key, "--weights", tmp_path / "stolen", "--align-to", plain)
    found = json.loads(run(*words, "--json").out)
    assert sorted(found["named"]) == names[:5]
    assert found["charges"][0]["reason"] == "13 messages tested"
    for row in found["rows"]:
        net = row["gross_bits"] - sum(charge["bits"] for charge in found["charges"])
        assert row["net_bits"] == pytest.approx(max(net, 0))
        assert row["named"] == (row["net_bits"] >= found["bar"])
    few, everybody = run(*words), run(*words, "--all")
    assert "and 3 more, none named: --all shows them" in few.out
    assert len(everybody.out.splitlines()) == 1 + 13 + 1


def test_several_keys_are_traced_at_once_and_all_their_recipients_are_charged(issue, run, key, plain, tmp_path):
    """Each key's trace by itself would charge its own recipients alone, and two traces name somebody innocent twice as often."""
    other = tmp_path / "t.key"
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", other).status == 0
    for name in ("Ada", "Bob", "Cleo"):
        assert issue(name).status == 0
    for name in ("Ada", "Dora"):
        out = ("-o", tmp_path / f"{name}.of.t")
        assert run("issue", other, "--to", name, "--weights", plain, *out).status == 0
    both = run("trace", key, other, tmp_path / "Bob.copy", "--json")
    found = json.loads(both.out)
    assert (both.status, found["type"], [part["named"] for part in found["parts"]]) == (
        0,
        "modelmark.traces",
        [["Bob"], []],
    )
    assert [part["charges"][0]["reason"] for part in found["parts"]] == ["7 messages tested"] * 2
    alone = json.loads(run("trace", key, tmp_path / "Bob.copy", "--json").out)
    assert alone["charges"][0]["reason"] == "4 messages tested"
    shown = run("trace", other, key, tmp_path / "Dora.of.t")
    lines = shown.out.splitlines()
    assert (shown.status, lines[0], lines[2].split()[0]) == (0, f"{other}:", "Dora")
    assert f"{key}:" in lines
    assert lines[-1].startswith("1 of 5 recipients of 2 keys named at a bar of 64 bits: one in 2^64 traces at most")
    named = ("--registry", tmp_path / "s.copies")
    refused(run("trace", key, other, tmp_path / "Bob.copy", *named), 2, "--registry or --database with one key")
    refused(run("trace", key, key, tmp_path / "Bob.copy"), 2, "expected different keys, got the same one twice")
    assert run("trace", key, other, plain).status == 1


def test_a_recipients_copy_is_proved_from_key_and_name_and_the_name_is_charged(issue, run, key, plain, tmp_path):
    assert issue("Ada").status == 0
    (tmp_path / "s.copies").unlink()  # no registry is needed
    words = ("verify", key, "--weights", tmp_path / "Ada.copy", "--align-to", plain, "--json", "--recipient")
    found = json.loads(run(*words, "Ada").out)
    assert (found["matches"], found["verdict"]) == (1024, "established")
    assert {charge["reason"]: charge["bits"] for charge in found["charges"]}["a name of 3 bytes"] == 34
    assert json.loads(run(*words, "Bob").out)["verdict"] == "not established"
    refused(run(*words[:-2], "--recipient", " Bob"), 2, "expected a name of 1 to 200")


def test_no_name_is_no_recipient_for_verify_as_for_issue(issue, run, key, tmp_path):
    """An empty name would weigh the key's own message, which nobody asked for."""
    assert issue("Ada").status == 0
    ran = run("verify", key, tmp_path / "Ada.copy", "--recipient", "")
    refused(ran, 2, "expected a name of 1 to 200 printable characters")
    assert run("verify", key, tmp_path / "Ada.copy").status == 1


def test_the_same_recipient_twice(issue, run, key, plain, tmp_path):
    assert issue("Ada").status == 0
    row = json.loads(run("copies", key, "--json").out)
    words = ("issue", key, "--to", "Ada", "--weights", plain, "-o", tmp_path / "again")
    refused(run(*words), 2, row["date"], row["digest"], "--again")
    assert not (tmp_path / "again").exists()
    assert run(*words, "--again").status == 0
    assert (tmp_path / "again").read_bytes() == (tmp_path / "Ada.copy").read_bytes()


def test_a_registry_that_is_locked_damaged_missing_or_anothers(issue, run, key, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    assert issue("Ada").status == 0
    registry, whole = tmp_path / "s.copies", (tmp_path / "s.copies").read_bytes()
    bob = ("issue", key, "--to", "Bob", "--weights", plain, "-o", tmp_path / "bob")
    suspect = ("--weights", tmp_path / "Ada.copy")
    holding = sqlite3.connect(registry)
    holding.execute("begin exclusive")
    for words in (bob, ("copies", key), ("trace", key, *suspect)):
        refused(run(*words), 2, "expected the registry s.copies, another process holds it")
    holding.rollback()
    holding.execute("begin immediate")  # it may be read and not written: said after the copy was made, which goes
    refused(run(*bob), 2, "another process holds it")
    holding.rollback()
    holding.close()
    assert registry.read_bytes() == whole
    registry.write_bytes(b"no registry at all" * 300)
    for words in (bob, ("copies", key), ("trace", key, *suspect)):
        refused(run(*words), 3, "something else or a damaged one", "hint: nothing was changed")
    assert registry.read_bytes() == b"no registry at all" * 300
    registry.unlink()
    for words in (("copies", key), ("trace", key, *suspect)):
        refused(run(*words), 3, "expected a registry of copies at", "found none")
    assert not registry.exists()
    registry.write_bytes(whole)
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", tmp_path / "t.key").status == 0
    other = ("issue", tmp_path / "t.key", "--registry", registry, "--to", "Bob", "--weights", plain)
    refused(run(*other, "-o", tmp_path / "bob"), 3, "s.copies is that of another")
    refused(run("trace", tmp_path / "t.key", "--registry", registry, *suspect), 3, "is that of another")
    both = ("--registry", registry, "--database", "postgresql://u@h/d")
    refused(run("copies", key, *both), 2, "expected --registry or --database, got both")
    refused(run("copies", key, "--database", "mysql://u@h/d"), 2, "expected --database postgresql://")
    assert registry.read_bytes() == whole
    assert not (tmp_path / "bob").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_may_only_be_read(issue, run, key, plain, tmp_path, monkeypatch):
    """Root may write whatever the mode says, so the answer of the operating system is put in its place."""
    monkeypatch.setattr(files.os, "access", lambda _, mode: mode != os.W_OK)
    refused(issue("Ada"), 2, "expected a writable folder")
    assert not (tmp_path / "s.copies").exists()


def test_no_space_left_leaves_nothing_behind(issue, run, key, plain, tmp_path, monkeypatch):
    def full(source, new):
        new.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    before = sorted(tmp_path.iterdir())
    refused(issue("Ada"), 2, "No space left on device")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["", "x" * 201, "A\tB", "A\x1b]0;x\x07", " A"])
def test_a_name_that_is_none(name, run, key, plain, tmp_path):
    out = tmp_path / "out"
    refused(run("issue", key, "--to", name, "--weights", plain, "-o", out), 2, "expected a name of 1 to 200 printable")
    assert not out.exists()
    assert not (tmp_path / "s.copies").exists()


def test_a_suspect_of_another_architecture_and_a_key_of_another_scheme(issue, run, key, plain, fresh, tmp_path):
    assert issue("Ada").status == 0
    save_file({"layers.0.weight": torch.randn(8, 8)}, tmp_path / "other")
    refused(run("trace", key, "--weights", tmp_path / "other"), 3, "this model has none of them")
    net = ("--data", "digits", "--arch", "cnn", "--unencrypted")
    assert run("keygen", "uchida", *net, "-o", tmp_path / "u.key").status == 0
    weights.save(fresh, tmp_path / "cnn")
    suspect = ("--weights", tmp_path / "cnn")
    refused(
        run("issue", tmp_path / "u.key", "--to", "Ada", *suspect, "-o", tmp_path / "x"),
        2,
        "expected a spread key for copies",
    )
    refused(run("trace", tmp_path / "u.key", *suspect), 2, "expected a spread key for copies, got uchida")
    refused(run("verify", tmp_path / "u.key", *suspect, "--recipient", "Ada"), 2, "expected a spread key for copies")
    refused(issue("Ada", "--claim", tmp_path / "none.claim"), 2, "expected a new file")


def test_copies_of_a_claim_need_its_deposit(run, plain, tmp_path):
    made = ("--draw", "timestamp", "--unencrypted", "-o", tmp_path / "d.key")
    assert run("keygen", "spread", "--weights", plain, *made).status == 0
    words = ("issue", tmp_path / "d.key", "--to", "Ada", "--weights", plain, "-o", tmp_path / "ada")
    refused(run(*words), 2, "expected the deposit of this spread key's claim")
    assert run(*words, "--offline").status == 0
    refused(run("trace", tmp_path / "d.key", "--weights", tmp_path / "ada"), 2, "expected the deposit")
    assert run("trace", tmp_path / "d.key", "--weights", tmp_path / "ada", "--offline").status == 0


def test_copies_lists_no_customers_of_another_key(issue, run, key, plain, tmp_path):
    assert issue("Ada").status == 0
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", tmp_path / "t.key").status == 0
    other = ("copies", tmp_path / "t.key", "--registry", tmp_path / "s.copies")
    refused(run(*other), 3, "expected the registry of this key, s.copies is that of another")
    with sqlite3.connect(tmp_path / "s.copies") as connection:
        connection.execute("update modelmark_registry set version = 2")
    refused(run("copies", key), 3, "something else or a damaged one")


def test_copies_of_a_deposited_key_are_listed_without_the_deposit(run, plain, tmp_path):
    made = ("--draw", "timestamp", "--unencrypted", "-o", tmp_path / "d.key")
    assert run("keygen", "spread", "--weights", plain, *made).status == 0
    words = ("issue", tmp_path / "d.key", "--to", "Ada", "--weights", plain, "-o", tmp_path / "ada", "--offline")
    assert run(*words).status == 0
    assert run("copies", tmp_path / "d.key").out.endswith("Ada\n")


@pytest.mark.parametrize("name", ["(the key itself)", "(The Key itself)"])
def test_nobody_is_called_as_the_key_itself(name, issue, run, key, plain, tmp_path):
    """Its row would look like that of the key's own message, which is nobody's copy."""
    refused(run("issue", key, "--to", name, "--weights", plain, "-o", tmp_path / "x"), 2, "expected a recipient's name")
    assert not (tmp_path / "s.copies").exists()
    assert issue("Ada").status == 0
    rows = json.loads(run("trace", key, tmp_path / "Ada.copy", "--json").out)["rows"]
    assert [row["recipient"] for row in rows] == ["Ada", ""]
    assert "(the key itself)" in run("trace", key, tmp_path / "Ada.copy").out


def test_a_long_name_leaves_the_numbers_on_the_screen(run, key, plain, tmp_path):
    """Letters of two columns count as two; JSON has the name whole."""
    names = ["x" * 200, "李" * 200]
    for number, name in enumerate(names):
        assert run("issue", key, "--to", name, "--weights", plain, "-o", tmp_path / f"{number}").status == 0
    shown = run("trace", key, tmp_path / "1").out.splitlines()
    assert shown[1].startswith("李" * 19 + "… ")
    assert shown[1].endswith("named")
    assert any(line.startswith("x" * 39 + "…  ") for line in shown)
    assert max(map(cell_len, shown[:-1])) < 80
    assert len({cell_len(line.removesuffix("named").rstrip()) for line in shown[:4]}) == 1
    rows = json.loads(run("trace", key, tmp_path / "1", "--json").out)["rows"]
    assert {row["recipient"] for row in rows} == {*names, ""}


def test_only_the_weights_that_the_key_was_made_for_are_issued(issue, run, key, plain, tmp_path):
    assert issue("Ada").status == 0
    words = ("issue", key, "--to", "Bob", "--weights", tmp_path / "Ada.copy", "-o", tmp_path / "bob")
    ran = run(*words)
    refused(
        ran, 3, "expected the weights that the key was made for, Ada.copy holds others", "hint: name those of keygen"
    )
    assert not (tmp_path / "bob").exists()
    assert len(run("copies", key).out.splitlines()) == 1


def test_another_container_is_named_by_its_kind(key, run, tmp_path):
    torch.save(state(), tmp_path / "plain.pt")
    ran = run("issue", key, "--to", "Ada", "--weights", tmp_path / "plain.pt", "-o", tmp_path / "ada")
    refused(
        ran, 2, "expected safetensors to mark without training, got a torch checkpoint", "hint: save the state dict"
    )
    assert not (tmp_path / "s.copies").exists()


def test_stopped_by_a_signal_nothing_is_left(issue, run, key, tmp_path, monkeypatch):
    assert issue("Bob").status == 0
    before, handler = sorted(tmp_path.iterdir()), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(copying, "_named", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    ran = issue("Ada")
    refused(ran, 130, "interrupted")
    assert sorted(tmp_path.iterdir()) == before
    assert len(run("copies", key).out.splitlines()) == 1
    assert signal.getsignal(signal.SIGTERM) == handler

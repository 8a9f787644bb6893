"""Refusals of the dispute's commands, each one line, and the ways that ``test_dispute.py`` does not take."""

import base64
import http.server
import json
import shutil
import threading

import pytest

from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.claim import Claim
from modelmark.errors import UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.marks import keyfile, keys
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.suspects import weights
from modelmark.testing.authority import LocalAuthority

FACE = PictureFeed((1, 8, 8), tuple("0123456789"))
NET = ["--data", "digits", "--arch", "cnn", "--unencrypted"]


@pytest.fixture
def owner(run, tmp_path):
    """Return a folder with an identity, a key for an offline draw and one that waits for a deposit."""
    run("identity", "--unencrypted", "-o", tmp_path / "owner.id")
    run("keygen", "adi", *NET, "-o", tmp_path / "off.key")
    run("keygen", "adi", "--draw", "timestamp", *NET, "-o", tmp_path / "dated.key")
    return tmp_path


@pytest.fixture
def authority(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    return LocalAuthority.make(tmp_path_factory.mktemp("authority"))


def refused(ran, status, text):
    assert (ran.status, ran.out) == (status, "")
    assert text in ran.err
    assert all(line.startswith("modelmark: ") for line in ran.err.splitlines())


def test_a_key_that_waits_for_a_deposit_gives_no_message_without_it(owner, run):
    key = keyfile.load(owner / "dated.key", None)
    assert key.draw_kind == "timestamp"
    with pytest.raises(UsageError, match="expected the deposit of this adi key's claim"):
        key.mark()
    assert key.mark(key.draw(offline=True)).draw.kind == "offline"
    assert keyfile.load(owner / "off.key", None).mark().draw.kind == "offline"
    for verb in (["embed", owner / "dated.key"], ["verify", owner / "dated.key", "--weights", owner / "w"]):
        out = ["-o", owner / "m"] if verb[0] == "embed" else []
        refused(run(*verb, *out), 2, "expected the deposit of this adi key's claim")
    refused(run("keygen", "adi", "--draw", "moon", *NET, "-o", owner / "x.key"), 2, "expected a draw of kind")
    damaged = (owner / "off.key").read_bytes().replace(b'"data":"digits",', b'"data":"digits","draw":"offline",')
    (owner / "spelled.key").write_bytes(damaged)
    refused(run("inspect", owner / "spelled.key"), 3, "changed or truncated")


def test_embedding_a_waiting_key_offline_has_to_be_said(run, tmp_path):
    owner, net = tmp_path, ["--data", "digits", "--arch", "mlp", "--unencrypted"]
    assert run("keygen", "adi", "--draw", "timestamp", *net, "-o", owner / "dated.key").status == 0
    words = ["embed", owner / "dated.key", "--epochs", 1, "--rounds", 1, "-o", owner / "m"]
    assert run(*words).status == 2
    assert not (owner / "m").exists()
    run(*words, "--offline", "--keep")  # one epoch may be too little for a mark: that a model is written is enough
    assert (owner / "m").exists()


def test_claims_fit_their_keys(owner, run, authority):
    who = ["--identity", owner / "owner.id", "-o", owner / "x.claim"]
    refused(run("claim", owner / "dated.key", *who), 2, "expected keys for a draw by offline")
    pinned = ["--authority", authority.root]
    refused(run("claim", owner / "off.key", *pinned, *who), 2, "expected keys for a draw by timestamp")
    refused(run("claim", owner / "off.key", "--lots", 10, *who), 2, "expected lots of at least")
    refused(run("claim", owner / "off.key", owner / "off.key", *who), 2, "one root twice")
    secret = keyfile.load(owner / "off.key", None).secret
    twin = keys.keygen(Adi(triggers=120), build("cnn", (1, 8, 8), 10, seed=0), FACE, secret=secret)
    keyfile.save(twin, owner / "twin.key", None)
    refused(run("claim", owner / "off.key", owner / "twin.key", *who), 2, "expected a secret of its own for every key")
    assert run("claim", owner / "off.key", *who).status == 0
    refused(run("claim", owner / "off.key", *who), 2, "expected a new file")
    again = ["--prior", owner / "x.claim", "--identity", owner / "owner.id", "-o", owner / "y.claim"]
    assert "81.0 bits charged" in run("claim", owner / "off.key", *again).err
    assert envelope.load(owner / "y.claim", Claim).document.prior == (envelope.load(owner / "x.claim", Claim).digest,)
    refused(run("deposit", owner / "x.claim", "--request", "-o", owner / "q"), 2, "drawn by offline")


class _Http(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/timestamp-query"
        answer = self.server.authority.answer(asked)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


def test_an_authority_is_asked_over_http(owner, run, authority):
    server = http.server.HTTPServer(("127.0.0.1", 0), _Http)
    server.authority = authority
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        pinned, who = ["--authority", authority.root], ["--identity", owner / "owner.id"]
        assert run("claim", owner / "dated.key", *pinned, *who, "-o", owner / "c.claim").status == 0
        url = ["--url", f"http://127.0.0.1:{server.server_port}/"]
        assert run("deposit", owner / "c.claim", *pinned, *url, *who, "-o", owner / "c.deposit").status == 0
        refused(
            run("deposit", owner / "c.claim", *pinned, "--url", "ftp://x", *who, "-o", owner / "d"), 2, "http or https"
        )
        refused(run("deposit", owner / "c.claim", *pinned, *who, "-o", owner / "d"), 2, "for every --authority")
    finally:
        server.shutdown()
        server.server_close()
    refused(
        run("deposit", owner / "c.claim", *pinned, *url, *who, "-o", owner / "d"),
        2,
        f"expected an answer from {url[1]}, got: Connection refused",
    )
    taken = ["--deposit", owner / "c.deposit", "--weights", owner / "w"]
    refused(run("verify", owner / "dated.key", *taken), 2, "expected a pinned certificate")
    (owner / "c.claim").rename(owner / "moved")
    refused(run("verify", owner / "dated.key", *taken, *pinned), 2, "expected the claim beside its deposit")
    refused(
        run("verify", owner / "dated.key", *taken, *pinned, "--claim", owner / "moved"), 3, "expected a weight file"
    )


def test_inspect_reads_every_kind_and_refuses_what_is_damaged(owner, run):
    run("claim", owner / "off.key", "--identity", owner / "owner.id", "-o", owner / "a.claim")
    found = json.loads(run("inspect", owner / "a.claim", "--json").out)
    assert (found["type"], found["draw"]["kind"]) == ("modelmark.claim", "offline")
    assert "keys.0.statement.scheme adi" in run("inspect", owner / "a.claim").out
    assert json.loads(run("inspect", owner / "owner.id", "--json").out)["type"] == "modelmark.identity"
    data = (owner / "a.claim").read_bytes()
    (owner / "b.claim").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert run("inspect", owner / "b.claim").status == 3
    (owner / "nothing").write_bytes(b"\x00\x01")
    refused(run("inspect", owner / "nothing"), 3, "a document of a dispute, a transcript or weights")


def test_each_wrong_thing_handed_as_a_response_is_named_with_a_way_on(owner, run, authority):
    from modelmark.claim.dates import der

    pinned, who = ["--authority", authority.root], ["--identity", owner / "owner.id"]
    claim, query, answer = owner / "c.claim", owner / "c.tsq", owner / "c.tsr"
    run("claim", owner / "dated.key", *pinned, *who, "-o", claim)
    run("deposit", claim, "--request", "-o", query)
    raw = authority.answer(query.read_bytes())
    token = der.parse(raw).children[1]
    given = ["deposit", claim, *pinned, "--query", query, "--response", answer, *who, "-o", owner / "c.deposit"]
    for data, said, hint in (
        (token.encoded, "got a bare token", "openssl ts -reply"),
        (base64.b64encode(raw), "got the Base64 of a response", "base64 -d"),
        (b"<html>busy</html>", "got a web page", "application/timestamp-query"),
    ):
        answer.write_bytes(data)
        ran = run(*given)
        refused(ran, 3, f"{said} ({answer}, to {query})")
        assert f"hint: {hint}" in ran.err or hint in ran.err
    changed = [der.Node(der.INTEGER, b"\x01"), der.make(der.SEQUENCE, [der.Node(0x0C, b"another policy")])]
    answer.write_bytes(der.make(der.SEQUENCE, [der.make(der.SEQUENCE, changed), token]).encoded)
    ran = run(*given)
    assert ran.status == 0
    assert f"{answer}, to {query}: granted with changes: another policy" in ran.err


def test_carriers_longer_than_the_opening_says_are_not_read(tmp_path, monkeypatch):
    """Two gigabytes would be held for an opening of one byte; one byte too many is enough to refuse it."""
    from modelmark import files
    from modelmark.cli import judge

    path = tmp_path / "x.opening.carriers"
    with path.open("wb") as stream:
        stream.truncate(2**33)
    monkeypatch.setattr(files, "read", lambda *args, **more: pytest.fail("read whole"))
    assert judge._beside(tmp_path / "x.opening", 10) == bytes(11)
    assert judge._beside(tmp_path / "x.opening", 0) == bytes(1)


def test_what_lacks_or_is_another_file_is_named(owner, run, authority):
    pinned, who = ["--authority", authority.root], ["--identity", owner / "owner.id"]
    claim, query, answer = owner / "c.claim", owner / "c.tsq", owner / "c.tsr"
    run("claim", owner / "dated.key", *pinned, *who, "-o", claim)
    refused(run("deposit", claim, *who, "-o", owner / "x"), 2, "got no --authority\n")
    refused(run("deposit", claim, *pinned, "-o", owner / "x"), 2, "got no --identity\n")
    refused(run("deposit", claim, "-o", owner / "x"), 2, "got no --identity and no --authority\n")
    run("deposit", claim, "--request", "-o", query)
    answer.write_bytes(b"nothing")
    given = [*pinned, "--query", query, "--response", answer]
    refused(run("deposit", claim, *given, *who, "-o", owner / "x"), 3, f"({answer}, to {query})")
    answer.write_bytes(authority.answer(query.read_bytes()))
    run("identity", "--unencrypted", "-o", owner / "judge.id")
    judge = ["--identity", owner / "judge.id"]
    refused(run("deposit", claim, *given, *judge, "-o", owner / "x"), 2, "expected the identity that signed the claim")
    suspect = owner / "w.transcript"
    suspect.write_bytes(transcript.first_line(transcript.Head(envelope.load(claim, Claim).digest, 0, 0)))
    said = ["challenge", claim, *pinned, *judge, "--transcript", suspect, "-o", owner / "x.challenge"]
    refused(run(*said), 2, "hint: --deposit FILE")
    assert run("deposit", claim, *given, *who, "-o", owner / "c.deposit").status == 0
    said += ["--deposit", owner / "c.deposit"]
    refused(run(*said, "--test", "foo"), 2, "expected one of 'exact', 'e-process', got 'foo' for test\n")
    refused(run(*said, "--days", "1e300"), 2, "before the year 10000")
    refused(run(*said[:1], owner / "c.deposit", *said[2:]), 3, "of kind claim, got one of kind deposit")
    refused(run(*said), 3, "expected answers to all 100 trials")
    weights.save(build("cnn", (1, 8, 8), 10, seed=0), owner / "w.safetensors")
    held = ["--weights", owner / "w.safetensors"]
    said[said.index("--transcript") : said.index("--transcript") + 2] = held
    assert run(*said).status == 0
    opens = ["open", claim, owner / "x.challenge", "--key", owner / "dated.key", "-o", owner / "x.opening"]
    refused(run(*opens, *judge), 2, "expected the identity that signed the claim")
    assert not (owner / "x.opening.carriers").exists()
    judged = ["judge", claim, owner / "x.challenge", *held, *judge, "-o", owner / "x.verdict"]
    refused(run(*judged), 2, "hint: --deposit FILE")


def test_revocations_are_the_claimants(owner, run):
    run("claim", owner / "off.key", "--identity", owner / "owner.id", "-o", owner / "a.claim")
    run("identity", "--unencrypted", "-o", owner / "other.id")
    said = ["revoke", owner / "a.claim", "--reason", "mistake", "-o", owner / "r"]
    refused(run(*said, "--identity", owner / "other.id"), 2, "expected the identity that signed the claim")
    who = ["--identity", owner / "owner.id"]
    refused(run(*said, *who, "--lot", "x"), 2, "expected lots such as 0/3")
    refused(run(*said, *who, "--lot", "9/9"), 3, "expected a key from 0 to 0 of the claim, got 9")
    refused(run(*said, *who, "--lot", "0/9"), 3, "expected a lot from 0 to 0, got 9")
    bad = ["revoke", owner / "a.claim", "--reason", "foo", "-o", owner / "r"]
    refused(run(*bad, *who), 2, "got 'foo' for reason\n")
    refused(run(*said, *who, "--effective", "tomorrow"), 2, "expected a time like")
    after = ["--successor", owner / "a.claim"]
    refused(run(*said, *who, *after), 2, "expected --successor with --reason superseded, got mistake")
    cut = owner / "cut.claim"
    cut.write_bytes((owner / "a.claim").read_bytes()[:-9])
    refused(run("revoke", cut, *said[2:], *who), 3, "(cut.claim)")
    taken = [owner / "a.claim", owner / "a.claim"]  # no opening at all
    refused(run("judge", *taken, *who, "-o", owner / "v"), 3, "of kind challenge, got one of kind claim (a.claim)")
    assert run(*said, *who).status == 0
    assert "reason       mistake" in run("inspect", owner / "r").out


def test_identities_are_sealed_like_keys(run, tmp_path, monkeypatch, quick_seal):
    monkeypatch.setenv("MODELMARK_PASSPHRASE", "correct horse")
    assert run("identity", "--p256", "-o", tmp_path / "a.id").status == 0
    shown = run("inspect", tmp_path / "a.id").out
    assert "signers.p256" in shown
    assert "encrypted    true" in shown
    run("keygen", "adi", *NET, "-o", tmp_path / "off.key")
    monkeypatch.setenv("MODELMARK_PASSPHRASE", "battery staple")
    said = ["claim", tmp_path / "off.key", "--identity", tmp_path / "a.id", "-o", tmp_path / "c"]
    refused(run(*said), 3, "expected the passphrase")


def test_keygen_charges_what_the_draw_costs(run, tmp_path):
    ran = run("keygen", "adi", "--set", "triggers=40", "--draw", "timestamp", *NET, "-o", tmp_path / "a.key")
    assert ran.status == 0
    assert "at most 84.8 net bits" in ran.err
    refused(
        run("keygen", "adi", "--set", "triggers=40", *NET, "-o", tmp_path / "b.key"),
        2,
        "80 charged for an offline draw",
    )
    assert keys.Key.draw_kind == "offline"

"""A judge's ledger: what was asked before counts without being named, and two processes do not slip past one another.

And a nonce that an authority gives.
"""

import shutil

import pytest

from modelmark.claim.judging.ledger import NOTHING
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.verdict import Verdict
from modelmark.cli import ledger, papers
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.testing.authority import LocalAuthority

NET = ["--data", "digits", "--arch", "cnn", "--unencrypted"]


@pytest.fixture
def desk(run, tmp_path, monkeypatch):
    """A folder with a claim of two lots and one suspect, two suspects, both parties, and a ledger."""
    monkeypatch.chdir(tmp_path)
    for name in ("owner", "judge"):
        run("identity", "--unencrypted", "-o", f"{name}.id")
    run("keygen", "adi", "--set", "triggers=120", *NET, "-o", "a.key")
    for name, lots in (("a", 2), ("b", 1)):
        who = ["--identity", "owner.id", "--lots", lots, "-o", f"{name}.claim"]
        assert run("claim", "a.key", *who).status == 0
    for seed in (0, 1):
        weights.save(build("cnn", (1, 8, 8), 10, seed=seed), tmp_path / f"{seed}.safetensors")
    (tmp_path / "ledger").mkdir()
    return tmp_path


def asks(suspect: int, out: str, *more: object, claim: str = "a") -> list[object]:
    who = ["--identity", "judge.id", "--weights", f"{suspect}.safetensors", "-o", out]
    return ["challenge", f"{claim}.claim", *who, *more]


KEPT = ["--ledger", "ledger"]


def kept(folder, kind: str) -> int:
    return len(list((folder / "ledger").glob(f"*.{kind}")))


def refused(ran, text):
    assert (ran.status, ran.out) == (3, "")
    assert text in ran.err


def test_a_ledger_knows_what_waits_without_being_told(desk, run):
    assert run(*asks(0, "one", *KEPT)).status == 0
    refused(run(*asks(0, "two", *KEPT)), "lot 0 of key 0 is asked for in a challenge that has no verdict yet")
    refused(run(*asks(1, "two", "--lot", 1, *KEPT)), "expected at most 1 suspects")
    refused(run(*asks(0, "two", *KEPT, claim="b")), "lot 0 of key 0 is asked for")  # the same key under another claim
    assert (kept(desk, "challenge"), kept(desk, "claim"), (desk / "two").exists()) == (1, 1, False)
    assert run(*asks(1, "old")).status == 0  # as it was: handed no verdict, nobody knows
    refused(run(*asks(1, "two", "--challenge-record", "one")), "lot 0 of key 0")


def test_a_challenge_that_comes_between_looking_and_writing_is_seen(desk, run, monkeypatch):
    """Two processes look at one moment, and neither sees the other; each looks again when its own is written."""
    assert run(*asks(0, "one", *KEPT)).status == 0
    looks, look = [], ledger.known

    def late(*words):
        looks.append(words)
        return NOTHING if len(looks) == 1 else look(*words)

    monkeypatch.setattr(ledger, "known", late)
    refused(run(*asks(1, "two", *KEPT)), "lot 0 of key 0 is asked for")
    assert (len(looks), kept(desk, "challenge"), (desk / "two").exists()) == (2, 1, False)


def test_no_answer_in_time_spends_the_lot_and_the_ledger_says_so(desk, run, monkeypatch):
    assert run(*asks(0, "one", *KEPT)).status == 0
    monkeypatch.setattr(papers, "now", lambda: "2999-01-01T00:00:00Z")
    monkeypatch.setattr(papers, "later", lambda days: "2999-02-01T00:00:00Z")
    judged = ["judge", "a.claim", "one", "--weights", "0.safetensors", "--identity", "judge.id", *KEPT, "-o", "v"]
    assert run(*judged).status == 1
    found = envelope.load(desk / "v", Verdict).document
    assert (found.decision, len(found.spent), len(found.burned), kept(desk, "verdict")) == ("no-evidence", 1, 1, 1)
    refused(run(*asks(0, "two", *KEPT)), "lot 0 of key 0 was asked for before, and no opening came")
    assert run(*asks(0, "two", "--lot", 1, *KEPT)).status == 0


def test_a_ledger_holds_papers_of_other_matters_too(desk, run):
    run("keygen", "adi", *NET, "-o", "other.key")
    assert run("claim", "other.key", "--identity", "owner.id", "-o", "c.claim").status == 0
    assert run(*asks(0, "one", *KEPT, claim="c")).status == 0
    assert run(*asks(0, "two", *KEPT)).status == 0
    known = ledger.known(papers.load(desk / "a.claim", Claim), None, None, None, None, desk / "ledger")
    assert [one.document.claim for one in known.challenges] == [one.digest for one in known.claims]
    assert (kept(desk, "challenge"), len(known.challenges)) == (2, 1)


def test_papers_about_another_claim_of_the_key_count_if_it_is_at_hand(desk, run):
    assert run(*asks(0, "one")).status == 0
    said = asks(0, "two", "--challenge-record", "one", claim="b")
    ran = run(*said)
    assert (ran.status, "hint: if that is one of the same keys: --other-claim FILE" in ran.err) == (2, True)
    refused(run(*said, "--other-claim", "a.claim"), "lot 0 of key 0 is asked for")


def test_a_ledger_is_a_folder_of_whole_papers(desk, run):
    ran = run(*asks(0, "one", "--ledger", "nowhere"))
    assert (ran.status, "expected a folder for the ledger" in ran.err) == (2, True)
    (desk / "ledger" / "x.challenge").write_bytes((desk / "a.claim").read_bytes())
    refused(run(*asks(0, "one", *KEPT)), "x.challenge")
    (desk / "ledger" / "x.challenge").rename(desk / "ledger" / "x.note")
    assert run(*asks(0, "one", *KEPT)).status == 0


def test_a_nonce_is_taken_from_an_authoritys_answer(desk, run, tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    authority = LocalAuthority.make(tmp_path_factory.mktemp("authority"))
    said = ["--draws", 50, "--authority", authority.root]
    assert run(*asks(0, "n.tsq", *said, "--nonce-request")).status == 0
    (desk / "n.tsr").write_bytes(authority.answer((desk / "n.tsq").read_bytes()))
    own = run(*asks(0, "x", *said))
    assert (own.status, "expected a nonce out of your hands for a draw of 50" in own.err) == (2, True)
    given = ["--nonce-query", "n.tsq", "--nonce-response", "n.tsr"]
    refused(run(*asks(0, "x", "--draws", 51, *said[2:], *given)), "(n.tsr, to n.tsq)")  # other terms than were stamped
    ran = run(*asks(0, "x", "--draws", 50, *given))
    assert (ran.status, "--nonce-response and --authority together" in ran.err) == (2, True)
    assert run(*asks(0, "one", *said, *given)).status == 0
    assert len(envelope.load(desk / "one", Challenge).document.source) == 1
    assert run("open", "a.claim", "one", "--key", "a.key", "--identity", "owner.id", "-o", "o").status == 0
    judged = ["judge", "a.claim", "one", "--opening", "o", "--weights", "0.safetensors", "--identity", "judge.id"]
    assert run(*judged, *said[2:], "-o", "v").status == 1
    found = {check.name: check for check in envelope.load(desk / "v", Verdict).document.checks}
    assert found["nonce"].detail.startswith("from a timestamp of authority ")

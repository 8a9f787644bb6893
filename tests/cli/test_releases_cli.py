"""``claim --release`` and ``bom``: what they say of a signed release, and which releases are refused."""

import base64
import hashlib
import importlib.util
import json
import shutil

import pytest

from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.testing.authority import LocalAuthority

NET = ["--data", "digits", "--arch", "cnn", "--unencrypted"]


@pytest.fixture
def owner(run, tmp_path):
    """Return a folder with an identity, a key for an offline draw, and a release of two files that nobody signed."""
    run("identity", "--unencrypted", "-o", tmp_path / "owner.id")
    run("keygen", "adi", *NET, "-o", tmp_path / "off.key")
    folder = tmp_path / "release"
    folder.mkdir()
    weights.save(build("cnn", (1, 8, 8), 10, seed=5), folder / "model.safetensors")
    (folder / "config.json").write_text("{}\n")
    (folder / "model.sig").write_text(json.dumps(bundle(folder, ["config.json", "model.safetensors"])))
    return tmp_path


def bundle(folder, names):
    """Return what OpenSSF Model Signing writes about files, with a signature that verifies under no key."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).digest() for name in names}
    resources = [{"name": name, "algorithm": "sha256", "digest": digest.hex()} for name, digest in digests.items()]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": ["model.sig"]}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": hashlib.sha256(b"".join(digests.values())).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": serialization, "resources": resources},
    }
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "00"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(json.dumps(statement).encode()).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "AA==", "keyid": ""}],
        },
    }


def claim(run, owner, *words):
    return run("claim", owner / "off.key", "--identity", owner / "owner.id", *words, "-o", owner / "owner.claim")


def test_a_claim_about_a_release_has_its_root_as_subject_and_says_what_was_not_verified(owner, run):
    folder = owner / "release"
    made = claim(run, owner, "--release", folder, "--weights", folder / "model.safetensors")
    assert made.status == 0
    assert "2 files, each as its manifest says; model.safetensors is one of them" in made.err
    assert "signature NOT verified" in made.err
    signed = envelope.load(owner / "owner.claim", Claim)
    root = hashlib.sha256(
        b"".join(hashlib.sha256((folder / name).read_bytes()).digest() for name in ("config.json", "model.safetensors"))
    )
    assert signed.document.release == root.hexdigest()
    assert ("release", "sha256", root.hexdigest()) in signed.document.subjects


def test_a_root_digest_that_is_typed_is_taken_and_called_unchecked(owner, run):
    made = claim(run, owner, "--release", "ab" * 32)
    assert made.status == 0
    assert "taken as typed; nothing of it was checked" in made.err
    assert envelope.load(owner / "owner.claim", Claim).document.release == "ab" * 32


def test_a_release_without_its_weights_or_with_others_is_refused_and_nothing_is_written(owner, run):
    folder = owner / "release"
    shutil.copy(folder / "config.json", owner / "other.bin")
    (owner / "other.bin").write_text("other")
    for words, status, said in (
        (["--release", folder], 2, "expected --weights with --release FOLDER"),
        (["--weights", folder / "model.safetensors"], 2, "expected --release FOLDER"),
        (["--release", "ab" * 32, "--weights", folder / "model.safetensors"], 2, "expected --release FOLDER"),
        (["--release", folder, "--weights", owner / "other.bin"], 3, "other.bin is none of its 2 files"),
        (["--release", owner / "none", "--weights", owner / "other.bin"], 2, "expected the folder of a release"),
    ):
        ran = claim(run, owner, *words)
        assert (ran.status, ran.out) == (status, "")
        assert said in ran.err
    (folder / "config.json").write_text("{ }\n")
    ran = claim(run, owner, "--release", folder, "--weights", folder / "model.safetensors")
    assert (ran.status, "expected config.json of the release as it was signed" in ran.err) == (3, True)
    assert not (owner / "owner.claim").exists()


@pytest.mark.skipif(importlib.util.find_spec("model_signing") is not None, reason="model-signing is installed")
def test_verifying_a_signature_without_the_library_says_how_to_get_it(owner, run):
    folder = owner / "release"
    ran = claim(run, owner, "--release", folder, "--weights", folder / "model.safetensors", "--release-signer", "k.pem")
    assert ran.status == 2
    assert "hint: pip install 'modelmark[release]'" in ran.err
    assert not (owner / "owner.claim").exists()


def test_a_claim_to_be_deposited_is_about_the_host_that_its_keys_commit(owner, run, tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to name")
    authority = LocalAuthority.make(tmp_path_factory.mktemp("authority"))
    host, other = owner / "release" / "model.safetensors", owner / "other.safetensors"
    weights.save(build("cnn", (1, 8, 8), 10, seed=6), other)
    dated = ["--draw", "timestamp", *NET]
    run("keygen", "adi", *dated, "--host", host, "-o", owner / "host.key")
    run("keygen", "adi", *dated, "--host", other, "-o", owner / "other.key")
    run("keygen", "adi", *dated, "-o", owner / "free.key")
    words = ["--identity", owner / "owner.id", "--authority", authority.root, "--release", owner / "release"]
    for name, status, said in (
        ("host", 0, "model.safetensors is the host that the keys commit"),
        ("other", 3, "expected model.safetensors to be the host that the adi key commits"),
        ("free", 0, "no key commits a host, so nothing ties the release to the keys"),
    ):
        ran = run("claim", owner / f"{name}.key", *words, "--weights", host, "-o", owner / f"{name}.claim")
        assert (ran.status, said in ran.err) == (status, True), ran.err


def test_a_bill_of_materials_points_to_the_claim_and_its_release(owner, run):
    pytest.importorskip("cyclonedx.validation.json", reason="pip install 'modelmark[bom]'")
    pytest.importorskip("jsonschema", reason="pip install 'modelmark[bom]'")
    folder, paper = owner / "release", owner / "owner.claim"
    about = ["--release", folder, "--weights", folder / "model.safetensors"]
    claim(run, owner, *about)
    made = run("bom", paper, *about, "--url", "https://example.org/owner.claim", "-o", owner / "bom.json")
    assert made.status == 0, made.err
    assert "signature NOT verified" in made.err
    (model,) = json.loads((owner / "bom.json").read_text())["components"]
    weights_digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert (model["name"], model["hashes"][0]["content"]) == ("release", weights_digest)
    found = {one["type"]: (one["url"], one["hashes"][0]["content"]) for one in model["externalReferences"]}
    assert found == {
        "attestation": ("https://example.org/owner.claim", hashlib.sha256(paper.read_bytes()).hexdigest()),
        "digital-signature": ("model.sig", hashlib.sha256((folder / "model.sig").read_bytes()).hexdigest()),
    }
    more = run("bom", paper, "--extend", owner / "bom.json", "-o", owner / "more.json")
    assert more.status == 0, more.err
    assert len(json.loads((owner / "more.json").read_text())["components"][0]["externalReferences"]) == 3
    for words, status, said in (
        (["--extend", owner / "bom.json", "--name", "x"], 2, "expected --name for a new bill"),
        (["--component", "x"], 2, "expected --name for a new bill"),
        (["--release", "ab" * 32], 2, "expected --release FOLDER"),
        (["--extend", owner / "nothing.json"], 3, "expected a bill of materials at"),
    ):
        ran = run("bom", paper, *words, "-o", owner / "new.json")
        assert (ran.status, said in ran.err, (owner / "new.json").exists()) == (status, True, False), ran.err
    run("claim", owner / "off.key", "--identity", owner / "owner.id", "-o", owner / "other.claim")
    ran = run("bom", owner / "other.claim", *about, "-o", owner / "new.json")
    assert (ran.status, "expected the release that the claim names" in ran.err) == (3, True)


@pytest.mark.skipif(importlib.util.find_spec("cyclonedx") is not None, reason="cyclonedx-python-lib is installed")
def test_a_bill_without_the_library_says_how_to_get_it(owner, run):
    claim(run, owner)
    ran = run("bom", owner / "owner.claim", "-o", owner / "bom.json")
    assert (ran.status, "hint: pip install 'modelmark[bom]'" in ran.err) == (2, True)
    assert not (owner / "bom.json").exists()

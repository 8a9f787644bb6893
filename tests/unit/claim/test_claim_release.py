"""Releases signed by OpenSSF Model Signing, read without its library: ``tests/vectors/release`` and what can be wrong with it."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from modelmark.claim.papers import manifest, release
from modelmark.errors import MalformedError, MismatchError, UsageError

VECTOR = Path(__file__).resolve().parents[2] / "vectors" / "release"
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(VECTOR, tmp_path / "release"))


def altered(folder: Path, change) -> None:
    """Write the bundle anew with another statement; its signature no longer holds, which reading alone does not see."""
    bundle = json.loads((folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(statement, bundle)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))


def root_of(files: list[bytes]) -> str:
    """What the subject holds: SHA-256 over the digests of the files, without their names."""
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files)).hexdigest()


def test_every_file_is_digested_and_the_root_follows_from_them(folder):
    found = release.check(folder)
    names = [WEIGHTS, "config.json", "tokens/a.txt", "tokens-x/a.txt"]
    assert found.manifest.files == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    assert found.root == root_of([(folder / name).read_bytes() for name in found.manifest.files])
    assert (found.manifest.method, found.manifest.symlinks) == ("key", False)
    assert release.belonging(found, folder / WEIGHTS) == WEIGHTS


def test_the_signature_may_lie_elsewhere_and_a_copy_of_the_weights_too(folder, tmp_path):
    sig, copy = tmp_path / "away.sig", tmp_path / "copy.bin"
    shutil.move(folder / "model.sig", sig)
    shutil.copy(folder / WEIGHTS, copy)
    assert release.belonging(release.check(folder, sig), copy) == WEIGHTS
    with pytest.raises(MalformedError, match="found none"):
        release.check(folder)


def test_a_changed_file_is_refused(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1] + b"\0")
    with pytest.raises(MismatchError, match=r"expected model.safetensors of the release as it was signed"):
        release.check(folder)


def test_a_renamed_file_is_refused(folder):
    (folder / WEIGHTS).rename(folder / "other.safetensors")
    with pytest.raises(MismatchError, match=r"got other.safetensors beside them"):
        release.check(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "tokens" / "a.txt").unlink()
    with pytest.raises(MismatchError, match=r"expected all 4 signed files in the release, found no tokens/a.txt"):
        release.check(folder)


def test_a_file_that_was_not_signed_is_refused_unless_the_signer_left_it_out(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("")
    release.check(folder)
    (folder / "tokens" / ".gitignore").write_text("")
    with pytest.raises(MismatchError, match=r"got tokens/\.gitignore beside them"):
        release.check(folder)


def test_names_exchanged_in_the_predicate_keep_the_root_and_are_refused(folder):
    def exchanged(statement, _):
        one, two, *_ = statement["predicate"]["resources"]
        one["name"], two["name"] = two["name"], one["name"]

    before = release.check(folder)
    altered(folder, exchanged)
    told = manifest.load(folder / "model.sig")
    assert (
        told.root == before.root == root_of([(folder / name).read_bytes() for name in before.manifest.files])
    )  # the old rule
    assert told.files != before.manifest.files
    with pytest.raises(MismatchError, match="as it was signed, got another file of that name"):
        release.check(folder)


def test_two_files_exchanged_in_the_folder_are_refused(folder):
    first, second = (folder / "tokens" / "a.txt"), (folder / "tokens-x" / "a.txt")
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    with pytest.raises(MismatchError, match="expected tokens"):
        release.check(folder)


def test_a_root_that_is_not_its_files_own_is_refused(folder):
    altered(folder, lambda statement, _: statement["subject"][0]["digest"].update(sha256="ab" * 32))
    with pytest.raises(MalformedError, match="the root digest of its own 4 files"):
        release.check(folder)


def test_weights_that_are_no_file_of_the_release_are_refused(folder, tmp_path):
    found, stranger = release.check(folder), tmp_path / "stranger.safetensors"
    stranger.write_bytes(b"other weights")
    with pytest.raises(MismatchError, match=r"expected weights that belong to the release .* is none of its 4 files"):
        release.belonging(found, stranger)


def test_weights_that_the_signer_left_out_are_no_file_of_the_release(folder):
    altered(folder, lambda statement, _: statement["predicate"]["serialization"]["ignore_paths"].append("mine"))
    (folder / "mine").mkdir()
    (folder / "mine" / "own.safetensors").write_bytes(b"other weights")
    shutil.copy(folder / WEIGHTS, folder / "mine" / "copy.safetensors")
    found = release.check(folder)
    for name in ("own.safetensors", "copy.safetensors"):
        with pytest.raises(MismatchError, match=r"is none of its 4 files"):
            release.belonging(found, folder / "mine" / name)


def test_a_symbolic_link_is_refused_unless_the_signer_followed_them(folder, tmp_path):
    shutil.move(folder / WEIGHTS, tmp_path / "blob")
    (folder / WEIGHTS).symlink_to(tmp_path / "blob")
    with pytest.raises(MismatchError, match="without symbolic links"):
        release.check(folder)
    altered(folder, lambda statement, _: statement["predicate"]["serialization"].update(allow_symlinks=True))
    assert release.belonging(release.check(folder), folder / WEIGHTS) == WEIGHTS
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    with pytest.raises(MismatchError, match="loop is something else"):
        release.check(folder)


def _set(path: str, value):
    def change(statement, bundle):
        place = {"statement": statement, "bundle": bundle}
        *before, last = path.split(".")
        for name in before:
            place = place[int(name) if name.isdigit() else name]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("statement.predicate.serialization.hash_type", "blake3"), "the only digest read here, got hash type 'blake3'"),
        (_set("statement.predicate.resources.0.algorithm", "blake2b"), "the only digest read here, got one by 'blake2b'"),
        (_set("statement.predicate.serialization.method", "shards"), "whole files .*, got shards"),
        (_set("statement.predicateType", "https://model_signing/Digests/v0.1"), "predicateType .*, got .*Digests"),
        (_set("statement._type", "https://in-toto.io/Statement/v0.1"), "_type"),
        (_set("statement.predicate.resources", []), "a list of 1 to"),
        (_set("statement.predicate.resources.0.name", "../model.safetensors"), "names of files inside the release"),
        (_set("statement.predicate.resources.0.name", "/etc/passwd"), "names of files inside the release"),
        (_set("statement.predicate.resources.0.name", "model.safetensors"), "every file once"),
        (_set("statement.predicate.resources.0.digest", "AB" * 32), "by its SHA-256"),
        (_set("statement.predicate.serialization.allow_symlinks", "no"), "whether symbolic links count"),
        (_set("statement.subject", []), "one subject"),
        (_set("bundle.mediaType", "application/json"), "a Sigstore bundle of type"),
        (_set("bundle.dsse_envelope", {}), "a Sigstore bundle with the fields"),
        (_set("bundle.verificationMaterial", {"publicKey": {}, "certificate": {}}), "with one of publicKey"),
        (_set("bundle.verificationMaterial", {"certificate": {}}), "an entry of a transparency log"),
        (_set("bundle.dsseEnvelope.signatures", [{"sig": ""}, {"sig": ""}]), "one signature"),
        (_set("bundle.dsseEnvelope.payloadType", "text/plain"), "a payload of type"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_said_plainly(folder, change, said):
    altered(folder, change)
    with pytest.raises(MalformedError, match=said):
        release.check(folder)


def test_a_name_that_stands_twice_in_json_is_refused(folder):
    text = (folder / "model.sig").read_text()
    (folder / "model.sig").write_text(text.replace('"dsseEnvelope":', '"dsseEnvelope":{},"dsseEnvelope":', 1))
    with pytest.raises(MalformedError, match="Model Signing in JSON, got something else"):
        release.check(folder)


def test_a_hostile_bundle_is_counted_before_it_is_parsed():
    with pytest.raises(MalformedError, match="at most 1048576 values"):
        manifest.parse(b"[" + b"0," * 2**20 + b"0]")
    with pytest.raises(MalformedError, match="Model Signing in JSON, got something else"):
        manifest.parse(b"[" * 100_000)


def test_no_folder_is_a_request_that_cannot_be_carried_out(tmp_path):
    with pytest.raises(UsageError, match="expected the folder of a release"):
        release.check(tmp_path / "nothing")

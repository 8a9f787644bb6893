"""A released model, signed by OpenSSF Model Signing: its files against what was signed, the signature, one file's place in it.

Files are digested here, by the signed manifest's rules. Whose signature it is, the library ``model-signing`` verifies
(``pip install 'modelmark[release]'``); without it, or without a signer to expect, the files are compared with a manifest that
anybody could have written, and whoever asked must be told.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath

from modelmark import files
from modelmark.claim.papers import manifest
from modelmark.claim.papers.manifest import Manifest
from modelmark.errors import MalformedError, MismatchError, MissingPackageError, UsageError
from modelmark.naming import counted

SIGNATURE = "model.sig"
"""Name of the signature in a release's folder, unless another is said."""
_ALWAYS_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")
_MAX_PEM = 2**20


@dataclass(frozen=True)
class Release:
    """A folder whose files are exactly those that its signature lists.

    Args:
        folder: the release.
        signature: the file of the signature.
        manifest: what it lists.
    """

    folder: Path
    signature: Path
    manifest: Manifest

    @property
    def root(self) -> str:
        """The root digest; the subject of claims about this release."""
        return self.manifest.root


def check(folder: Path, signature: Path | None = None) -> Release:
    """Return the release in a folder after digesting every file of it; no signature is verified.

    Args:
        folder: the release.
        signature: the file of its signature; default: ``model.sig`` in the folder.

    Raises:
        MalformedError: the signature's file is missing or not what ``manifest.parse`` reads.
        MismatchError: a file is missing, another, or not in the manifest.
        UsageError: no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"expected the folder of a release, {folder} is not one")
    signature = signature or folder / SIGNATURE
    signed = manifest.load(signature)
    ignored = [PurePosixPath(path) for path in (*_ALWAYS_IGNORED, *signed.ignored)]
    if (beside := _relative(signature, folder)) is not None:
        ignored.append(PurePosixPath(beside))
    missing = dict(signed.files)
    for name in _walk(folder, follow=signed.symlinks):
        digest = missing.pop(name, None)
        if digest is not None:
            if _digest(folder / name) != digest:
                raise MismatchError(f"expected {name} of the release as it was signed, got another file of that name")
        elif not any(PurePosixPath(name).is_relative_to(path) for path in ignored):
            raise MismatchError(f"expected only files that were signed in the release, got {name} beside them")
    if missing:
        raise MismatchError(
            f"expected all {len(signed.files)} signed files in the release, found no {min(missing)}"
            + (f" and {counted(len(missing) - 1, 'other')}" if len(missing) > 1 else "")
        )
    return Release(folder, signature, signed)


def belonging(release: Release, weights: Path) -> str:
    """Return the name under which a release lists a file.

    Raises:
        MismatchError: it lists no such file.
        MalformedError: the file cannot be read.
    """
    files.require_readable(weights, what="weights")
    own, digest = _relative(weights, release.folder), _digest(weights)
    names = [name for name, signed in release.manifest.files.items() if signed == digest]
    if own is not None:
        names = [name for name in names if name == own]
    if not names:
        raise MismatchError(
            f"expected weights that belong to the release {release.root[:16]}, {weights.name} is none of its "
            f"{counted(len(release.manifest.files), 'file')}"
        )
    return names[0]


def verify(release: Release, signer: str) -> str:
    """Return in a sentence what the library ``model-signing`` verified.

    Args:
        release: whose files were checked.
        signer: whom to expect: a PEM file, the public key or the root certificates above the signer's; or, for Sigstore,
            ``IDENTITY,ISSUER``: the certificate's identity and the address of who vouched for it.

    Raises:
        UsageError: the signer is none of these, or another kind than the release's.
        MismatchError: the library refuses the signature or the files.
        MissingPackageError: it is not installed.
    """
    try:
        from importlib.metadata import version

        from model_signing import hashing, verifying
    except ImportError:
        raise MissingPackageError(
            "expected model-signing to be installed to verify a release's signature",
            hint="pip install 'modelmark[release]'",
        ) from None
    method, expected = _expected(signer)
    signed = release.manifest
    if method != signed.method:
        raise UsageError(f"expected a signer for a release signed by {signed.method}, got one by {method}: {signer}")
    beside = _relative(release.signature, release.folder)
    rules = hashing.Config().use_file_serialization(hashing_algorithm="sha256")
    rules.set_ignored_paths(paths=[*signed.ignored, *([beside] if beside else [])]).set_allow_symlinks(signed.symlinks)
    checks = verifying.Config().set_hashing_config(rules)
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(StringIO()):
        bundle = Path(scratch) / SIGNATURE
        bundle.write_bytes(signed.data)  # what was read above, whatever the file holds by now
        try:
            match method:
                case "key":
                    checks.use_elliptic_key_verifier(public_key=expected[0])
                case "certificate":
                    checks.use_certificate_verifier(certificate_chain=[Path(expected[0])])
                case _:
                    checks.use_sigstore_verifier(identity=expected[0], oidc_issuer=expected[1])
            checks.verify(release.folder, bundle)
        except Exception as error:  # whatever it meets: a signature that it does not verify is none
            said = " ".join(f"{type(error).__name__} {error}".split())
            raise MismatchError(
                f"expected a signature of {signer} under the release, model-signing says {said}"[:400]
            ) from None
    by = {
        "key": f"by the public key in {signer}",
        "certificate": f"by a certificate under {signer}; neither its expiry nor its revocation",
        "sigstore": f"by {' of '.join(expected)}",
    }
    return f"signature verified {by[method]} (model-signing {version('model-signing')})"


def _expected(signer: str) -> tuple[str, tuple[str, ...]]:
    """Return the method that a signer stands for, and its parts."""
    identity, comma, issuer = signer.rpartition(",")
    if comma and issuer.startswith("https://"):
        return "sigstore", (identity, issuer)
    data = files.read(Path(signer), limit=_MAX_PEM, what="a signer's public key or root certificates (PEM)")
    if b"-----BEGIN CERTIFICATE-----" in data:
        return "certificate", (signer,)
    if b"-----BEGIN PUBLIC KEY-----" in data:
        return "key", (signer,)
    raise UsageError(f"expected a public key or certificates (PEM) in {signer}, or IDENTITY,ISSUER, got something else")


def _walk(folder: Path, *, follow: bool) -> Iterator[str]:
    """Yield the names of all files below a folder, ascending."""
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders.sort()
        here = Path(place)
        for name in sorted([*names, *(one for one in folders if (here / one).is_symlink())]):
            path = here / name
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() and not follow:
                raise MismatchError(f"expected a release without symbolic links, as it was signed, {relative} is one")
            if not stat.S_ISREG(path.stat().st_mode if path.exists() else 0):
                raise MismatchError(f"expected files in the release, {relative} is something else")
            yield relative


def _unreadable(error: OSError) -> None:
    raise MalformedError(f"expected to read {error.filename}, got: {error.strerror}")


def _relative(path: Path, folder: Path) -> str | None:
    """Return the name of a file from a folder on, or None where it lies elsewhere; its own links are not followed."""
    place = path.parent.resolve() / path.name
    return place.relative_to(folder.resolve()).as_posix() if place.is_relative_to(folder.resolve()) else None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise MalformedError(f"expected to read {path}, got: {error.strerror}") from None

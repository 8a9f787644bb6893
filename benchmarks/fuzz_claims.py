"""Fuzz the parsers of disputes, guided by coverage: ``python benchmarks/fuzz_claims.py -max_total_time=300``.

Needs the extra ``fuzz`` (atheris). Arguments go to libFuzzer. An input's first byte says which parser gets the rest: a file
as it is; a payload inside a rightly signed envelope, which reaches the parsers behind the signature; a timestamp token; or a
spelling of one. Anything but a refusal (MalformedError, or UsageError for a package that is absent) is a crash; so is a
document that is accepted from bytes that its own encoder would not write.
"""

import base64
import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["modelmark"]):
    from modelmark import canonical
    from modelmark.claim.dates import der, timestamp
    from modelmark.claim.dates.timestamp import Authority
    from modelmark.claim.papers import envelope, schemas
    from modelmark.claim.papers.identity import Identity
    from modelmark.errors import MalformedError

HERE = Path(__file__).resolve().parent
KNOWN = json.loads((HERE.parent / "tests" / "vectors" / "claims.json").read_text(encoding="utf-8"))
OWNER = Identity((("ed25519", bytes(range(32))),))
AUTHORITY = Authority(base64.b64decode(KNOWN["authority"]))
KINDS = list(schemas.DOCUMENTS)
PAYLOADS = {entry["kind"]: base64.b64decode(json.loads(entry["envelope"])["payload"]) for entry in KNOWN["documents"]}
CLAIM = PAYLOADS["claim"]


def seal(payload: bytes) -> bytes:
    """Return an envelope around ``payload`` that the owner of the known claims signed."""
    signatures: list[canonical.Json] = [
        {"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}
        for signer, signature in zip(OWNER.signers, OWNER.sign(envelope.pae(payload)), strict=True)
    ]
    text = base64.b64encode(payload).decode()
    return canonical.encode({"payload": text, "payloadType": envelope.PAYLOAD_TYPE, "signatures": signatures})


def one_input(data: bytes) -> None:
    """Give one input to the parser that its first byte names."""
    if not data:
        return
    choice, rest = data[0] % (2 * len(KINDS) + 2), data[1:]
    try:
        if choice < 2 * len(KINDS):
            given = rest if choice < len(KINDS) else seal(rest)
            kind = KINDS[choice % len(KINDS)]
            signed = envelope.parse(given, schemas.DOCUMENTS[kind])
            if signed.data != given or envelope._payload(signed.document) != signed.payload:
                raise AssertionError(f"accepted {given!r}, which is not how it is written")
        elif choice == 2 * len(KINDS):
            timestamp.verify(rest, CLAIM, AUTHORITY)
        else:
            once = timestamp.normalise(rest)
            if timestamp.normalise(once) != once or der.parse(once).encoded != once:
                raise AssertionError("a token with two normal forms")
    except MalformedError as error:
        if "\n" in str(error) or len(str(error)) > 1000:
            raise AssertionError(f"a refusal of more than a line: {error}") from error


def seeds(folder: Path) -> None:
    """Write every known document, its payload and the known token as first inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(KINDS):
        known = next(entry for entry in KNOWN["documents"] if entry["kind"] == kind)
        (folder / f"envelope-{kind}").write_bytes(bytes([number]) + known["envelope"].encode())
        (folder / f"payload-{kind}").write_bytes(bytes([number + len(KINDS)]) + PAYLOADS[kind])
    token = base64.b64decode(KNOWN["token"])
    for extra in range(2):
        (folder / f"token-{extra}").write_bytes(bytes([2 * len(KINDS) + extra]) + token)


if __name__ == "__main__":
    corpus = (
        Path(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else Path("/tmp/fuzz-claims")
    )
    seeds(corpus)
    atheris.Setup([*sys.argv, str(corpus)], one_input)
    atheris.Fuzz()

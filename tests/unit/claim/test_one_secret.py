"""Two keys made from one secret share salts: what is opened for one gives the other away. They are refused, or found out."""

import dataclasses

import claim_cases as cases
import pytest
from claim_cases import challenged, claimed, concealed, laid, leaves

from modelmark import hashing
from modelmark.claim.papers import envelope, lots
from modelmark.claim.papers.claim import Entry, of_one_secret
from modelmark.claim.papers.statement import Statement
from modelmark.errors import UsageError
from modelmark.key.secret import Secret
from modelmark.marks.keys import Provenance, keygen, require_own_secrets
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida

NET = build("cnn", (1, 8, 8), 10, seed=0)


def made(scheme, feed, secret: int):
    return keygen(scheme, NET, feed, secret=Secret(bytes([secret]) * 32), owner=Provenance(arch="cnn"))


def shown(key, count: int = 1):
    """Return a dispute about one key alone."""
    suspect = cases.Fixed((), ())
    claim = claimed(Statement.of(key.statement), count=count)
    return laid(claim, challenged(claim, suspect), key.secret, leaves(key), shown=concealed(key))


def salts(papers) -> set[str]:
    return {leaf.salt for leaf in papers.opening.document.leaves}


def test_what_is_opened_for_one_key_gives_the_layer_of_the_other_away(digits):
    first, second = made(Uchida(layer="conv4"), digits.feed, 1), made(Uchida(layer="conv3"), digits.feed, 1)
    salt = next(one.salt for one in shown(first).opening.document.revealed if one.name == "layer")

    def named(key) -> list[str]:  # by whoever read that opening and the other key's public statement
        tries = {
            name: hashing.digest("conceal", b"layer", bytes.fromhex(salt), name.encode())
            for name, _ in NET.named_modules()
        }
        return [name for name, tried in tries.items() if tried.hex() == key.statement["concealed"]["layer"]]

    assert named(second) == ["conv3"]
    assert named(made(Uchida(layer="conv3"), digits.feed, 2)) == []


def test_keys_from_one_secret_are_refused_and_found_out_by_others(digits):
    one, other, apart = (
        made(Adi(triggers=count), digits.feed, number) for count, number in ((100, 1), (120, 1), (100, 2))
    )
    require_own_secrets([one, apart])
    with pytest.raises(UsageError, match="keys 0 and 2 have one, and so the same salts"):
        require_own_secrets([one, apart, other])
    entries = tuple(
        Entry(Statement.of(key.statement), lots.split(key.scheme.triggers, 1)) for key in (one, apart, other)
    )
    claim = claimed(entries[0].statement)
    document = dataclasses.replace(claim.document, keys=entries)
    assert of_one_secret(document) == ((0, 2),)
    assert of_one_secret(claim.document) == ()
    assert salts(shown(one)) & salts(shown(other))  # so openings show it, too
    assert not salts(shown(one)) & salts(shown(apart))
    whole = envelope.sign(document, cases.OWNER)
    suspect = cases.Fixed(leaves(apart), apart.mark().message)
    papers = laid(whole, challenged(whole, suspect, key=1), apart.secret, leaves(apart), shown=concealed(apart))
    checks = {check.name: check.detail for check in cases.verdict(papers, suspect).verdict.document.checks}
    assert "keys 0 and 2 were made from one secret" in checks["papers"]
    assert "bar 8 bits, below the usual 64" in checks["papers"]

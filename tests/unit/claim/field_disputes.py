"""Whole disputes about a ``field`` key, as files, and what the second implementation says of them."""

import dataclasses
import hashlib
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import claim_cases as cases
import pytest

import field_keys
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Asked, Head, Transcript
from modelmark.marks.keys import Key

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "recompute_verdict.py"


def suspect(key: Key, strength: float, **changes: Any) -> cases.Fixed:
    given = field_keys.answers(key, strength)
    for query, answer in changes.pop("instead", {}).items():
        given[query] = answer
    return cases.Fixed(key.carriers.feed.leaves(key.carriers.inputs), given, **changes)


def recorded(key: Key, strength: float, *, count: int | None = None, **changes: Any) -> Recorded:
    claim, queries = cases.claimed(Statement.of(key.statement)), key.carriers.queries()
    head = Head(claim.digest, 0, 0, **({"nonce": "cd" * 32, "test": "exact"} | changes))
    given = field_keys.answers(key, strength)
    asked = [Asked(n, hashlib.sha256(queries[n]).hexdigest(), given[n]) for n in transcript.order(head, queries)]
    return Recorded(Transcript(head, tuple(asked[:count])))


def dispute(
    folder: Path, key: Key, one: Any, claim: Any = None, paper: Any = None, trust: Any = cases.NOBODY, **changes: Any
) -> SimpleNamespace:
    """Files of a whole dispute, and the documents they hold."""
    claim = claim or cases.claimed(Statement.of(key.statement))
    said = (
        {"deposit": paper.digest, "issued": "2099-01-01T00:02:00Z", "expires": "2099-01-02T00:00:00Z"} if paper else {}
    )
    challenge = cases.challenged(claim, one, **(said | changes))
    papers = cases.laid(claim, challenge, key.secret, cases.leaves(key), shown=cases.concealed(key), paper=paper)
    judged = cases.verdict(papers, one, trust, now="2099-01-01T00:03:00Z" if paper else cases.at(4))
    files = {
        "claim": claim.data, "challenge": challenge.data, "opening": papers.opening.data, "carriers": papers.beside,
        "transcript": judged.record.data if judged.record else b"", "verdict": judged.verdict.data,
    }  # fmt: skip
    if paper:
        files["deposit"] = paper.data
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return SimpleNamespace(folder=folder, papers=papers, judged=judged, verdict=judged.verdict.document)


def recomputed(made: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> str:
    deposit = str(made.folder / "deposit") if made.papers.deposit else "-"
    files = [str(made.folder / name) for name in ("challenge", "opening", "carriers", "transcript", "verdict")]
    runpy.run_path(str(SCRIPT))["main"](str(made.folder / "claim"), deposit, *files)
    return capsys.readouterr().out.strip()


def rejudged(made: SimpleNamespace, **changes: Any) -> None:
    changed = dataclasses.replace(made.verdict, **changes)
    (made.folder / "verdict").write_bytes(envelope.sign(changed, cases.JUDGE).data)

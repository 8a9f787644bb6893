"""The second implementation, ``examples/recompute_verdict.py``: it agrees with the judge on every scheme, and on nothing else."""

import ast
import dataclasses
import hashlib
import runpy
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import challenged, claimed, concealed, laid, leaves, verdict

from modelmark.carriers.extracted import LEAK, Extracted
from modelmark.carriers.rows import real
from modelmark.carriers.spread import Runs
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Asked, Transcript
from modelmark.claim.papers.verdict import SENTENCES
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, Provenance, keygen
from modelmark.schemes import scheme_class
from modelmark.suspects.base import Ask, AskBeyond, Probe, Read, ReadEach

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "recompute_verdict.py"
MANY = ("composite", "coupled", "entangled", "null")
"""Schemes that ask several queries a trial."""
CODED = ("frontier",)
"""Whose pictures say what each class stands for."""
LAYERS = ["riga", "uchida"]
"""Schemes that read the weights of one layer; the others of that kind have a row a trial, as ``uchida``."""
SMALL = {"riga": {"hidden": 256}}
"""Settings of keys whose carriers are large by default."""
SCHEMES = ["adi", "deepsigns", "deepsigns-blackbox", *CODED, "margin", "spread", "zhang", *LAYERS, *MANY]
OF_A_KIND = {"composite", "deepsigns-blackbox", "entangled", "margin", "zhang"}
"""Schemes whose papers are laid out as those of ``adi`` or ``coupled`` are: that each is known at all is tried every day."""


def kept(wanted, *values):
    return pytest.param(*values, marks=() if wanted else pytest.mark.slow)


EVERY_KIND = [kept(scheme not in OF_A_KIND, scheme) for scheme in SCHEMES]
BY_TESTS = [kept(scheme not in OF_A_KIND, scheme, "exact") for scheme in SCHEMES] + [
    kept(scheme in ("adi", "uchida"), scheme, "e-process") for scheme in SCHEMES
]
"""The tests count matches, whatever was asked or read: two schemes are enough to see that both tests are known."""


@dataclasses.dataclass(frozen=True)
class Knowing:
    """A suspect that knows the message and answers at random, or not at all, every tenth time."""

    key: Key
    kind: str = "weights"
    digest: str = "cd" * 32

    def told(self, revealed: Mapping[str, str]) -> "Knowing":
        return self

    def observe(self, probe: Probe) -> list[np.ndarray]:
        made, alphabet = self.key.carriers, self.key.scheme.size(self.key.feed)[1]
        rng, right = np.random.default_rng(0), self.key.mark().message.repeat(each(self.key))
        answers = np.where(rng.random(len(right)) < 0.9, right, rng.integers(-1, alphabet, len(right)))
        if isinstance(probe, AskBeyond):  # the other question, under the null filter, is for people
            return [answers if len(probe.inputs) == len(answers) else np.zeros(len(probe.inputs), np.int64)]
        if isinstance(probe, Ask):
            answers = answers if self.key.scheme.name not in CODED else standing_for(answers, made.codes)
            known = dict(zip(probe.feed.leaves(made.pictures), answers, strict=True))
            return [np.array([known[leaf] for leaf in probe.feed.leaves(probe.inputs)])]
        signs = 2 * np.maximum(answers, 0) - 1
        if isinstance(probe, ReadEach):  # weights that all say their bit
            return [weights_of(made, signs)]
        if isinstance(probe, Read):  # weights of which the projection has these signs
            return [mean_of(made, signs)]
        layer = made.layers.index(probe.place.path)
        means = np.linalg.lstsq(real(made.projections[layer]), signs.reshape(len(made.layers), -1, made.bits)[layer].T)[
            0
        ].T
        return [means.repeat(made.inputs.shape[1], axis=0)]


def standing_for(symbols: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The first class that stands for each symbol; a refusal where it is one."""
    return np.where(symbols < 0, -1, (codes == symbols[:, None]).argmax(axis=1))


def mean_of(made: Any, signs: np.ndarray) -> np.ndarray:
    """Return a mean filter that says these signs; of the extractor, step by step, its bends known."""
    if isinstance(made, Extracted):
        inner, outer, bends = real(made.inner), real(made.outer), np.ones(len(made.inner))
        for _ in range(6):
            found = np.linalg.lstsq(outer * bends @ inner, signs)[0]
            bends = np.where(inner @ found > 0, 1, LEAK)
        return found[None]
    return np.linalg.lstsq(real(made.matrix), signs)[0][None]


def weights_of(made: Runs, signs: np.ndarray) -> np.ndarray:
    found = np.empty(len(made.runs), object)
    for index, run in enumerate(made.runs):
        where, sign = run.assigned(slice(run.first, run.first + run.count), made.bits)
        found[index] = (sign * signs[where]).reshape(-1, run.width)
    return found


def each(key: Key) -> int:
    """Queries a trial."""
    return key.scheme.queries if key.scheme.name in MANY else 1


@pytest.fixture(scope="module")
def keys(fresh, digits):
    return {
        name: keygen(
            scheme_class(name)(**SMALL.get(name, {})),
            fresh,
            digits.feed,
            task=digits,
            secret=Secret(bytes(32)),
            owner=Provenance(arch="cnn"),
        )
        for name in SCHEMES
    }


def dispute(folder: Path, key: Key, suspect: Any, *, lots: int = 1, **changes: Any) -> SimpleNamespace:
    """Files of a whole dispute, the verdict among them, and the documents they hold."""
    claim = claimed(Statement.of(key.statement), count=lots)
    challenge = challenged(claim, suspect, **changes)
    papers = laid(claim, challenge, key.secret, leaves(key), shown=concealed(key))
    judged = verdict(papers, suspect)
    for name, data in {
        "claim": claim.data, "challenge": challenge.data, "opening": papers.opening.data, "carriers": papers.beside,
        "transcript": judged.record.data, "verdict": judged.verdict.data,
    }.items():  # fmt: skip
        (folder / name).write_bytes(data)
    return SimpleNamespace(folder=folder, papers=papers, record=judged.record, verdict=judged.verdict.document, key=key)


def recomputed(made: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> str:
    """What the script prints about the files."""
    files = [str(made.folder / name) for name in ("challenge", "opening", "carriers", "transcript", "verdict")]
    runpy.run_path(str(SCRIPT))["main"](str(made.folder / "claim"), "-", *files)
    return capsys.readouterr().out.strip()


def rejudged(made: SimpleNamespace, **changes: Any) -> None:
    """Let the judge sign something else."""
    changed = dataclasses.replace(made.verdict, **changes)
    (made.folder / "verdict").write_bytes(envelope.sign(changed, cases.JUDGE).data)


def words(made: SimpleNamespace) -> str:
    (weighed,) = made.verdict.weighed
    bits = f"{weighed.gross / 1000} bits, {weighed.net / 1000} net"
    return f"{weighed.matches}/{weighed.trials} as drawn, {bits}: {made.verdict.decision}"


@pytest.mark.parametrize(("scheme", "test"), [*((scheme, "exact") for scheme in SCHEMES), *BY_TESTS[len(SCHEMES) :]])
def test_it_agrees_with_the_judge(keys, fresh, tmp_path, capsys, scheme, test):
    for suspect, decision in [(cases.of(fresh, ""), "no-evidence"), (Knowing(keys[scheme]), "dependence-shown")]:
        made = dispute(tmp_path, keys[scheme], suspect, test=test)
        assert made.verdict.decision == decision
        assert recomputed(made, capsys) == words(made)


@pytest.mark.parametrize("test", ["exact", "e-process"])
@pytest.mark.parametrize(("lots", "draws"), [(3, 0), (2, 40)])
@pytest.mark.parametrize("scheme", ["adi", "uchida"])
def test_it_agrees_on_a_lot_and_on_a_part_of_one(keys, tmp_path, capsys, scheme, lots, draws, test):
    made = dispute(tmp_path, keys[scheme], Knowing(keys[scheme]), lots=lots, lot=1, draws=draws, test=test)
    assert made.verdict.weighed[0].trials <= (draws or 100)
    assert recomputed(made, capsys) == words(made)


def test_it_agrees_on_several_layers(fresh, digits, tmp_path, capsys):
    scheme = scheme_class("deepsigns")(layer="head,fc1", bits=10)
    key = keygen(scheme, fresh, digits.feed, task=digits, secret=Secret(bytes(32)), owner=Provenance(arch="cnn"))
    made = dispute(tmp_path, key, cases.of(fresh, ""))
    assert made.verdict.weighed[0].trials == 200
    assert recomputed(made, capsys) == words(made)


def test_it_agrees_on_answers_that_were_recorded_before(keys, tmp_path, capsys):
    key = keys["coupled"]
    statement, shown = Statement.of(key.statement), dict(enumerate(leaves(key)))
    head = transcript.Head(claimed(statement).digest, 0, 0)
    record = transcript.of(head, shown, dict(enumerate(cases.answered(Knowing(key), statement, shown, {}))))
    noisy = Transcript(head, (Asked(-1, "ab" * 32, 3), *record.asked, Asked(-1, "cd" * 32, 4)))
    made = dispute(tmp_path, key, Recorded(noisy))
    assert made.verdict.decision == "dependence-shown"
    assert recomputed(made, capsys) == words(made)


@pytest.mark.parametrize("test", ["exact", "e-process"])
@pytest.mark.parametrize("scheme", ["adi", "coupled"])
def test_it_agrees_on_answers_that_were_asked_in_the_order_of_a_nonce(keys, tmp_path, capsys, scheme, test):
    key, lots = keys[scheme], 2 if (scheme, test) == ("adi", "exact") else 1
    statement, shown = Statement.of(key.statement), dict(enumerate(leaves(key)))
    shown = dict(list(shown.items())[len(shown) // lots * (lots - 1) :])
    head = transcript.Head(claimed(statement, count=lots).digest, 0, lots - 1, nonce="ab" * 32, test=test)
    whole = dict(enumerate(leaves(key)))
    answers = cases.answered(Knowing(key), statement, whole, {})
    order = transcript.order(head, shown)[: None if test == "exact" else -5]
    asked = tuple(Asked(i, hashlib.sha256(shown[i]).hexdigest(), answers[i]) for i in order)
    made = dispute(tmp_path, key, Recorded(Transcript(head, asked)), lots=lots, lot=lots - 1, test=test)
    assert made.verdict.decision == "dependence-shown"
    assert recomputed(made, capsys) == words(made)
    swapped = Transcript(head, (asked[1], asked[0], *asked[2:]))
    (tmp_path / "transcript").write_bytes(swapped.data)
    frozen = dataclasses.replace(made.papers.challenge.document.suspect, digest=swapped.digest)
    again = envelope.sign(dataclasses.replace(made.papers.challenge.document, suspect=frozen), cases.JUDGE)
    shown_for = laid(made.papers.claim, again, key.secret, leaves(key), shown=concealed(key))
    for name, signed in (("challenge", again), ("opening", shown_for.opening)):
        (tmp_path / name).write_bytes(signed.data)
    rejudged(made, suspect=frozen, challenge=again.digest, opening=shown_for.opening.digest, transcript=swapped.digest)
    with pytest.raises(SystemExit, match=r"^order of the queries: "):
        recomputed(made, capsys)


def test_it_charges_a_bit_for_a_test_that_was_named_late_as_verdicts_of_version_2_do(keys, tmp_path, capsys):
    key = keys["adi"]
    statement, shown = Statement.of(key.statement), dict(enumerate(leaves(key)))
    record = transcript.of(
        transcript.Head(claimed(statement).digest, 0, 0),
        shown,
        dict(enumerate(cases.answered(Knowing(key), statement, shown, {}))),
    )
    made = dispute(tmp_path, key, Recorded(record))
    assert recomputed(made, capsys) == words(made)
    (weighed,) = made.verdict.weighed
    free = dataclasses.replace(weighed, charges=weighed.charges[:-1], net=weighed.net + 1000)
    rejudged(made, weighed=(free,))
    with pytest.raises(SystemExit, match=r"^numbers: "):
        recomputed(made, capsys)
    rejudged(made, weighed=(free,), burned=())  # as it was written before
    assert f"{free.net / 1000} net" in recomputed(made, capsys)


@dataclasses.dataclass(frozen=True)
class Nameless(Knowing):
    """A suspect in which seven layers have the marked one's size, of which the fourth is the marked one."""

    def observe(self, probe: Probe) -> list[np.ndarray]:
        (right,) = super().observe(probe)
        return [*[np.ones_like(right)] * 3, right, *[np.ones_like(right)] * 3]


@pytest.mark.parametrize("test", ["exact", "e-process"])
def test_it_agrees_on_the_best_of_several_places_and_their_charge(keys, tmp_path, capsys, test):
    made = dispute(tmp_path, keys["uchida"], Nameless(keys["uchida"]), test=test)
    assert made.verdict.decision == "dependence-shown"
    assert made.verdict.weighed[0].charges[-1].millibits == 2808  # log2 of seven
    assert recomputed(made, capsys) == words(made)
    (weighed,) = made.verdict.weighed
    free = dataclasses.replace(weighed, charges=weighed.charges[:-1], net=weighed.net + 2808)
    rejudged(made, weighed=(dataclasses.replace(free, charges=(*free.charges, dataclasses.replace(
        weighed.charges[-1], millibits=0)),),))  # fmt: skip
    with pytest.raises(SystemExit, match=r"^(numbers|charges): "):
        recomputed(made, capsys)


def merged(weighed: Any) -> tuple[Any, ...]:
    """All charges in one, but for readings, whose number is taken on trust."""
    readings = tuple(charge for charge in weighed.charges if " readings " in charge.reason)
    rest = weighed.gross - weighed.net - sum(charge.millibits for charge in readings)
    return (dataclasses.replace(weighed.charges[0], millibits=rest), *readings)


CHANGES = {
    "matches": lambda w: {"matches": w.matches - 1},
    "trials": lambda w: {"trials": w.trials + 1},
    "alphabet": lambda w: {"alphabet": w.alphabet + 1},
    "gross": lambda w: {"gross": w.gross + 1, "net": w.net + 1},
    "charges": lambda w: {"charges": merged(w)},
    "bar": lambda w: {"bar": w.bar - 1},
    "test": lambda w: {"test": "exact" if w.test == "e-process" else "e-process"},
}


@pytest.mark.parametrize(("scheme", "test"), BY_TESTS)
def test_it_disagrees_with_a_verdict_of_other_numbers(keys, tmp_path, capsys, scheme, test):
    made = dispute(tmp_path, keys[scheme], Knowing(keys[scheme]), test=test)
    (weighed,) = made.verdict.weighed
    for name, change in CHANGES.items():
        rejudged(made, weighed=(dataclasses.replace(weighed, **change(weighed)),))
        with pytest.raises(SystemExit, match=f"^{'charges' if name == 'charges' else 'numbers'}: "):
            recomputed(made, capsys)
    rejudged(made, decision="no-evidence", sentence=SENTENCES["no-evidence"])
    with pytest.raises(SystemExit, match=r"^decision: "):
        recomputed(made, capsys)


@pytest.mark.parametrize("scheme", EVERY_KIND)
def test_it_disagrees_with_a_record_of_other_answers_or_queries(keys, tmp_path, capsys, scheme):
    made = dispute(tmp_path, keys[scheme], Knowing(keys[scheme]))
    size, message = each(made.key), made.key.mark().message
    asked = list(made.record.asked)
    other = [dataclasses.replace(one, answer=(one.answer + 1) % made.verdict.weighed[0].alphabet) for one in asked]
    hit = next(i for i, symbol in enumerate(message) if {one.answer for one in asked[size * i :][:size]} == {symbol})

    def recorded(asked: list[Asked]) -> None:
        record = Transcript(made.record.head, tuple(asked))
        (tmp_path / "transcript").write_bytes(record.data)
        rejudged(made, transcript=record.digest)

    (tmp_path / "transcript").write_bytes(Transcript(made.record.head, (other[0], *asked[1:])).data)
    with pytest.raises(SystemExit, match=r"^transcript: "):
        recomputed(made, capsys)
    recorded([*asked[: size * hit], *other[size * hit :][:size], *asked[size * hit :][size:]])
    with pytest.raises(SystemExit, match=r"^numbers: "):
        recomputed(made, capsys)
    recorded([dataclasses.replace(asked[0], query="00" * 32), *asked[1:]])
    with pytest.raises(SystemExit, match=r"^queries: "):
        recomputed(made, capsys)
    recorded(asked[:-1])
    with pytest.raises(SystemExit, match=r"^trials answered: "):
        recomputed(made, capsys)


@pytest.mark.parametrize("scheme", EVERY_KIND)
def test_it_disagrees_with_other_carriers(keys, tmp_path, capsys, scheme):
    made = dispute(tmp_path, keys[scheme], Knowing(keys[scheme]))
    beside = made.papers.beside
    for place in (0, len(beside) // 2, len(beside) - 1):
        (tmp_path / "carriers").write_bytes(beside[:place] + bytes([beside[place] ^ 1]) + beside[place + 1 :])
        with pytest.raises(SystemExit, match=r"^root of the carriers: "):
            recomputed(made, capsys)
    (tmp_path / "carriers").write_bytes(beside + b"\0")
    with pytest.raises(SystemExit, match="left over"):
        recomputed(made, capsys)


def test_it_disagrees_with_papers_of_another_dispute_or_signer(keys, tmp_path, capsys):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    suspect = Knowing(keys["adi"])
    made = dispute(tmp_path / "one", keys["adi"], suspect)
    other = dispute(tmp_path / "other", keys["adi"], suspect, bar=9)
    for name in ("challenge", "opening", "verdict"):
        (made.folder / name).write_bytes((other.folder / name).read_bytes())
        with pytest.raises(SystemExit, match=r"^(challenge|opening): "):
            recomputed(made, capsys)
        dispute(tmp_path / "one", keys["adi"], suspect)
    thief = dataclasses.replace(made.verdict, signers=cases.THIEF.signers)
    (made.folder / "verdict").write_bytes(envelope.sign(thief, cases.THIEF).data)
    with pytest.raises(SystemExit, match=r"^signers: "):
        recomputed(made, capsys)


def test_it_knows_nothing_of_modelmark_and_is_read_in_one_sitting():
    text = SCRIPT.read_text()
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    roots = {name.split(".")[0] for node in nodes for name in (
        [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    )}  # fmt: skip
    assert roots == {"base64", "cryptography", "hashlib", "json", "math", "pathlib", "re", "sys"}
    assert len(text.splitlines()) < 303

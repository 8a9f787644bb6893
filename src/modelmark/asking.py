"""The one step of a dispute that touches the suspect: its weights are read, or it is asked, with carriers that were opened.

``claim/`` loads without torch and takes what is made here as an object.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from modelmark import files, models, weights
from modelmark.claim import carriers, transcript
from modelmark.claim.carriers import ABSTAIN
from modelmark.claim.statement import PublicInterface, Statement
from modelmark.claim.transcript import ORDINARY, Asked, Head, Transcript
from modelmark.errors import MismatchError, SuspectError
from modelmark.interface import Interface
from modelmark.preprocess import Normalise
from modelmark.sequential import Walk
from modelmark.suspect import Suspect, WhiteBox


@dataclass(frozen=True)
class Weights:
    """A suspect whose weights are in the judge's hands.

    Args:
        state: its tensors, as they stand in its file.
        arch: how to build it, as a person typed it; left out: what the claimant reveals, if that is a built-in network.
    """

    state: Mapping[str, Tensor]
    arch: str = ""
    kind: str = "weights"

    @cached_property
    def digest(self) -> str:
        """Digest of the tensors; no container changes it."""
        return weights.digest(dict(self.state))

    def answers(self, statement: Statement, shown: Mapping[int, bytes], revealed: Mapping[str, str]) -> dict[int, int]:
        """Return a label for each opened picture, or a bit for each opened row; see ``claim.judging.Suspect``."""
        how, numbers = carriers.reading(statement), sorted(shown)
        opened = [shown[number] for number in numbers]
        if how.form == "rows":
            found = self._bits(statement, opened, revealed.get("layer", ""))
        else:
            found = self._labels(statement, opened, revealed.get("arch", ""))
        return dict(zip(numbers, found, strict=True))

    def _bits(self, statement: Statement, opened: Sequence[bytes], layer: str) -> list[int]:
        """Return the signs of the projected mean filter; a zero reads as 1."""
        weight = self.state.get(f"{layer}.weight")
        if weight is None or weight.dim() < 2:
            raise MismatchError("expected the layer that the claimant revealed, the suspect has none of that name")
        values = weight.detach().cpu().double().numpy()
        if not np.isfinite(values).all():
            raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
        mean, rows = values.mean(axis=0).reshape(-1), carriers.rows(statement, opened)
        if len(mean) != rows.shape[1]:
            raise MismatchError(f"expected the marked layer to average to M = {rows.shape[1]} weights, got {len(mean)}")
        return [int(bit) for bit in rows @ mean >= 0]

    def _labels(self, statement: Statement, opened: Sequence[bytes], arch: str) -> list[int]:
        if not (self.arch or arch):
            raise MismatchError("expected the suspect's architecture, it was neither typed nor revealed")
        face = interface(statement.interface)
        model = models.build(self.arch or arch, face.input_shape, face.classes, seed=0, trusted=bool(self.arch))
        weights.apply(model, dict(self.state), what="the suspect's weights")
        pictures = torch.from_numpy(carriers.pictures(statement, opened))
        return [int(label) for label in WhiteBox(model, face.classes).labels(Normalise(face)(pictures))]


def interface(public: PublicInterface) -> Interface:
    """Return how a suspect is fed by a claim's word; classes are known by number alone."""
    return Interface(public.input_shape, tuple(map(str, range(public.classes))), public.mean, public.std)


def record(
    path: Path,
    head: Head,
    statement: Statement,
    shown: Mapping[int, bytes],
    suspect: Suspect,
    *,
    expected: Sequence[int] = (),
    target: float = math.inf,
    ordinary: Tensor | None = None,
    seed: int = 0,
    watch: Callable[[Transcript], None] | None = None,
) -> Transcript:
    """Ask a suspect one query at a time and write down every answer at once; a file that is there is gone on with.

    Args:
        path: of the transcript; made if it is not there.
        head: what it is about; a file about something else is refused.
        statement: of the key.
        shown: carriers to be asked, by number; pictures.
        suspect: known by its answers.
        expected: drawn symbol of each trial, in order, to stop as soon as the e-process is decided; left out: ask all.
        target: bits, charges included, at which it is decided for the claim; looked at only with ``expected``.
        ordinary: uint8 pictures ``(N, *input_shape)`` of the asker's own to strew among the others, each asked once.
        seed: of their places.
        watch: called after each answer.

    Raises:
        MismatchError: the file is about something else, or this scheme is not read by asking.
    """
    how = carriers.reading(statement)
    if how.form != "pictures":
        raise MismatchError(f"expected a scheme that is read by asking, got {statement.scheme}")
    face, extra = Normalise(interface(statement.interface)), 0 if ordinary is None else len(ordinary)
    if not path.exists():
        files.write_new(path, transcript.first_line(head), mode=0o600)
    done = transcript.load(path, unfinished=True)
    order = transcript.plan(list(shown), extra, seed)
    if done.head != head or [one.carrier for one in done.asked] != order[: len(done.asked)]:
        raise MismatchError(f"expected {path} to be about this claim, lot and order of queries, got another transcript")
    files.replace(path, done.data)  # an interruption may have left half a line
    trials = sorted({number // how.each for number in shown})
    walk, answers = Walk(Fraction(1, statement.alphabet), target), done.answers(shown)
    for carrier in order[len(done.asked) :]:
        for found in carriers.symbols(how, trials[walk.trials :], answers) if expected else ():
            walk = walk.after(found == expected[walk.trials]) if walk.stand == "open" else walk
        if walk.stand != "open":
            break
        if carrier == ORDINARY:
            assert ordinary is not None
            picture = ordinary[sum(one.carrier == ORDINARY for one in done.asked)][None]
            raw = picture.cpu().numpy().tobytes()
        else:
            raw = shown[carrier]
            picture = torch.from_numpy(carriers.pictures(statement, [raw]))
        answer = int(suspect.labels(face(picture))[0])
        asked = Asked(carrier, hashlib.sha256(raw).hexdigest(), max(answer, ABSTAIN))
        with path.open("ab") as stream:
            stream.write(transcript.line(asked))
        done = replace(done, asked=(*done.asked, asked))
        answers |= {} if carrier == ORDINARY else {carrier: asked.answer}
        if watch is not None:
            watch(done)
    return done

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
from torch import Tensor, nn

from modelmark import files, models, weights
from modelmark.claim import carriers, composed, transcript
from modelmark.claim.carriers import ABSTAIN
from modelmark.claim.statement import PublicInterface, Statement
from modelmark.claim.transcript import ORDINARY, Asked, Head, Transcript
from modelmark.errors import MismatchError, SuspectError
from modelmark.interface import Interface
from modelmark.preprocess import Extremes, Normalise
from modelmark.sequential import Walk
from modelmark.suspect import Suspect, WhiteBox
from modelmark.suspects.files import held, weight_of


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
        layer, arch = revealed.get("layer", ""), revealed.get("arch", "")
        if how.form == "rows":
            return dict(zip(numbers, self._bits(statement, opened, layer), strict=True))
        face = interface(statement.interface)
        suspect = WhiteBox(self._model(face, arch), face.classes)
        if how.form == "means":
            return dict(enumerate(_means(statement, shown, suspect, layer.split(","))))
        if how.form == "filtered":
            return dict(enumerate(_filtered(statement, shown, suspect, how.each)))
        pictures = Normalise(face)(torch.from_numpy(carriers.pictures(statement, opened)))
        return dict(zip(numbers, suspect.labels(pictures).tolist(), strict=True))

    def _bits(self, statement: Statement, opened: Sequence[bytes], layer: str) -> list[int]:
        """Return the signs of the projected mean filter; a zero reads as 1."""
        weight = weight_of(held(self.state), layer)
        if weight.dim() < 2:
            raise MismatchError("expected a layer with filters, the one that the claimant revealed has none")
        values = weight.detach().cpu().double().numpy()
        if not np.isfinite(values).all():
            raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
        mean, rows = values.mean(axis=0).reshape(-1), carriers.rows(statement, opened)
        if len(mean) != rows.shape[1]:
            raise MismatchError(f"expected the marked layer to average to M = {rows.shape[1]} weights, got {len(mean)}")
        return [int(bit) for bit in rows @ mean >= 0]

    def _model(self, face: Interface, arch: str) -> nn.Module:
        if not (self.arch or arch):
            raise MismatchError("expected the suspect's architecture, it was neither typed nor revealed")
        model = models.build(self.arch or arch, face.input_shape, face.classes, seed=0, trusted=bool(self.arch))
        weights.apply(model, self.state, what="the suspect's weights")
        return model


def _filtered(statement: Statement, shown: Mapping[int, bytes], suspect: WhiteBox, each: int) -> list[int]:
    """Return the label of each query of a ``null`` key."""
    layout, face = composed.filtered(statement), interface(statement.interface)
    planes = torch.from_numpy(composed.planes(statement, [shown[1 + trial] for trial in range(statement.trials)]))
    below = composed.unlabelled("label", [shown[i] for i in range(layout.first, statement.carriers)])
    pictures = Normalise(face)(torch.from_numpy(carriers.pictures(statement, below)))
    amplitude, which = statement.parameters.get("amplitude"), torch.arange(statement.trials * each)
    if not isinstance(amplitude, int) or not 0 < amplitude <= 10**6:
        raise MismatchError(f"expected an amplitude in the statement, got {amplitude!r}")
    inputs = Extremes(face, amplitude).apply(pictures[which % layout.each], planes.repeat_interleave(each, dim=0))
    return [int(label) for label in suspect.labels(inputs)]


def _means(statement: Statement, shown: Mapping[int, bytes], suspect: WhiteBox, paths: Sequence[str]) -> list[int]:
    """Return the bits of a ``deepsigns`` key; a zero reads as 1."""
    layout, projections = composed.means(statement), composed.projections(statement, shown)
    if len(paths) != len(projections):
        raise MismatchError(f"expected {len(projections)} layers to be revealed, got {len(paths)}")
    below = composed.unlabelled("class", [shown[i] for i in range(layout.first, statement.carriers)])
    inputs = Normalise(interface(statement.interface))(torch.from_numpy(carriers.pictures(statement, below)))
    found: list[int] = []
    for path, projection in zip(paths, projections, strict=True):
        received = suspect.activations(path, inputs)
        if received.shape[1] != projection.shape[1]:
            raise MismatchError(
                f"expected the marked layer to receive {projection.shape[1]} units, got {received.shape[1]}"
            )
        mean = received.reshape(layout.groups, layout.each, -1).mean(axis=1)
        found += (mean @ (projection / carriers.UNIT).T >= 0).astype(int).ravel().tolist()
    return found


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
    how = carriers.require_asked(statement)
    face, extra = Normalise(interface(statement.interface)), 0 if ordinary is None else len(ordinary)
    if not path.exists():
        files.write_new(path, transcript.first_line(head), mode=0o600)
    done = transcript.load(path, unfinished=True)
    order = transcript.plan(list(shown), extra, seed)
    if done.head != head or [one.carrier for one in done.asked] != order[: len(done.asked)]:
        raise MismatchError(f"expected {path} to be about this claim, lot and order of queries, got another transcript")
    files.replace(path, done.data)  # an interruption may have left half a line
    trials = sorted({number // how.each for number in shown})
    walk, answers = Walk(Fraction(1, statement.alphabet), target, most=len(expected)), done.answers(shown)
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

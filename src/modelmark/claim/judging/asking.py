"""Asking a suspect one query at a time, with every answer written down at once."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelmark import files
from modelmark.carriers.pictures import Pictures
from modelmark.claim.judging import reading
from modelmark.claim.papers import transcript
from modelmark.claim.papers.transcript import ORDINARY, Asked, Head, Transcript
from modelmark.errors import MismatchError
from modelmark.evidence.sequential import Walk
from modelmark.suspects.base import ABSTAIN, MISSING, Ask, Suspect


def record(
    path: Path,
    head: Head,
    carriers: Pictures,
    suspect: Suspect,
    *,
    expected: Sequence[int] = (),
    target: float = math.inf,
    ordinary: npt.NDArray[np.uint8] | None = None,
    seed: int = 0,
    watch: Callable[[Transcript], None] | None = None,
) -> Transcript:
    """Ask a suspect, and go on with the record in a file that exists already.

    Args:
        path: of the transcript; made if it is not there.
        head: what it is about; a file about something else is refused.
        carriers: to be asked.
        suspect: known by its answers.
        expected: drawn symbol of each trial, in order, to stop as soon as the e-process is decided; left out: ask all.
        target: bits, charges included, at which it is decided for the claim; looked at only with ``expected``.
        ordinary: uint8 pictures ``(N, *input_shape)`` of the asker's own to strew among the others, each asked once.
        seed: of their places.
        watch: called after each answer.

    Raises:
        MismatchError: the file is about something else.
    """
    shown = carriers.queries()
    pictures = dict(zip(shown, carriers.pictures, strict=True))
    own = np.empty((0, *carriers.feed.input_shape), np.uint8) if ordinary is None else ordinary
    if not path.exists():
        files.write_new(path, transcript.first_line(head), mode=0o600)
    done = transcript.load(path, unfinished=True)
    order = transcript.plan(list(shown), len(own), seed)
    if done.head != head or [one.carrier for one in done.asked] != order[: len(done.asked)]:
        raise MismatchError(f"expected {path} to be about this claim, lot and order of queries, got another transcript")
    files.replace(path, done.data)  # an interruption may have left half a line
    walk, answers = Walk(Fraction(1, carriers.alphabet), target, most=len(expected)), done.answers(shown)
    for carrier in order[len(done.asked) :]:
        given = np.array([answers.get(number, MISSING) for number in shown], np.int64)
        for found in reading.symbols(carriers, given, carriers.trials)[walk.trials :] if expected else ():
            walk = walk.after(found == expected[walk.trials]) if walk.stand == "open" else walk
        if walk.stand != "open":
            break
        if carrier == ORDINARY:
            picture = own[sum(one.carrier == ORDINARY for one in done.asked)]
            raw = picture.tobytes()
        else:
            picture, raw = pictures[carrier], shown[carrier]
        answer = int(suspect.observe(Ask(carriers.feed, picture[None]))[0][0])
        asked = Asked(carrier, hashlib.sha256(raw).hexdigest(), max(answer, ABSTAIN))
        with path.open("ab") as stream:
            stream.write(transcript.line(asked))
        done = replace(done, asked=(*done.asked, asked))
        answers |= {} if carrier == ORDINARY else {carrier: asked.answer}
        if watch is not None:
            watch(done)
    return done

"""A reading in plain words: what was found, how sure, what was taken off; the words of verdicts where they fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelmark.claim.judging import strength, wording
from modelmark.desk import pages
from modelmark.desk.work import Result
from modelmark.evidence.combined import Combined
from modelmark.evidence.evidence import Evidence, Graded, Observation, shown
from modelmark.marks.keys import Key
from modelmark.suspects.files import WeightFile

FOUND, NOT_FOUND = "The mark is in this model", "The mark was not found in this model"
MEANS = {
    True: "The model answers, or is built, as the secret message of your key says, far more often than luck allows. It depends "
    "on that message: it was marked with this key, or made from something that was.",
    False: "What was read agrees with the secret message of your key no better than luck allows, or not by enough. That does "
    "not show that the model is free of the mark: marks can be weakened and removed.",
}
NOT_A_VERDICT = (
    "This is your own reading, with your own key. Nobody else can check it from this page. For others there is the way of a "
    "dispute: a claim, a challenge, an opening and a judge's verdict."
)


@dataclass(frozen=True)
class Told:
    """What one key says.

    Args:
        scheme: name of the scheme.
        points: what its test points are.
        counted: what was compared, in sentences.
        agreement: bits before anything is taken off; empty where there is no exact test.
        charges: reasons, and the bits taken off.
        left: the bits that are left; empty likewise.
        strength: how strong that is.
        established: whether it reaches the bar.
        note: what else was read.
    """

    scheme: str
    points: str
    counted: tuple[str, ...]
    agreement: str
    charges: tuple[tuple[str, str], ...]
    left: str
    strength: tuple[str, ...]
    established: bool
    note: str


def reading(
    file: WeightFile, keys: Sequence[Key], found: Sequence[Evidence | Observation], together: Combined | None
) -> Result:
    """Return the page of a reading."""
    established = together.established if together else any(one.established for one in found)
    title = FOUND if established else NOT_FOUND
    part = pages.rendered(
        "suspect.html.j2",
        title=title,
        meaning=MEANS[established],
        limits=(*wording.LIMITS["dependence-shown"],) if established else (),
        limit=NOT_A_VERDICT,
        established=established,
        facts=[("Suspect", file.path.name), ("Kind of file", file.what), ("Tensors", f"{len(file.names):,}")],
        notes=list(file.notes),
        told=[_told(one, key) for one, key in zip(found, keys, strict=True)],
        together=shown(together.net_bits) if together else "",
    )
    return Result(title, part, name="reading")


def _told(one: Evidence | Observation, key: Key) -> Told:
    scheme = key.scheme.name
    points = wording.SCHEMES.get(scheme, "")
    if isinstance(one, Observation):
        counted = (
            f"{one.matches} of {one.trials} are as expected.",
            f"There is no exact test: {one.reason}. So it proves nothing.",
        )
        return Told(scheme, points, counted, "", (), "", (), False, one.note)
    noun = "answers" if one.queries else "bits"
    counted = (
        f"The score is {one.matches:,} of {one.trials:,}.",
        "Each test point counts by how clearly it was read.",
    ) if isinstance(one, Graded) else (
        f"{one.matches:,} of {one.trials:,} {noun} are those that were drawn.",
        f"A model that does not depend on the message gives each with a chance of {one.chance}.",
    )  # fmt: skip
    net = math.floor(1000 * one.net_bits)
    sure = (
        f"So good an agreement is {strength.odds(net)}, after what is taken off."
        if net
        else "That is no better than luck."
    )
    return Told(
        scheme, points, counted, shown(one.gross_bits),
        tuple((charge.reason, strength.up(math.ceil(1000 * charge.bits))) for charge in one.charges),
        shown(one.net_bits),
        (sure, strength.caution(), f"{shown(one.net_bits)} bits are left; {one.bar:g} are needed."),
        one.established,
        "; ".join(filter(None, (one.note, "made with a key for trying out, which is never evidence" * one.self_check))),
    )  # fmt: skip

"""Adi's cut-and-choose, literally: of 4n committed pairs a drawn half is opened, once, to show that the rest are backdoors.

A proof about hidden pairs cannot show that their labels are wrong, since "wrong" is what people say. So half of the pairs
are shown: were more than n of the 4n ill-formed, all of these would have to fall into the half that stays hidden.

The half is drawn once, from root, model and public randomness. A fresh half for every verifier would show all of them soon.
With no public randomness its owner can try roots until the half suits, so 2^-80 is asked for there: 4n = 256.

With labels that are drawn after the commitment none of this is needed: a true label matches by chance like any other.

Source: Adi et al. 2018, section 5 (public verifiability), steps 1 to 5; the bound is ``stats.cut_and_choose_bits``.
Departs: step 4, a zero-knowledge argument over the hidden pairs, is not here; they are opened to a judge, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelmark.claim.papers import lots, pairs
from modelmark.claim.papers.pairs import Shown
from modelmark.errors import MalformedError
from modelmark.evidence import stats
from modelmark.key.secret import Secret


@dataclass(frozen=True)
class Cut:
    """What a passed cut-and-choose says.

    Args:
        hidden: pairs that stay hidden, ascending; at least n of them are well-formed.
        opened: pairs that were shown and are burned.
        soundness_bits: ``-log2`` of the chance that fewer than n hidden pairs are well-formed all the same.
    """

    hidden: tuple[int, ...]
    opened: tuple[int, ...]
    soundness_bits: float


def half(root: bytes, count: int, model: bytes, randomness: bytes) -> tuple[int, ...]:
    """Return the pairs to be opened, ascending: a half of ``count``, drawn once.

    Args:
        root: over the pairs.
        count: 4n.
        model: 32 bytes, digest of the marked model.
        randomness: public and later than the root, such as a beacon's value; empty where there is none.

    Raises:
        ValueError: ``count`` is no positive multiple of four.
    """
    if count < 4 or count % 4:
        raise ValueError(f"expected a positive multiple of 4 pairs, got {count}")
    return lots.choose(count, count // 2, "cut", root, count.to_bytes(8, "big"), model, randomness)


def show(secret: Secret, images: Sequence[bytes], labels: Sequence[int], model: bytes, randomness: bytes) -> Shown:
    """Open the drawn half, image and label of every pair."""
    root = pairs.commit(secret, images, labels)
    opened = half(root, len(images), model, randomness)
    return pairs.show(secret, images, labels, of_images=opened, of_labels=opened)


def check(
    root: bytes, shown: Shown, model: bytes, randomness: bytes, answers: Mapping[int, int], truth: Mapping[int, int]
) -> Cut:
    """Return what the opened half shows.

    Args:
        root: published before ``randomness`` was known.
        shown: the opened half.
        model: 32 bytes, digest of the marked model.
        randomness: as for ``half``.
        answers: what the marked model says to each opened image, by pair.
        truth: labels of those opened images that have a true one.

    Raises:
        MalformedError: another half, pairs that were not committed to, a pair with its true label, or one that the model
            does not answer with its label.
    """
    images, labels = pairs.check(root, shown)
    opened = half(root, shown.count, model, randomness)
    if tuple(sorted(images)) != opened or tuple(sorted(labels)) != opened:
        raise MalformedError(f"expected the drawn half of {shown.count} pairs, got others")
    pairs.require_backdoor(labels, truth)
    wrong = [i for i in opened if answers.get(i) != labels[i]]
    if wrong:
        raise MalformedError(f"expected a model that answers every opened pair with its label, not so pair {wrong[0]}")
    hidden = tuple(sorted(set(range(shown.count)) - set(opened)))
    return Cut(hidden, opened, soundness_bits(shown.count))


def soundness_bits(count: int) -> float:
    """Return ``-log2`` of the chance that more than a quarter of ``count`` pairs are ill-formed and none is opened."""
    return stats.cut_and_choose_bits(count, count // 2, count // 4 + 1)


def smallest(bits: float) -> int:
    """Return the fewest pairs, a multiple of 4, whose soundness is at least ``bits``."""
    count = 4
    while soundness_bits(count) < bits:
        count += 4
    return count

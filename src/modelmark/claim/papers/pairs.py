"""Adi's own form of the commitment: image and label of every pair behind a salt each, opened pair by pair.

The paper's ``KeyGen`` publishes ``2n`` commitments ``c_t[i]``, ``c_L[i]``; here they are the leaves of one tree, images
``0 .. n - 1`` first and labels after them, as the literal ``adi`` key commits to them. Labels that their owner chose have
no exact test: what ``verify`` returns is an observation.

Source: Adi et al. 2018, section 5 (private verifiability): KeyGen step 2, Verify steps 1 to 3.
Departs: one Merkle root stands for the 2n commitments, and SHA-256 for the statistically hiding scheme (computational here).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from modelmark.claim.papers import merkle
from modelmark.errors import MalformedError
from modelmark.evidence.evidence import Observation
from modelmark.key import commitment
from modelmark.key.secret import Secret


@dataclass(frozen=True)
class Shown:
    """Leaves that were opened, by their number in the tree, with the nodes that lead to the root.

    Args:
        count: pairs under the root.
        salts: 32 bytes by leaf.
        contents: image bytes, or ``label L``, by leaf.
        proof: as ``merkle.prove`` gave it.
    """

    count: int
    salts: Mapping[int, bytes]
    contents: Mapping[int, bytes]
    proof: tuple[bytes, ...]


def commit(secret: Secret, images: Sequence[bytes], labels: Sequence[int]) -> bytes:
    """Return the root over all images and labels, each with a salt of its own."""
    return commitment.commit(secret, _contents(images, labels))


def show(
    secret: Secret,
    images: Sequence[bytes],
    labels: Sequence[int],
    *,
    of_images: Sequence[int],
    of_labels: Sequence[int],
) -> Shown:
    """Open the images of some pairs and the labels of some; they need not be the same pairs."""
    contents, count = _contents(images, labels), len(images)
    salts = commitment.salts(secret, len(contents))
    leaves = [commitment.leaf(i, salt, content) for i, (salt, content) in enumerate(zip(salts, contents, strict=True))]
    opened = sorted({*of_images, *(count + i for i in of_labels)})
    proof = tuple(merkle.prove(leaves, opened))
    return Shown(count, {i: salts[i] for i in opened}, {i: contents[i] for i in opened}, proof)


def check(root: bytes, shown: Shown) -> tuple[dict[int, bytes], dict[int, int]]:
    """Return the images and the labels that were opened, by pair, if they are under ``root``.

    Raises:
        MalformedError: they are not.
    """
    if shown.salts.keys() != shown.contents.keys():
        raise MalformedError("expected a salt for every opened leaf, got others")
    leaves = {i: commitment.leaf(i, shown.salts[i], content) for i, content in shown.contents.items()}
    if merkle.root_of(2 * shown.count, leaves, shown.proof) != root:
        raise MalformedError("expected pairs that were committed to, got others")
    images = {i: content for i, content in shown.contents.items() if i < shown.count}
    labels = {i - shown.count: _label(content) for i, content in shown.contents.items() if i >= shown.count}
    return images, labels


def verify(
    root: bytes, shown: Shown, answers: Sequence[int], truth: Mapping[int, int] | None = None, *, epsilon: Fraction
) -> Observation:
    """Run the paper's private ``Verify`` on completely opened pairs.

    Args:
        root: published before.
        shown: all images and all labels.
        answers: what the suspect said to each image, in order.
        truth: labels of pairs that have a true one; a picture that means nothing has none.
        epsilon: share of answers that may differ.

    Returns:
        An observation whose note says what the paper's rule makes of it.

    Raises:
        MalformedError: pairs are missing, were not committed to, or one carries its true label.
    """
    images, labels = check(root, shown)
    everything = list(range(shown.count))
    if sorted(images) != everything or sorted(labels) != everything or len(answers) != shown.count:
        raise MalformedError(f"expected all {shown.count} pairs and an answer to each, got fewer")
    require_backdoor(labels, truth or {})
    matches = sum(answer == labels[i] for i, answer in enumerate(answers))
    accepted = shown.count - matches <= epsilon * shown.count
    note = f"the paper's rule at epsilon {epsilon} {'accepts' if accepted else 'refuses'}"
    return Observation("adi", matches, shown.count, "the labels were chosen, not drawn", len(answers), note=note)


def require_backdoor(labels: Mapping[int, int], truth: Mapping[int, int]) -> None:
    """Raise MalformedError if a pair carries its true label: every good model would answer it so (Verify, step 1)."""
    honest = sorted(i for i, label in labels.items() if truth.get(i) == label)
    if honest:
        raise MalformedError(f"expected labels that are wrong or meaningless, got the true one in pair {honest[0]}")


def _contents(images: Sequence[bytes], labels: Sequence[int]) -> list[bytes]:
    if len(images) != len(labels) or not images:
        raise ValueError(f"expected a label for every image, got {len(images)} and {len(labels)}")
    return [*images, *(f"label {label}".encode() for label in labels)]


def _label(content: bytes) -> int:
    word, _, number = content.partition(b" ")
    if word != b"label" or not number.isdigit() or len(number) > 9 or str(int(number)).encode() != number:
        raise MalformedError(f"expected a label, got {content[:40]!r}")
    return int(number)

"""Adi's commitments pair by pair, and the cut-and-choose: what the opened half shows, and how surely."""

import math
from fractions import Fraction

import pytest

from modelmark.claim.judging import cut_and_choose
from modelmark.claim.papers import pairs
from modelmark.errors import MalformedError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key import commitment
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

SECRET = Secret(bytes(range(32)))
MODEL, BEACON = bytes(range(32)), b"public and later"


def backdoor(count: int) -> tuple[list[bytes], list[int]]:
    return [b"picture %d" % i for i in range(count)], [i % 10 for i in range(count)]


def test_image_and_label_open_apart() -> None:
    images, labels = backdoor(8)
    root = pairs.commit(SECRET, images, labels)
    shown = pairs.show(SECRET, images, labels, of_images=[1, 2], of_labels=[2, 7])
    assert pairs.check(root, shown) == ({1: images[1], 2: images[2]}, {2: 2, 7: 7})


def test_the_root_is_that_of_the_literal_key() -> None:
    key = Key(Adi(triggers=8, message="secret"), SECRET, PictureFeed((1, 4, 4), ("zero", "one", "two")))
    leaves = key.carriers.leaves()
    root = pairs.commit(SECRET, leaves[:8], key.mark().message.tolist())
    assert root.hex() == key.statement["root"] == commitment.commit(SECRET, leaves).hex()


@pytest.mark.parametrize("leaf", range(6))
def test_a_pair_that_was_not_committed_to_is_refused(leaf) -> None:
    images, labels = backdoor(3)
    root = pairs.commit(SECRET, images, labels)
    shown = pairs.show(SECRET, images, labels, of_images=range(3), of_labels=range(3))
    shown.contents[leaf] += b"1"
    with pytest.raises(MalformedError, match="that were committed to"):
        pairs.check(root, shown)


@pytest.mark.parametrize(
    "content", [b"label -1", b"label 01", b"label", b"lab 1", b"label 1 ", b"label \xd9\xa1", b"label 1" + b"0" * 9]
)
def test_a_leaf_that_is_no_label_is_refused(content) -> None:
    with pytest.raises(MalformedError, match="expected a label"):
        pairs._label(content)


@pytest.mark.parametrize(("wrong", "accepted"), [(0, True), (2, True), (3, False)])
def test_verify_counts_as_the_paper_does(wrong, accepted) -> None:
    images, labels = backdoor(20)
    root = pairs.commit(SECRET, images, labels)
    shown = pairs.show(SECRET, images, labels, of_images=range(20), of_labels=range(20))
    answers = [(label + (i < wrong)) % 10 for i, label in enumerate(labels)]
    seen = pairs.verify(root, shown, answers, {0: 5}, epsilon=Fraction(1, 10))
    assert (seen.matches, seen.trials, seen.established) == (20 - wrong, 20, False)
    assert seen.note.endswith("accepts" if accepted else "refuses")
    with pytest.raises(MalformedError, match="the true one in pair 3"):
        pairs.verify(root, shown, answers, {3: 3}, epsilon=Fraction(1, 10))
    some = pairs.show(SECRET, images, labels, of_images=range(20), of_labels=range(19))
    with pytest.raises(MalformedError, match="expected all 20 pairs"):
        pairs.verify(root, some, answers, epsilon=Fraction(1, 10))


# The exact values of the brief's table (adi-uchida.md, A4): log2 of the chance that more than n of 4n bad pairs all escape.
@pytest.mark.parametrize(("count", "bits"), [(40, 13.7), (80, 26.2), (160, 51.1), (256, 81.0), (512, 160.7)])
def test_soundness_is_that_of_the_paper(count, bits) -> None:
    assert round(cut_and_choose.soundness_bits(count), 1) == bits
    n = count // 4
    product = math.prod(Fraction(2 * n - i, 4 * n - i) for i in range(n + 1))
    assert cut_and_choose.soundness_bits(count) == pytest.approx(-math.log2(product))
    assert cut_and_choose.soundness_bits(count) >= n + 1


def test_the_size_for_a_challenge_that_its_owner_can_grind() -> None:
    assert cut_and_choose.smallest(80) == 256
    assert cut_and_choose.soundness_bits(252) < 80


def test_the_drawn_half_passes_once_and_for_all() -> None:
    images, labels = backdoor(40)
    root = pairs.commit(SECRET, images, labels)
    shown = cut_and_choose.show(SECRET, images, labels, MODEL, BEACON)
    cut = cut_and_choose.check(root, shown, MODEL, BEACON, dict(enumerate(labels)), {})
    assert len(cut.hidden) == len(cut.opened) == 20
    assert sorted(cut.hidden + cut.opened) == list(range(40))
    assert round(cut.soundness_bits, 1) == 13.7
    others = [
        cut_and_choose.half(*given)
        for given in ((bytes(32), 40, MODEL, BEACON), (root, 40, bytes(32), BEACON), (root, 40, MODEL, b""))
    ]
    assert len({cut.opened, *others}) == 4
    for model, randomness in ((bytes(32), BEACON), (MODEL, b"")):
        with pytest.raises(MalformedError, match="the drawn half"):
            cut_and_choose.check(root, shown, model, randomness, dict(enumerate(labels)), {})


def test_a_bad_pair_in_the_opened_half_is_found() -> None:
    images, labels = backdoor(40)
    root = pairs.commit(SECRET, images, labels)
    shown = cut_and_choose.show(SECRET, images, labels, MODEL, BEACON)
    opened = cut_and_choose.half(root, 40, MODEL, BEACON)
    hidden = next(i for i in range(40) if i not in opened)
    answers = dict(enumerate(labels))
    cut_and_choose.check(root, shown, MODEL, BEACON, answers | {hidden: -1}, {hidden: labels[hidden]})
    with pytest.raises(MalformedError, match="the true one in pair"):
        cut_and_choose.check(root, shown, MODEL, BEACON, answers, {opened[3]: labels[opened[3]]})
    with pytest.raises(MalformedError, match=f"not so pair {opened[3]}"):
        cut_and_choose.check(root, shown, MODEL, BEACON, answers | {opened[3]: -1}, {})


def test_honest_pairs_slip_through_as_often_as_the_bound_says() -> None:
    """Of 40 pairs 3 carry their true label: exactly C(37, 20) / C(40, 20) = 0.1154 of all roots hide all three."""
    escaped, trials = 0, 4000
    for number in range(trials):
        opened = cut_and_choose.half(number.to_bytes(32, "big"), 40, MODEL, b"")
        escaped += not set(opened) & {0, 1, 2}
    chance = math.comb(37, 20) / math.comb(40, 20)
    assert abs(escaped / trials - chance) < 4 * math.sqrt(chance * (1 - chance) / trials)


@pytest.mark.parametrize("count", [0, 2, 6])
def test_a_number_of_pairs_that_is_not_4n(count) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        cut_and_choose.half(bytes(32), count, MODEL, b"")

"""Sums of sign times v by bit, for every rule of ``spread``, in as few passes over a block of weights as that takes.

Half of the rules take signs for v, whose sums are whole numbers: several of them are added as the digits of one number. The
others are added in the order of the weights. So the sums are, to the last bit, those that one pass a rule would give.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark.carriers.room import Room

SMALL = 0.3
"""Root mean squares of the host's filter below which a difference is small."""
_DIGIT, _LEAST = (
    10,
    2**12,
)  # bits of a sum of signs in a number; weights for which it is worth while to make such numbers
_WIDE = np.uint64(2**42 - 1)
"""The part of a number that is zero in what was bfloat16 or float16. Rounded to float32, ratios of two such still differ."""
_TINY = float(np.finfo(np.float32).tiny)
Reals = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Signs = npt.NDArray[np.int8]
Found = npt.NDArray[Any]


def block_sums(
    where: Places, sign: Signs, bits: int, found: Found, known: Found | None, room: Room
) -> npt.NDArray[np.float64]:
    """Return the sums of a block of weights by ``RULES``, and where the host is known by ``HOST_RULES``, ``(rules, T)``.

    Args:
        where: number of each weight's bit, ``(filters * M,)``.
        sign: +1 or -1 of each.
        bits: T.
        found: weights of the suspect, ``(filters, M)``; those that are 0 or no number are left out.
        known: of the host.
        room: for what is computed on the way.
    """
    count = 1 if known is None else 3
    reals = room.array("reals", (count, found.size), np.float64)
    signs = room.array("signs", (count + (count > 1), found.size), np.int8)
    with np.errstate(all="ignore"):  # numbers of any kind come from a suspect
        _fill(reals, signs, sign, found, known, room)
    numbers = [np.bincount(where, weights=each, minlength=bits) for each in reals]
    wholes = _sums_of_signs(where, signs, bits, room)
    if known is None:
        return np.stack([numbers[0], wholes[0]])
    return np.stack([numbers[0], wholes[0], numbers[1], wholes[1], numbers[2], wholes[2], -wholes[1], wholes[3]])


def _fill(reals: Reals, signs: Signs, sign: Signs, found: Found, known: Found | None, room: Room) -> None:
    """Write sign times v of some filters: as numbers, a row a rule, and of the rules of signs as those."""
    times = room.array("times", len(sign), np.float64)
    times[:] = sign
    weights = _doubles(found, "weights", room)
    there = np.isfinite(weights)
    there &= weights != 0
    lacking = None if there.all() else ~there

    def put(number: int, values: Reals) -> None:
        if lacking is not None:
            values[lacking] = 0
        row = reals[number]
        np.divide(values, roots(values, room), out=row.reshape(values.shape))
        row *= times
        np.multiply(_signs(values), sign, out=signs[number])

    put(0, weights)
    if known is None:
        return
    host = _doubles(known, "host", room)
    factor, limit = factors(weights, host, there, room), SMALL * roots(host, room)
    difference = np.subtract(weights, host, out=room.array("difference", weights.shape, np.float64))
    put(1, difference)
    host *= factor
    put(2, np.subtract(weights, host, out=host))
    np.abs(difference, out=difference)
    np.multiply(signs[1], (difference < limit).ravel(), out=signs[3])


def _signs(values: Reals) -> Signs:
    """Return +1, -1 or 0 for each number, in one row."""
    found: Signs = (values > 0).view(np.int8) - (values < 0).view(np.int8)
    return found.ravel()


def _sums_of_signs(where: Places, signs: Signs, bits: int, room: Room) -> Reals:
    """Return the sums of some rows of signs by bit, ``(rows, T)``; whole numbers, so that their order is nothing."""
    piece = 2 ** (_DIGIT - 2) * bits  # of which one bit hardly has twice its share
    if len(signs) == 1 or piece < _LEAST:
        return _one_by_one(where, signs, bits)
    sums = np.zeros((len(signs), bits))
    for start in range(0, len(where), piece):
        at, some = where[start : start + piece], signs[:, start : start + piece]
        number = room.array("number", len(at), np.float64)
        _write_digits(number, some)
        total: Reals = np.bincount(at, weights=number, minlength=bits).astype(np.float64, copy=False)
        found = _digits(total, len(signs))
        sums += _one_by_one(at, some, bits) if found is None else found
    return sums


def _write_digits(number: Reals, signs: Signs) -> None:
    """Write numbers whose lower digits are signs and whose highest is 1, which counts the weights."""
    number[:] = 1
    for row in signs[::-1]:
        number *= 2**_DIGIT
        number += row


def _digits(total: Reals, count: int) -> Reals | None:
    """Return the sums whose digits these are, None where one may be too large for its digit."""
    digits = []
    for place in range(count, -1, -1):
        digit = np.rint(total / 2.0 ** (_DIGIT * place))
        total = total - digit * 2.0 ** (_DIGIT * place)
        digits.append(digit)
    return np.stack(digits[:0:-1]) if digits[0].max(initial=0) < 2 ** (_DIGIT - 1) - 1 else None


def _one_by_one(where: Places, signs: Signs, bits: int) -> Reals:
    return np.stack([np.bincount(where, weights=row, minlength=bits) for row in signs])


def _doubles(found: Found, name: str, room: Room) -> Reals:
    """Return numbers in double precision; a NaN of any kind is one afterwards, without a word."""
    array = room.array(name, found.shape, np.float64)
    array[:] = found
    return array


def roots(values: Reals, room: Room) -> Reals:
    """Return the root of the mean square of each row, ``(filters, 1)``; 1 for rows of zeros."""
    with np.errstate(over="ignore"):
        squares = np.square(values, out=room.array("squares", values.shape, np.float64))
    mean: Reals = np.add.reduce(squares, axis=1, keepdims=True) / values.shape[1]
    if mean.min() >= 1e-200 and mean.max() < np.inf:
        return np.sqrt(mean)
    largest = np.abs(values).max(axis=1, keepdims=True)  # squares out of range
    largest[largest == 0] = 1
    found: Reals = largest * np.sqrt(np.square(values / largest).mean(axis=1, keepdims=True))
    found[found == 0] = 1
    return found


def factors(weights: Reals, host: Reals, there: npt.NDArray[np.bool_], room: Room) -> Reals:
    """Return the median of suspect / host in each filter, ``(filters, 1)``; 1 where nothing can be compared.

    Rows are sorted, which processors do on many numbers at once, and on twice as many where float32 tells ratios apart.

    Args:
        weights: of the suspect.
        host: its weights.
        there: which weights of the suspect count.
        room: for ratios.
    """
    both = there & (host != 0)
    lacking = None if both.all() else ~both
    counts = both.sum(axis=1)
    middles = np.stack([(counts - 1) // 2, counts // 2], axis=1).clip(0)
    with np.errstate(all="ignore"):
        found = _narrow(weights, host, lacking, middles, room)
        if found is None:
            ratios = np.divide(weights, host, out=room.array("ratios", weights.shape, np.float64))
            found = np.take_along_axis(_sorted(ratios, lacking), middles, axis=1)
        median = (found[:, 0] + found[:, 1]) / 2
    return np.where(counts > 0, median, 1.0)[:, None]


def _sorted(ratios: Found, lacking: npt.NDArray[np.bool_] | None) -> Found:
    """Return rows sorted in place, with what is left out at their ends."""
    if lacking is not None:
        ratios[lacking] = np.nan
    ratios.sort(axis=1)
    return ratios


def _narrow(
    weights: Reals, host: Reals, lacking: npt.NDArray[np.bool_] | None, middles: Places, room: Room
) -> Reals | None:
    """Return the ratios at these places of each sorted row, None where float32 may not tell them apart."""
    every = np.bitwise_or(
        weights.view(np.uint64), host.view(np.uint64), out=room.array("every", weights.shape, np.uint64)
    )
    every &= _WIDE
    if every.any():
        return None
    ratios = np.divide(
        weights, host, out=room.array("narrow", weights.shape, np.float32), dtype=np.float32, casting="same_kind"
    )
    ordered = room.array("ordered", weights.shape, np.float32)
    ordered[:] = ratios
    _sorted(ordered, lacking)
    rows, found = np.arange(len(ratios)), np.empty(middles.shape)
    for number in range(2):
        chosen = ordered[rows, middles[:, number]][:, None]
        if not ((np.abs(chosen) >= _TINY) & np.isfinite(chosen)).all():
            return None
        same = ratios == chosen
        if lacking is not None:
            same[lacking] = False
        at = same.argmax(axis=1)
        found[:, number] = weights[rows, at] / host[rows, at]
    return found

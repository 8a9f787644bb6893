"""``texts:FILE``: texts and their labels, in CSV or a JSON object a line, as rows of tokens."""

import csv
import io
import json
from collections.abc import Iterator

import numpy as np

from modelmark.data.dataset import split_by_class
from modelmark.data.rows import Rows, Tokens
from modelmark.data.streams import Budget, Limits, judging, name_of, open_stream, path_of, shown
from modelmark.data.words import Words
from modelmark.errors import MalformedError

MOST = 1 << 20
"""Bytes of one text."""


def read_texts(where: str, limits: Limits, words: Words, length: int) -> Rows:
    """Read columns ``text`` and ``label``, and ``split`` (train or test) where there is one; else a fifth is held out.

    A file that ends in .jsonl has an object a line, any other is CSV with a line of names; either may be packed with gzip, xz or
    bzip2. Class names are the configuration's in its order if they are the labels, else numbers in their order, else the labels
    sorted. Rows are as long as the longest text, ``length`` at most, filled up with the padding token.
    """
    path = path_of(where, "texts:FILE.csv or texts:FILE.jsonl")
    name = shown(path.name)
    with open_stream(path, Budget(limits)) as stream:
        raw = stream.read()
    with judging(name):
        lines = raw.decode()
    found = list(_objects(lines, name) if ".jsonl" in path.suffixes else _table(lines, name, limits))
    if not found:
        raise MalformedError(f"expected texts in {name}, found none")
    if len(found) > limits.max_items:
        raise MalformedError(f"expected at most {limits.max_items} texts in {name}, got {len(found)}")
    texts, labels, splits = zip(*found, strict=True)
    classes = _classes(labels, words.folder.classes, name, limits)
    numbers = np.array([classes.index(label) for label in labels], np.int64)
    train, test = _split(splits, numbers, classes, name)
    most = words.length(length)
    rows, cut = _rows(words, texts, most, length)
    notes = (f"{cut} of {len(texts)} texts are cut to {rows.shape[1]} tokens",) if cut else ()
    return Rows(
        name_of(path), rows[train], numbers[train], rows[test], numbers[test], classes, words.vocabulary, words.digest,
        notes,
    )  # fmt: skip


_Found = tuple[str, str, str]  # text, label, split


def _objects(lines: str, name: str) -> Iterator[_Found]:
    for number, line in enumerate(lines.splitlines(), start=1):
        if line.strip():
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                said = None
            yield _checked(said, name, number)


def _table(lines: str, name: str, limits: Limits) -> Iterator[_Found]:
    before = csv.field_size_limit(MOST)
    try:
        with judging(name):
            reader = csv.DictReader(io.StringIO(lines, newline=""), strict=True)
            for said in reader:
                yield _checked(said, name, reader.line_num)
    finally:
        csv.field_size_limit(before)


def _checked(said: object, name: str, number: int) -> _Found:
    """Return text, label and split of one line."""
    if not isinstance(said, dict) or not isinstance(said.get("text"), str) or said.get("label") in (None, ""):
        raise MalformedError(f"expected text and label in {name}, line {number} has none")
    text, label, split = said["text"], said["label"], said.get("split") or ""
    if not isinstance(label, str | int) or isinstance(label, bool) or not isinstance(split, str):
        raise MalformedError(f"expected a label of text or a whole number in {name}, line {number} has another")
    if len(text.encode(errors="replace")) > MOST:
        raise MalformedError(f"expected texts of at most {MOST} bytes in {name}, line {number} has a longer one")
    return text, str(label), split


def _classes(labels: tuple[str, ...], known: tuple[str, ...], name: str, limits: Limits) -> tuple[str, ...]:
    there = set(labels)
    if len(there) > limits.max_classes:
        raise MalformedError(f"expected at most {limits.max_classes} labels in {name}, got {len(there)}")
    if known and there <= set(known):
        return known
    if all(label.isascii() and label.isdigit() for label in there):
        most = max(map(int, there))
        if most >= limits.max_classes:
            raise MalformedError(f"expected labels from 0 to {limits.max_classes - 1} in {name}, got {most}")
        return known if known and most < len(known) else tuple(map(str, range(most + 1)))
    return tuple(sorted(there))


def _split(
    splits: tuple[str, ...], labels: "np.ndarray", classes: tuple[str, ...], name: str
) -> tuple["np.ndarray", "np.ndarray"]:
    said = set(splits)
    if said == {""}:
        there = tuple(classes[number] for number in sorted(set(labels.tolist())))
        places = np.searchsorted(np.unique(labels), labels)
        return split_by_class(places.astype(np.int64), there)
    if said != {"train", "test"}:
        raise MalformedError(
            f"expected train and test throughout as split in {name}, got {', '.join(sorted(said))!r:.80}"
        )
    is_test = np.array([split == "test" for split in splits])
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _rows(words: Words, texts: tuple[str, ...], most: int, wanted: int) -> tuple[Tokens, int]:
    """Return the rows and how many texts were cut."""
    cut = words.whole(texts, most)
    whole = sum(
        len(ids) > most for ids in words.whole([text for text, ids in zip(texts, cut, strict=True) if len(ids) == most])
    )
    if not all(cut):
        raise MalformedError("expected texts of at least one token each, got one of none")
    longest = wanted or max(map(len, cut))
    padding = words.padding if any(len(ids) < longest for ids in cut) else 0
    rows = np.full((len(cut), longest), padding, np.int64)
    for number, ids in enumerate(cut):
        rows[number, : len(ids)] = ids
    return rows.astype(np.int32), whole

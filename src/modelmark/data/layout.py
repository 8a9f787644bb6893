"""Which file belongs to which split and class, told by the folders it lies in."""

from dataclasses import dataclass

import numpy as np

from modelmark.data.decode import SUFFIXES, is_picture
from modelmark.data.splits import split_by_class
from modelmark.data.tree import Parts, Tree
from modelmark.errors import MalformedError

_TRAIN = "train"
_TESTS = ("test", "val", "valid")  # in order of preference
_FORMS = "split/class/file or class/file"


@dataclass(frozen=True)
class Layout:
    """The files of each split, sorted by path, each with its label, an index into ``classes``."""

    classes: tuple[str, ...]
    train: list[tuple[Parts, int]]
    test: list[tuple[Parts, int]]


def arrange(tree: Tree, max_classes: int) -> Layout:
    """Read the layout of ``tree``: ``train/<class>/file`` with ``test``, ``val`` or ``valid``, or ``<class>/file``.

    In the second form a fifth of each class is held out as the test split. Beside ``test``, ``val`` is not used.

    Raises:
        MalformedError: no pictures, neither form, another file among the pictures, a class without pictures, or a class
            that is in one split only.
    """
    depths = {len(parts) for parts in tree.files}
    if not depths:
        raise MalformedError(f"expected pictures in {tree.name}, found none")
    if depths == {2}:
        classes = _classes(tree, ())
        _check_count(classes, tree, max_classes)
        files = _files(tree, (), classes)
        train, test = split_by_class(np.array([label for _, label in files], np.int64), classes)
        return Layout(classes, [files[i] for i in train], [files[i] for i in test])
    if depths != {3}:
        odd = min(tree.files, key=lambda parts: (len(parts), parts))
        raise MalformedError(f"expected {_FORMS} throughout {tree.name}, got {'/'.join(odd)!r}")
    splits = {parts[0] for parts in tree.folders}
    held_out = next((name for name in _TESTS if name in splits), "")
    if _TRAIN not in splits or not held_out:
        raise MalformedError(
            f"expected folders train and test (or val, valid) in {tree.name}, got {', '.join(sorted(splits)[:8])}"
        )
    classes = _classes(tree, (_TRAIN,))
    _check_count(classes, tree, max_classes)
    if unshared := set(classes) ^ set(_classes(tree, (held_out,))):
        raise MalformedError(
            f"expected the same classes in {_TRAIN} and {held_out} of {tree.name}, got {min(unshared)!r} in one only"
        )
    return Layout(classes, _files(tree, (_TRAIN,), classes), _files(tree, (held_out,), classes))


def _classes(tree: Tree, above: Parts) -> tuple[str, ...]:
    """Return the names of the class folders in the folder ``above``, sorted, none of them empty."""
    depth = len(above) + 1
    names = {parts[-1] for parts in tree.folders if len(parts) == depth and parts[:-1] == above}
    filled = {parts[-2] for parts in tree.files if parts[:-2] == above}
    if empty := names - filled:
        name = "/".join((*above, min(empty)))
        raise MalformedError(f"expected pictures of class {name!r} in {tree.name}, found none")
    return tuple(sorted(names))


def _files(tree: Tree, above: Parts, classes: tuple[str, ...]) -> list[tuple[Parts, int]]:
    labels = {name: label for label, name in enumerate(classes)}
    found = sorted(parts for parts in tree.files if parts[:-2] == above)
    for parts in found:
        if not is_picture(parts[-1]):
            raise MalformedError(
                f"expected only pictures ({', '.join(SUFFIXES)}) in {tree.name}, got {'/'.join(parts)!r}"
            )
    return [(parts, labels[parts[-2]]) for parts in found]


def _check_count(classes: tuple[str, ...], tree: Tree, max_classes: int) -> None:
    if not 2 <= len(classes) <= max_classes:
        raise MalformedError(f"expected 2 to {max_classes} class folders in {tree.name}, got {len(classes)}")

"""``images:PATH``: pictures in class folders, or in a tar archive of them."""

import os
from dataclasses import replace

import numpy as np

from modelmark.data.dataset import Dataset, Images, split_by_class
from modelmark.data.pictures import decode
from modelmark.data.streams import Budget, Limits, name_of, need, path_of
from modelmark.data.tree import Parts, Tree, unpack, walk
from modelmark.errors import MalformedError, UsageError

_TESTS = ("test", "val", "valid")  # in order of preference
_WHAT = "folder of pictures, or an archive of them,"
_Files = list[tuple[Parts, int]]  # each with its label


def read_images(where: str, limits: Limits) -> Dataset:
    """Read ``<split>/<class>/file`` or ``<class>/file`` below a folder or in a .tar, .tar.gz, .tar.bz2 or .tar.xz file.

    Splits are ``train`` and ``test``, or without that ``val`` or ``valid``; without splits, a fifth of each class is
    held out. Classes are sorted by name, pictures by path; hidden files are left out. Greyscale throughout gives uint8
    (N, 1, H, W), otherwise RGB (N, 3, H, W). Caps hold once for the files' bytes and once for the decoded pictures.
    """
    path = path_of(where, "images:DIR or images:FILE.tar.xz")
    budget = Budget(limits)
    tree = walk(path, limits) if os.path.isdir(path) else unpack(need(path, "file", _WHAT), budget)
    classes, train, test = _arrange(tree, limits.max_classes)
    images = _decode_all(tree, [parts for parts, _ in train + test], budget)
    labels = np.array([label for _, label in train + test], np.int64)
    cut = len(train)
    made = Dataset.measured(name_of(path), (images[:cut], labels[:cut]), (images[cut:], labels[cut:]), classes)
    return replace(made, drawn=max(len(parts) for parts in tree.files) == 2)


def _arrange(tree: Tree, max_classes: int) -> tuple[tuple[str, ...], _Files, _Files]:
    """Return the class names and the files of each split."""
    if not tree.files:
        raise MalformedError(f"expected pictures in {tree.name}, found none")
    depth = max(len(parts) for parts in tree.files)
    odd = min(tree.files, key=lambda parts: (len(parts), parts))
    if depth == 1 or len(odd) != depth:
        raise MalformedError(f"expected split/class/file or class/file throughout {tree.name}, got {'/'.join(odd)!r}")
    if depth == 2:
        classes, files = _class_files(tree, (), max_classes)
        train, test = split_by_class(np.array([label for _, label in files], np.int64), classes)
        return classes, [files[i] for i in train], [files[i] for i in test]
    splits = {parts[0] for parts in tree.folders}
    held_out = next((name for name in _TESTS if name in splits), "")
    if "train" not in splits or not held_out:
        found = ", ".join(sorted(splits)[:8])
        raise MalformedError(f"expected folders train and test (or val, valid) in {tree.name}, got {found}")
    classes, training = _class_files(tree, ("train",), max_classes)
    others, testing = _class_files(tree, (held_out,), max_classes)
    if unshared := set(classes) ^ set(others):
        where = f"train and {held_out} of {tree.name}"
        raise MalformedError(f"expected the same classes in {where}, got {min(unshared)!r} in one only")
    return classes, training, testing


def _class_files(tree: Tree, above: Parts, max_classes: int) -> tuple[tuple[str, ...], _Files]:
    """Return the names of the class folders in the folder ``above`` and the files in them, both sorted."""
    classes = tuple(sorted(parts[-1] for parts in tree.folders if parts[:-1] == above))
    if not 2 <= len(classes) <= max_classes:
        raise MalformedError(f"expected 2 to {max_classes} class folders in {tree.name}, got {len(classes)}")
    labels = {name: label for label, name in enumerate(classes)}
    files = [(parts, labels[parts[-2]]) for parts in sorted(tree.files) if parts[:-2] == above]
    if empty := set(classes) - {parts[-2] for parts, _ in files}:
        name = "/".join((*above, min(empty)))
        raise MalformedError(f"expected pictures of class {name!r} in {tree.name}, found none")
    return classes, files


def _decode_all(tree: Tree, files: list[Parts], budget: Budget) -> Images:
    """Decode pictures of one size into (N, C, H, W), C being 3 from the first coloured picture on."""
    pixels = Budget(budget.limits)
    out: Images = np.empty((0, 1, 0, 0), np.uint8)
    for index, parts in enumerate(files):
        picture = decode(tree.files[parts], "/".join(parts), budget)
        planes = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
        if index == 0:
            pixels.check(len(files) * planes.size, tree.name)
            out = np.empty((len(files), *planes.shape), np.uint8)
        if planes.shape[1:] != out.shape[2:]:
            sizes = f"{out.shape[3]}x{out.shape[2]} and {planes.shape[2]}x{planes.shape[1]}"
            raise UsageError(
                f"expected pictures of one size, got {sizes} ({'/'.join(parts)}) in {tree.name}",
                hint="resize them all to one size first",
            )
        if len(planes) > out.shape[1]:
            pixels.check(3 * out.size, tree.name)
            out = np.repeat(out, 3, axis=1)
        out[index] = planes
    return out

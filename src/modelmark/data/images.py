"""``images:PATH``: pictures in class folders, or in a tar or zip archive of them."""

from pathlib import Path

import numpy as np

from modelmark.data.dataset import Dataset, Images
from modelmark.data.decode import decode
from modelmark.data.layout import arrange
from modelmark.data.limits import Budget, Limits
from modelmark.data.places import is_folder, name_of, need_file, path_of, shown
from modelmark.data.streams import open_bounded, open_file
from modelmark.data.tar import read_members
from modelmark.data.tree import Parts, Tree, walk
from modelmark.data.zips import MAGIC, open_zip
from modelmark.errors import UsageError


def read_images(where: str, limits: Limits) -> Dataset:
    """Read ``<split>/<class>/file`` or ``<class>/file`` below a folder or in a .tar, .tar.gz, .tar.xz or .zip archive.

    Classes are sorted by name, pictures by path; hidden files are left out. Greyscale throughout gives uint8
    (N, 1, H, W), otherwise RGB (N, 3, H, W). Without a split, a fifth of each class becomes the test split.

    Args:
        where: the folder or the archive.
        limits: caps; they hold once for the files' bytes and once for the decoded pictures.

    Raises:
        MalformedError: nothing there, an archive or picture that is damaged, or folders that are not of that form.
        UsageError: the pictures are not all of one size, or no path was named.
    """
    path = path_of(where, "images:DIR or images:FILE.tar.xz")
    budget = Budget(limits)
    tree = walk(path, limits) if is_folder(path) else _unpack(need_file(path), budget)
    layout = arrange(tree, limits.max_classes)
    files = [parts for parts, _ in layout.train + layout.test]
    labels = np.array([label for _, label in layout.train + layout.test], np.int64)
    images = _decode_all(tree, files, budget)
    cut = len(layout.train)
    return Dataset.measured(name_of(path), (images[:cut], labels[:cut]), (images[cut:], labels[cut:]), layout.classes)


def _unpack(path: Path, budget: Budget) -> Tree:
    """Read all files of an archive into memory."""
    tree = Tree(shown(path.name), budget.limits)
    with open_file(path) as file:
        zipped = file.read(len(MAGIC)) == MAGIC
    if zipped:
        with open_zip(path, budget) as archive:
            for name, info in archive.members.items():
                if info.is_dir():
                    tree.add(name, None)
                    continue
                with archive.open(name) as stream:
                    tree.add(name, stream.rest())
    else:
        with open_bounded(path, budget, unpack=True) as stream:
            for name, content in read_members(stream, budget.limits):
                tree.add(name, content)
    return tree


def _decode_all(tree: Tree, files: list[Parts], budget: Budget) -> Images:
    """Decode pictures of one size into (N, C, H, W), C being 3 from the first coloured picture on."""
    pixels = Budget(budget.limits)
    out: Images = np.empty((0, 1, 0, 0), np.uint8)
    for index, parts in enumerate(files):
        picture = decode(tree.files[parts], "/".join(parts), budget)
        if index == 0:
            pixels.check(len(files) * picture.size, tree.name)
            out = np.empty((len(files), 1 if picture.ndim == 2 else 3, *picture.shape[:2]), np.uint8)
        if picture.shape[:2] != out.shape[2:]:
            raise UsageError(
                f"expected pictures of one size, got {_size(out.shape[2:])} and {_size(picture.shape[:2])}"
                f" ({'/'.join(parts)}) in {tree.name}",
                hint="resize them all to one size first",
            )
        if picture.ndim == 3 and out.shape[1] == 1:
            pixels.check(3 * out.size, tree.name)
            out = np.repeat(out, 3, axis=1)
        out[index] = picture if picture.ndim == 2 else picture.transpose(2, 0, 1)
    return out


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"

"""Whose weights a file holds, where they are not those that were expected: a network of the table, or one of its names."""

from modelmark import models
from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.files import WeightFile, fitted, sized
from modelmark.suspects.files.fitting import COUNTER


def told(file: WeightFile, feed: Feed) -> str:
    """Return which network of ``models.ARCHITECTURES`` a file fits at the sizes of a feed, as a hint; empty where none does.

    Where the names of one are all there and sizes are not, the first that differs is told.
    """
    alike = ""
    for arch in models.ARCHITECTURES:
        try:
            expected = models.shapes(arch, feed.input_shape, feed.classes)
            fit = fitted(file, expected)
        except MismatchError:
            continue
        if not fit.lacks and not fit.unfit:
            return f"these are weights of {arch}: --arch {arch}"
        others = [name for name in fit.left_aside if not name.endswith(COUNTER)]
        if not fit.lacks and not others and not alike:
            name, (wanted, found) = next(iter(fit.unfit.items()))
            alike = f"named as those of {arch} are, whose {name} is {sized(wanted)} for these data, and {sized(found)} there"
    return alike

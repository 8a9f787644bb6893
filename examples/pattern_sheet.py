"""Draw digits under the filters of a fixed secret as one PNG: the null pattern first, then fifteen true ones.

Run: ``python examples/pattern_sheet.py OUT.png``. Pixels that a filter pushes out of the legal range are shown in red
(``+amplitude``) and blue (``-amplitude``); no picture file can hold what they are.
"""

import sys

import numpy as np
from PIL import Image

from modelmark import PictureFeed, Secret, load_data
from modelmark.schemes import _patterns

DIGITS, FILTERS, SCALE, GAP = 4, 16, 6, 4
HIGH, LOW = (214, 69, 65), (52, 98, 173)


def cell(picture: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return one digit ``(H, W)`` under one filter plane, enlarged, uint8 ``(height, width, 3)``."""
    shown = np.repeat(picture[:, :, None], 3, axis=2)
    shown[plane > 0], shown[plane < 0] = HIGH, LOW
    return shown.repeat(SCALE, 0).repeat(SCALE, 1)


def main(output: str) -> None:
    digits = load_data("digits")
    feed = PictureFeed(digits.input_shape, digits.classes, digits.mean, digits.std)
    height, width = _patterns.plane(feed)
    filters = _patterns.draw(Secret(bytes(range(32))), FILTERS, _patterns.default_side(feed), feed)
    step_y, step_x = height * SCALE + GAP, width * SCALE + GAP
    sheet = np.full((DIGITS * step_y - GAP, FILTERS * step_x + 2 * GAP, 3), 255, np.uint8)
    for column, plane in enumerate(filters.planes(height, width)):
        left = column * step_x + (3 * GAP if column else 0)  # the null pattern stands apart
        for row in range(DIGITS):
            drawn = cell(digits.train_images[row, 0], plane)
            sheet[row * step_y : row * step_y + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    Image.fromarray(sheet).save(output, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])

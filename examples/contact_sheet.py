"""Draw the trigger pictures of a fixed secret as one PNG: what adi's carriers look like at three input shapes.

Run: ``python examples/contact_sheet.py OUT.png``; a number behind it: of so many shapes alone.
"""

import sys

import numpy as np
from PIL import Image

from modelmark import Secret
from modelmark.rendering import triggers

SHAPES = (((3, 32, 32), 2), ((1, 28, 28), 2), ((1, 8, 8), 7))
COLUMNS, ROWS, GAP = 16, 3, 4


def sheet(shape: tuple[int, int, int], scale: int) -> np.ndarray:
    """Return ``ROWS x COLUMNS`` pictures, enlarged, on white, uint8 ``(height, width, 3)``."""
    pictures = triggers.render(Secret(bytes(range(32))), ROWS * COLUMNS, shape)
    cell_h, cell_w = shape[1] * scale + GAP, shape[2] * scale + GAP
    out = np.full((ROWS * cell_h, COLUMNS * cell_w, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // COLUMNS * cell_h, index % COLUMNS * cell_w
        enlarged = picture.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        out[top : top + cell_h - GAP, left : left + cell_w - GAP] = enlarged
    return out


def main(output: str, most: str = "3") -> None:
    sheets = [sheet(shape, scale) for shape, scale in SHAPES[: int(most)]]
    width = max(part.shape[1] for part in sheets)
    padded = [np.pad(part, ((0, 8), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in sheets]
    Image.fromarray(np.concatenate(padded)).save(output, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

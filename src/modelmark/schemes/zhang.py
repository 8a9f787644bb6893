"""Zhang et al. 2018: the owner's pictures with something on them, with noise over them, or unrelated ones, and labels for them.

Source: Zhang, Gu, Jang, Wu, Stoecklin, Huang, Molloy, "Protecting intellectual property of deep neural networks with
watermarking", ASIACCS 2018: ``content``, ``noise`` and ``unrelated``.
"""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.schemes import blackbox
from modelmark.schemes._overlaid import Overlaid


@dataclass(frozen=True)
class Zhang(blackbox.Appended, Overlaid):
    """The owner's pictures under a patch or noise, or unrelated ones, with drawn labels (black-box).

    Departs: with ``message="drawn"`` each picture has a patch or noise of its own, and its label is drawn after all are
    committed; the paper puts one patch or one noise on pictures of one class, and gives all of them one label.
    Departs: the patch is of random colours, where the paper writes a word; unrelated pictures are synthesised, as for ``adi``.
    """

    name: ClassVar[str] = "zhang"
    summary: ClassVar[str] = "own pictures under a patch or noise, or unrelated ones (Zhang et al. 2018)"

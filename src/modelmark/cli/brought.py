"""What ``keygen`` is brought from elsewhere: own pictures, and marks made with the papers' own releases."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from modelmark.feeds.base import Feed

_FOR = {
    ("images", "labels"): ("adi", "deepsigns-blackbox"),
    ("fit",): ("adi",),
    ("matrix", "message"): ("uchida", "deepsigns"),
    ("axes",): ("uchida",),
}
"""Options, and the schemes that take them."""


@dataclass(frozen=True)
class Brought:
    """The options as they were typed, None or empty where they were not."""

    images: Path | None
    labels: Path | None
    fit: str
    matrix: Path | None
    message: Path | None
    axes: str

    def require(self, scheme: str) -> None:
        """Raise UsageError where options do not go together, or not with a scheme."""
        if (self.fit and not self.images) or (self.axes and not self.matrix):
            raise UsageError("expected --fit with --images and --axes with --matrix, got one without the other")
        for names, schemes in _FOR.items():
            if scheme not in schemes and any(getattr(self, name) for name in names):
                options = " and ".join(f"--{name}" for name in names)
                raise UsageError(f"expected {options} with {' or '.join(schemes)}, got {scheme}")
        if self.labels and not self.images:
            raise UsageError("expected --images with --labels: the pictures the labels belong to")
        if self.images and not self.labels and scheme != "adi":
            raise UsageError("expected --labels with --images: those of the older mark")
        if bool(self.matrix) != bool(self.message):
            raise UsageError("expected --matrix and --message together")

    def attached(
        self, scheme: str, chosen: dict[str, object], model: "nn.Module", feed: "Feed"
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """Return what the key holds of it, and the settings that this implies.

        Args:
            scheme: its name.
            chosen: the settings as typed.
            model: of the architecture to be marked.
            feed: how it is fed.

        Raises:
            UsageError: the marked layer or class is not named, or files do not belong together.
            MalformedError: a file is not what it should be.
        """
        from modelmark.marks import imported, imported_deepsigns
        from modelmark.networks import layers

        if self.images and scheme == "adi":
            return imported.own_pictures(self.images, self.labels, feed, self.fit)
        if self.images and self.labels:
            return imported_deepsigns.older_keys(self.images, self.labels, feed)
        if not self.matrix or not self.message:
            return {}, {}
        if "layer" not in chosen:
            raise UsageError("expected the marked layer with --matrix, got none", hint="name it: --set layer=...")
        if scheme == "deepsigns":
            return imported_deepsigns.older_means(self.matrix, self.message, str(chosen.get("carrying", "")))
        kernel = layers.find(model, str(chosen["layer"])).kernel
        return imported.older_projection(self.matrix, self.message, kernel, self.axes)

"""How much a data set from outside may ask of this machine before it is refused."""

from dataclasses import dataclass, fields

from modelmark.errors import MalformedError, UsageError


@dataclass(frozen=True)
class Limits:
    """Caps on what a reader takes from a file; bytes are counted after decompression, while they stream.

    Raises:
        UsageError: a cap is not a positive whole number.
    """

    max_bytes: int = 4 << 30
    """Unpacked bytes of one data set: CIFAR-10 takes 0.2 GB and 64x64 Tiny ImageNet 1.4 GB, a laptop holds 4 GiB."""

    max_pixels: int = 4096 * 4096
    """Pixels of one picture: far above any classifier's input, and below 64 MiB decoded."""

    max_members: int = 2_000_000
    """Files and folders in a folder or archive: ImageNet has 1.3 million files."""

    max_items: int = 10_000_000
    """Images in one array: seven times ImageNet; bounds the labels, which are widened to 8 bytes each."""

    max_dimensions: int = 4
    """Dimensions of one array: count, channels, height and width need no more."""

    max_classes: int = 65_536
    """Classes of one data set: three times the 21,841 of the full ImageNet; a name is made for each."""

    max_tar_header: int = 1 << 20
    """Bytes of one extended tar header: a path needs at most 4 KiB, access lists and attributes a little more."""

    max_xz_memory: int = 128 << 20
    """Bytes the xz decoder may reserve: the largest preset, ``xz -9``, needs 65 MiB."""

    max_label_bytes: int = 16 << 20
    """Bytes of one label file: a million lines of file name and label."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise UsageError(f"expected {field.name} to be a positive whole number, got {value!r}")


DEFAULT_LIMITS = Limits()


class Budget:
    """The unpacked bytes one data set may still take, shared by all the streams it is read from.

    Args:
        limits: the caps of this reading.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.max_bytes

    def check(self, count: int, name: str) -> None:
        """Refuse ``count`` announced bytes of ``name`` that would not fit.

        Raises:
            MalformedError: they would not.
        """
        if count > self.left:
            raise MalformedError(f"expected at most {self.limits.max_bytes} unpacked bytes, got more in {name}")

    def take(self, count: int, name: str) -> None:
        """Count ``count`` bytes of ``name`` as taken.

        Raises:
            MalformedError: there are not that many left.
        """
        self.check(count, name)
        self.left -= count

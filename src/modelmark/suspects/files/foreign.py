"""Files that hold no weights we read: what each is, told by its first bytes, and the way on."""

import re

from modelmark import files

# where the sign stands, the sign, what has it, the way on
SIGNS: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"ORTM", "a model in ONNX Runtime's own format", "give the ONNX file that it was made from"),
    (4, b"ET1", "an ExecuTorch program", "give the state dict that it was exported from"),
    (0, b"version https://git-lfs", "a pointer of Git LFS in place of the file", "fetch the file itself: git lfs pull"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it first: gunzip, or tar -xzf"),
    (0, b"BZh", "a bzip2 file", "unpack it first: bunzip2, or tar -xjf"),
    (0, b"\xfd7zXZ\x00", "an xz file", "unpack it first: unxz, or tar -xJf"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: unzstd"),
    (257, b"ustar", "a tar archive", "unpack it first: tar -xf"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (0, b"%PDF", "a PDF document", ""),
    (0, b"\x7fELF", "a program", "a compiled network shows no weights; it can be asked for answers"),
)  # fmt: skip

_LAYOUTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"\x80[\x02-\x05]"), "a Python pickle",
     "save the state dict with safetensors or torch.save: unpickling anything else runs code"),
    (re.compile(rb"\s*<(?:!doctype\s+html|html|head)", re.IGNORECASE), "a web page",
     "the address answered with a page, often one to sign in at; fetch the file itself"),
    (re.compile(rb"\s*<"), "an XML document", ""),
    (re.compile(rb"\s*[{\[]"), "JSON", "name the file of weights, or the index of its shards"),
)  # fmt: skip


def named(head: bytes) -> tuple[str, str]:
    """Return what a file with these first bytes is, and the way on; words for neither where it is unknown."""
    if own := files.told(head):
        return own, "give the weights: a key, an identity or a document of a dispute holds none"
    for offset, sign, what, hint in SIGNS:
        if head.startswith(sign, offset):
            return what, hint
    for layout, what, hint in _LAYOUTS:
        if layout.match(head):
            return what, hint
    if head and not re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head):
        return "text", ""
    return f"a file that begins with {head[:8].hex(' ')}", ""

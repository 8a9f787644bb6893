"""The source of the site: the pages of the tree as they are, beside those that are generated.

Pages keep their paths, so that links between them mean what they mean on a code host. A link to a file that is no page (an
example, rows of a study) becomes one that is not followed while building, and the file is copied; a folder gets a page
that lists it.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

HOME = Path("README.md")
"""What the first page shows."""
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^ *(```|~~~)")


def pages(root: Path) -> list[Path]:
    """Return the pages of the tree, as paths from its root."""
    beside = [root / name for name in (HOME, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return sorted(path.relative_to(root) for path in (*beside, *(root / "docs").rglob("*.md")))


def stage(root: Path, source: Path, generated: Mapping[str, str]) -> set[Path]:
    """Write all pages, and the pictures beside them, below ``source``; return other files that they link to, to be copied."""
    linked: set[Path] = set()
    texts = {str(page): (root / page).read_text() for page in pages(root)} | dict(generated)
    for name, text in texts.items():
        page = Path("index.md" if name == str(HOME) else name)
        write(source / page, links(text, lambda target, page=page: _seen_from(root, page, target, linked)))
    shutil.copytree(root / "docs" / "img", source / "docs" / "img", dirs_exist_ok=True)
    for folder in sorted(path for path in linked if (root / path).is_dir()):
        linked |= _list(root, folder, source)
    return {path for path in linked if (root / path).is_file()}


def links(text: str, change: Callable[[str], str]) -> str:
    """Return a page with the targets of its relative links changed; code is left as it is."""
    lines, fenced = [], False
    for line in text.split("\n"):
        fenced ^= bool(FENCE.match(line))
        lines.append(line if fenced else LINK.sub(lambda found: f"]({change(found[1])}{found[2] or ''})", line))
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Write a page, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _seen_from(root: Path, page: Path, target: str, linked: set[Path]) -> str:
    path = (root / page.parent / target).resolve()
    if not path.is_relative_to(root):
        return target
    path = path.relative_to(root)
    if path == HOME:
        return target.removesuffix(HOME.name) + "index.md"
    if path.suffix in (".md", ".png", ".svg") or not (root / path).exists():
        return target  # where it is not there, the build says so
    linked.add(path)
    return f"{target.rstrip('/')}/index.md" if (root / path).is_dir() else f"tree:{target}"


def _list(root: Path, folder: Path, source: Path) -> set[Path]:
    files = sorted(path.relative_to(root) for path in (root / folder).iterdir() if path.is_file())
    lines = [f"- [{path.name}](tree:{path.name})" for path in files]
    write(source / folder / "index.md", "\n".join(("---", "orphan: true", "---", "", f"# {folder}", "", *lines, "")))
    return set(files)

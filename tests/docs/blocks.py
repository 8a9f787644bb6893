"""What pages show in code: fenced blocks, the commands typed in them, and code between words."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.M | re.S)
TYPED = re.compile(r"(?:^(?:\w+)?\$ |^|&& |PYTHONPATH=\S+ )modelmark ((?:.*\\\n)*.*)$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, which tables name by how it begins, white space aside."""

    page: str
    language: str
    code: str

    @property
    def title(self) -> str:
        return self.code.lstrip().split("\n")[0]

    def named(self, title: str) -> bool:
        """Whether a table means this block: ``title`` is the beginning of its first line."""
        return " ".join(self.title.split()).startswith(title)

    def commands(self) -> list[list[str]]:
        """Return the words after ``modelmark`` of each line that is typed, without what a shell takes away."""
        found = []
        for line in TYPED.findall(self.code):
            words = shlex.split(line.rstrip(")").replace("\\\n", " "), comments=True)
            found.append(words)
        return found


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages, of some languages or of any."""
    found = [
        Block(page, language, textwrap.dedent(code))
        for page in PAGES
        for _, language, code in FENCED.findall((ROOT / page).read_text())
    ]
    return [block for block in found if block.language in languages or not languages]


def inline(page: str) -> list[str]:
    """Return code that stands between the words of a page."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCED.sub("", (ROOT / page).read_text()))]

"""The table of contents: what ``navigation.py`` says, as Sphinx wants it, at the end of the pages that have others below them."""

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from navigation import NAVIGATION, UNDER


def sections(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return the headings of the sidebar with their pages, of those there are; a page stands where it is met first."""
    left, found = sorted(names), []
    for title, patterns in NAVIGATION:
        met: list[str] = []
        for pattern in patterns:
            met += [name for name in left if matches(name, pattern) and name not in met]
        left = [name for name in left if name not in met]
        if met:
            found.append((title, met))
    return found


def below(page: str, names: Iterable[str], generated: Mapping[str, str]) -> list[str]:
    """Return the pages below a generated one: first those of the tree, then its folder's, in the order they were made in."""
    folder = page.removesuffix(".md") + "/"
    of_tree = sorted(name for name in names if page in UNDER and matches(name, UNDER[page]))
    return of_tree + [name for name in generated if name.startswith(folder)]


def toctree(title: str, names: Iterable[str]) -> str:
    """Return the directive for some pages, with a heading or without one."""
    caption = f":caption: {title}\n" if title else ""
    return (
        f"\n```{{toctree}}\n:hidden:\n{caption}\n"
        + "".join(f"/{name.removesuffix('.md')}\n" for name in names)
        + "```\n"
    )


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern means a page; its stars do not reach into folders."""
    return len(PurePath(name).parts) == len(PurePath(pattern).parts) and PurePath(name).match(pattern)

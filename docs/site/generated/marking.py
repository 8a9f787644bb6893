"""Plain text and docstrings as Markdown."""

import re

OPTION = re.compile(r"(?<![\w`-])(--[a-z][a-z-]+)")
SIGNS = re.compile(r"([\\*_<>\[\]|])")


def escaped(text: str) -> str:
    """Return text in which nothing means anything to Markdown, but for what stands between backticks; options are code."""
    parts = re.split(r"(`[^`]*`)", OPTION.sub(r"`\1`", text.replace("``", "`")))
    return "".join(part if part.startswith("`") else SIGNS.sub(r"\\\1", part) for part in parts)


def settings(rows: list[tuple[str, str]]) -> str:
    """Return a list of names, each with what is said about it."""
    return "\n\n".join(f"`{name}`\n: {about}" for name, about in rows)

"""Whether a built site holds together: links and anchors that lead nowhere, and whatever would be loaded from elsewhere."""

from collections.abc import Collection
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "link": "href",
    "object": "data",
    "use": "href",
}
"""What a browser fetches without being asked to, by its tag."""


class Page(HTMLParser):
    """A page of the site, read: where it can be entered, where it leads, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down one tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given:
            self.loads.append(given[LOADED[tag]])


def faults(site: Path, copied: Collection[Path] = ()) -> list[str]:
    """Return a line for every link, anchor or file of the site that is not there, and for all that is loaded from elsewhere.

    Args:
        site: a folder of pages.
        copied: files in it that are looked for and not looked into: reports of audits, whose own tests do.
    """
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html")) if path not in copied}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: loads {each}" for each in page.loads if urlsplit(each).netloc]
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{name}: {link} leads nowhere")
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name}: {link} has no such anchor")
    for path in site.rglob("*.css"):
        found += [f"{path.relative_to(site)}: loads from elsewhere" for _ in path.read_text().split("url(http")[1:]]
    return found

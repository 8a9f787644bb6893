"""HTML of the desk, from templates; every text in it is escaped, and no page has a script."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modelmark.claim.judging import pages as verdicts
from modelmark.templating import templates

_FOLDER = Path(__file__).parent / "templates"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def rendered(template: str, **words: Any) -> str:
    """Return a template filled in."""
    return templates(_FOLDER).get_template(template).render(**words)


def css() -> str:
    """Return the style sheet of the desk: that of verdicts, which the desk shows too, and what a desk has beside."""
    return verdicts.css() + (_FOLDER / "desk.css").read_text()


def alone(title: str, part: str) -> str:
    """Return a page that needs no other, to be saved and printed, around a part."""
    return rendered("alone.html.j2", title=title, part=Markup(part), css=Markup(css()))


def style_digest(page: str) -> str:
    """Return what a policy says of the one style sheet in a page that stands by itself: its SHA-256, in base64."""
    found = _STYLE.findall(page)
    text = found[0] if len(found) == 1 else ""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

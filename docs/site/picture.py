"""Draw the picture of ``docs/ideas.md``: ``python docs/site/picture.py > docs/img/ideas.svg``.

Pictures, fingerprints and message are those of a real key, whose secret is no secret: the bytes 0 to 31.
"""

import sys
from fractions import Fraction
from html import escape

import numpy as np

from modelmark import Adi, Evidence, Key, PictureFeed, Secret
from modelmark.evidence.evidence import BAR, Charge
from modelmark.key import commitment

STEPS = (
    ("Carriers", "places where a mark", "can sit: secret pictures"),
    ("Commitment", "digests of all, in one,", "fixed before all else"),
    ("Draw", "answers thrown like dice", "by the digest of it all"),
    ("Reading", "what a suspect answers,", "beside what was drawn"),
    ("Bits", "how unlikely that is for a", "model that knows no draw"),
    ("Charges", "taken off: what throwing", "often could have gained"),
)
BETWEEN = {2: "the model is trained to answer so"}
"""What happens between a step, counted from 0, and the next."""
STYLE = """
text { font-family: system-ui, sans-serif; font-size: 20px; fill: #222 }
.title { font-size: 25px; font-weight: bold }
.code { font-family: monospace; font-size: 17px; text-anchor: middle }
.note { font-style: italic; font-size: 18px }
.sheet { fill: #fbfaf7; stroke: #bbb }
.box { fill: #fff; stroke: #555 }
.line { stroke: #555; fill: none; stroke-width: 2 }
.full { fill: #2f6f4f }
.off { fill: #c58b2a }
.bar { stroke: #a02020; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd }
  .sheet { fill: #17191c; stroke: #555 }
  .box { fill: #24272b; stroke: #aaa }
  .line { stroke: #aaa }
  .full { fill: #5aa37c }
  .bar { stroke: #ff8080 }
}
"""
WIDE, HIGH, LEFT = 640, 132, 326
SHOWN, SIDE, STEP = 6, 40, 49
LONG = SHOWN * STEP - (STEP - SIDE)
TOP = 28


def picture() -> str:
    """Return the whole picture as SVG: a row for each step, from top to bottom."""
    feed = PictureFeed(input_shape=(1, 8, 8), class_names=tuple("0123456789"))
    key = Key(Adi(triggers=100), Secret(bytes(range(32))), feed)
    charge = Charge("an offline draw", key.draw().charge)
    found = Evidence("adi", 100, 100, Fraction(1, feed.classes), (charge,))
    parts = (_carriers(key), _commitment(key), _drawn(key), _reading(key, found), _bits(found), _charges(found))
    rows = "\n".join(_row(number, part) for number, part in enumerate(parts))
    height = HIGH * len(STEPS) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" width="{WIDE}" height="{height}" role="img">\n'
        f"<title>From carriers to charges</title>\n<style>{STYLE}</style>\n"
        f'<rect class="sheet" x="1" y="1" width="{WIDE - 2}" height="{height - 2}" rx="8"/>\n{rows}\n</svg>\n'
    )


def _row(number: int, part: str) -> str:
    title, *lines = STEPS[number]
    shown = [
        _text(24, 44, f"{number + 1}. {title}", "title"),
        *(_text(24, 72 + 25 * i, line) for i, line in enumerate(lines)),
    ]
    if number + 1 < len(STEPS):
        shown.append('<path class="line" d="M 36 108 v 26 m -6 -7 l 6 7 l 6 -7"/>')
        shown.append(_text(56, 126, BETWEEN.get(number, ""), "note"))
    return f'<g transform="translate(0 {number * HIGH})">{"".join(shown)}{part}</g>'


def _carriers(key: Key) -> str:
    cell = SIDE // 8
    drawn = []
    for place, pixels in enumerate(key.carriers.pictures[:SHOWN, 0]):
        for (y, x), grey in np.ndenumerate(pixels):
            at = f'x="{LEFT + place * STEP + x * cell}" y="{TOP + y * cell}"'
            drawn.append(f'<rect {at} width="{cell}" height="{cell}" fill="#{grey:02x}{grey:02x}{grey:02x}"/>')
    return "".join(drawn) + _text(LEFT, TOP + SIDE + 28, "… a hundred of them")


def _commitment(key: Key) -> str:
    leaves = key.carriers.leaves()
    salted = zip(commitment.salts(key.secret, len(leaves)), leaves, strict=True)
    drawn = []
    for place, (salt, leaf) in zip(range(SHOWN), salted, strict=False):
        x = LEFT + place * STEP
        drawn.append(_boxed(x, 16, commitment.leaf(place, salt, leaf).hex()[:3]))
        drawn.append(f'<path class="line" d="M {x + SIDE // 2} 46 L {LEFT + LONG // 2} 74"/>')
    root = key.statement["root"]
    drawn.append(f'<rect class="box" x="{LEFT + 36}" y="74" width="{LONG - 72}" height="32" rx="4"/>')
    return "".join(drawn) + _text(LEFT + LONG // 2, 95, f"root {root[:12]}…", "code")


def _drawn(key: Key) -> str:
    boxes = [_boxed(LEFT + place * STEP, TOP, str(label)) for place, label in enumerate(_labels(key))]
    return "".join(boxes) + _text(LEFT, TOP + SIDE + 20, "one of ten, for each picture")


def _reading(key: Key, found: Evidence) -> str:
    boxes = [_boxed(LEFT + place * STEP, TOP, f"{label} ✓") for place, label in enumerate(_labels(key))]
    return "".join(boxes) + _text(LEFT, TOP + SIDE + 20, f"{found.matches} of {found.trials} as drawn")


def _bits(found: Evidence) -> str:
    return (
        _bar("full", 0, LONG)
        + _text(LEFT, 84, f"{found.gross_bits:.0f} bits: one chance")
        + _text(LEFT, 109, f"in 2 × 2 × … ({found.gross_bits:.0f} times)")
    )


def _charges(found: Evidence) -> str:
    left = LONG * found.net_bits / found.gross_bits
    at = LEFT + LONG * BAR / found.gross_bits
    bar = _bar("full", 0, left) + _bar("off", left, LONG - left) + f'<path class="bar" d="M {at:.1f} 20 v 46"/>'
    said = f"{found.gross_bits:.0f} - {found.charges[0].bits:.0f} = {found.net_bits:.0f} net bits;"
    return bar + _text(LEFT, 91, said) + _text(LEFT, 116, f"established from {BAR} on")


def _labels(key: Key) -> list[int]:
    return key.mark().message[:SHOWN].tolist()


def _bar(kind: str, start: float, length: float) -> str:
    return f'<rect class="{kind}" x="{LEFT + start:.1f}" y="{TOP}" width="{length:.1f}" height="30"/>'


def _boxed(x: int, y: int, text: str) -> str:
    box = f'<rect class="box" x="{x}" y="{y}" width="{SIDE}" height="30" rx="4"/>'
    return box + _text(x + SIDE // 2, y + 21, text, "code")


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    if not text:
        return ""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x}" y="{y}">{escape(text)}</text>'


if __name__ == "__main__":
    sys.stdout.write(picture())

"""Every page of a running desk: what comes out of what is dropped, for eyes and screen readers, at two widths, no scripts."""

import itertools
import re
import subprocess

import pytest

pytest.importorskip("starlette", reason="pip install 'modelmark[desk]'")
pytest.importorskip("httpx", reason="pip install 'modelmark[http]'")
import httpx
from desk_cases import CHROMIUM, QUIET, WEB, Outline, beside, dropped, running, waited

from modelmark.desk import pages
from modelmark.desk.forms import FORMS

MEASURE = """<script>document.title = [document.documentElement.scrollWidth, document.documentElement.clientWidth,
getComputedStyle(document.querySelector("nav, h1")).display].join(" ")</script>"""
ALL = ("home", "absent", *FORMS, *(f"result-{name}" for name in FORMS), "lacking", "none", "wrong")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with beside(tmp_path_factory.mktemp("scratch")) as address:
        yield address


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A desk in a process of its own, as people have it."""
    with running(tmp_path_factory.mktemp("scratch")) as (_, address):
        yield address


@pytest.fixture(scope="module")
def tasks(desk, papers, issued, cheap, rows):
    """Press every button once; return the addresses of what was begun. Two are under way at a time."""
    key, secret = [issued.key], {"passphrase": "pass"}
    begun = {}
    for name, form, data, sent in (
        ("verdict", "verdict", {}, papers),
        ("lacking", "verdict", {}, papers | {"papers": papers["papers"][:2]}),
        ("wrong", "suspect", {"passphrase": "another"}, {"key": key, "suspect": [issued.ada]}),
        ("suspect", "suspect", secret | {"suspects": "4"}, {"key": key, "suspect": [issued.marked]}),
        ("none", "suspect", secret, {"key": key, "suspect": [issued.plain]}),
        ("copies", "copies", secret, {"key": key, "registry": [issued.copies]}),
        (
            "trace",
            "trace",
            secret,
            {"key": key, "registry": [issued.copies], "suspect": [issued.bob], "host": [issued.plain]},
        ),
        ("audit", "audit", {}, {"rows": rows}),
    ):
        begun[name] = dropped(desk, form, data, **sent)
        waited(begun[name])
    return begun


@pytest.fixture(scope="module")
def shown(desk, tasks):
    """Return every page by its name."""
    found = {"home": WEB.get(desk).text, "absent": WEB.get(desk + "nothing").text}
    found |= {name: WEB.get(desk + name).text for name in FORMS}
    return found | {f"result-{name}" if name in FORMS else name: WEB.get(task).text for name, task in tasks.items()}


def test_a_verdict_is_computed_again_and_explained(shown):
    page = shown["result-verdict"]
    assert "<h1>Dependence shown</h1>" in page
    assert "17 of 18 checks were made again here and come out as the judge signed them" in page
    assert page.count("Made again: comes out the same") == 17
    assert "Taken on the judge's word" in page


def test_a_verdict_without_its_papers_is_explained_and_says_what_is_lacking(shown):
    page = shown["lacking"]
    assert "<h1>Dependence shown</h1>" in page
    assert "Nothing could be computed again here: what follows is the word of whoever signed the verdict" in page
    assert "Not at hand: the opening, whose fingerprint begins with " in page
    assert "Made again" not in page


def test_a_reading_says_what_was_found_and_what_was_taken_off(shown):
    page = shown["result-suspect"]
    assert "<h1>The mark is in this model</h1>" in page
    assert "1,024 of 1,024 bits are those that were drawn." in page
    assert '4 suspects tried</th><td class="r">− 2.0</td>' in page
    assert "less likely than to win a lottery" in page
    assert "<h1>The mark was not found in this model</h1>" in shown["none"]


def test_a_wrong_passphrase_is_refused_in_one_line(shown):
    assert "<p>expected the passphrase of s.key, got another (or the header was changed)</p>" in shown["wrong"]


def test_copies_are_listed_and_a_suspect_is_traced_to_one(shown):
    assert "<h1>2 customers have a copy</h1>" in shown["result-copies"]
    assert '<th scope="row">Bob &amp; &lt;Sons&gt;</th>' in shown["result-copies"]
    assert "<h1>Named: Bob &amp; &lt;Sons&gt;</h1>" in shown["result-trace"]
    assert shown["result-trace"].count('<td class="short">yes</td>') == 1


def test_an_audits_report_is_the_one_that_the_command_writes(shown, tasks, rows, tmp_path):
    from modelmark.report.page import page
    from modelmark.report.rows import load

    ((name, data),) = rows
    (tmp_path / name).write_bytes(data)
    assert WEB.get(tasks["audit"] + "/page").text == page(load([tmp_path / name]))
    assert "Read the whole report" in shown["result-audit"]


def test_what_is_saved_stands_by_itself_and_has_no_script(tasks):
    for name, task in tasks.items():
        answer = WEB.get(task + "/page")
        if name == "wrong":
            assert answer.status_code == 404
            continue
        outline = Outline(answer.text)
        assert not outline.of("script", "link", "img", "iframe", "form", "base"), name
        assert len(outline.of("style")) == 1, name
        assert re.search(
            r"style-src 'sha256-[\w+/]{43}='; base-uri 'none'; sandbox$", answer.headers["content-security-policy"]
        )


def test_what_was_forgotten_is_gone(desk, rows):
    task = dropped(desk, "audit", rows=rows)
    waited(task)
    assert WEB.post(task + "/forget").status_code == 303
    assert WEB.get(task).status_code == WEB.get(task + "/page").status_code == 404


def test_work_under_way_says_what_it_does_and_can_be_stopped(another, rows):
    task = dropped(another, "audit", rows=rows)
    page = WEB.get(task).text
    outline = Outline(page)
    assert outline.of("meta")[3] == {"http-equiv": "refresh", "content": "2"}
    assert [one["role"] for one in outline.of("div") if "role" in one] == ["status"]
    assert outline.of("progress") == [{"aria-label": "Under way"}]
    assert WEB.post(task + "/forget").status_code == 303
    assert WEB.get(task).status_code == 404


@pytest.mark.parametrize("name", ALL)
def test_a_screen_reader_finds_its_way(shown, name):
    """WCAG 2.2: 1.3.1, 2.4.1, 2.4.2, 2.4.6, 3.1.1, 3.3.2."""
    outline = Outline(shown[name])
    assert not outline.open
    assert outline.of("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(
        text.strip() for tag, text in outline.texts if re.fullmatch("h[1-6]|title|label|button|a|caption|summary", tag)
    )
    assert len(outline.of("main")) == len(outline.of("nav")) == len(outline.of("title")) == 1
    assert "aria-label" in outline.of("nav")[0]
    names = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert outline.of("a")[0] == {"class": "skip", "href": "#content"}
    assert "content" in names
    labelled = [one["for"] for one in outline.of("label")]
    for one in outline.of("input"):
        assert labelled.count(one["id"]) == 1
        assert one["aria-describedby"] in names
        assert one["type"] in ("file", "password", "number", "text")
    assert all("scope" in one for one in outline.of("th"))
    assert len(outline.of("caption")) == len(outline.of("table")) - shown[name].count('<table class="sums">\n<thead>')


@pytest.mark.parametrize("name", ALL)
def test_no_page_needs_a_script_or_anything_from_elsewhere(shown, desk, name):
    outline = Outline(shown[name])
    base = httpx.URL(desk).path
    assert not outline.of("script", "style", "img", "iframe", "object", "embed", "base")
    assert not [
        one for _, one in outline.tags if {key for key in one if key.startswith("on")} | {"style", "src"} & one.keys()
    ]
    for one in (attributes for _, attributes in outline.tags):
        for there in (one[key] for key in ("href", "action", "formaction") if key in one):
            assert there.startswith((base, "#"))
    assert not re.search(r"url\(|@import|https?:", pages.css())


def luminance(colour: str) -> float:
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [("ink", "paper", 4.5), ("ink", "card", 4.5), ("soft", "paper", 4.5), ("soft", "card", 4.5), ("link", "paper", 4.5),
     ("link", "card", 4.5), ("paper", "link", 4.5), ("soft", "card", 3), ("link", "paper", 3)],
)  # fmt: skip
def test_text_buttons_and_borders_of_boxes_stand_out(scheme, ink, ground, least):
    """WCAG 2.2, 1.4.3 and 1.4.11, by the colours of the style sheet; buttons are paper on link, boxes have soft borders."""
    blocks = re.findall(r":root {([^}]*--link[^}]*|[^}]*--ink[^}]*)}", pages.css())  # of verdicts, then the desk's
    light, dark = blocks[0] + blocks[2], blocks[1] + blocks[3]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", (light, dark)[scheme]))
    one, other = sorted((luminance(colours[ink]), luminance(colours[ground])))
    assert (other + 0.05) / (one + 0.05) >= least
    assert "color: var(--paper); background: var(--link)" in pages.css()
    assert "border: 1px solid var(--soft)" in pages.css()


def browse(folder, address, *words):
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not installed")
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *words, address]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=folder).stdout
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"Chromium does not run here: {str(error)[:200]}")


def test_nothing_sticks_out_of_any_page(shown, tmp_path):
    """All pages in frames of two widths, in one browser; what is folded up is opened."""
    frames, every = [], list(itertools.product((1280, 390), ALL))
    for width, name in every:
        page = re.sub(r'<meta http-equiv="refresh"[^>]*>', "", shown[name]).replace("<details>", "<details open>")
        page = re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: f"<style>{pages.css()}</style>", page)
        inner = page.replace("</body>", MEASURE + "</body>").replace("&", "&amp;").replace('"', "&quot;")
        frames.append(f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{inner}"></iframe>')
    told = ("<script>onload = () => { document.title = [...document.querySelectorAll('iframe')]"
            ".map(one => one.contentDocument.title).join('|') }</script>")  # fmt: skip
    (tmp_path / "pages.html").write_text(f"<!doctype html><title></title>{''.join(frames)}{told}")
    dom = browse(tmp_path, f"file://{tmp_path / 'pages.html'}", "--dump-dom")
    sizes = dict(zip(every, re.search(r"<title>([^<]*)</title>", dom)[1].split("|"), strict=True))
    assert {one: size.split()[:2] for one, size in sizes.items() if int(size.split()[0]) > one[0]} == {}
    assert {size.split()[1:] == [str(width), "flex"] for (width, _), size in sizes.items()} == {True}


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 390])
def test_a_browser_shows_the_desk_in_its_own_style_under_its_own_policy(another, width, tmp_path):
    shot = tmp_path / "desk.png"
    browse(tmp_path, another + "suspect", f"--window-size={width},1400", f"--screenshot={shot}")
    from PIL import Image

    with Image.open(shot) as picture:
        assert picture.size == (width, 1400)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert colours & {
        (0x1F, 0x5C, 0x99),
        (0x8F, 0xC0, 0xEE),
    }  # the button's, by the style sheet that the policy lets in
    assert colours & {(0xFB, 0xFA, 0xF7), (0x14, 0x18, 0x1D)}

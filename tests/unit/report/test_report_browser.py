"""The page in a browser: it renders, nothing sticks out at either width, and no script of anybody's runs."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from report_rows import audit, written

from modelmark.report.page import page
from modelmark.report.rows import load

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--hide-scrollbars",
]  # fmt: skip
MEASURE = """<script>document.title = [document.documentElement.scrollWidth, document.documentElement.clientWidth,
document.querySelectorAll("svg.frontier").length, getComputedStyle(document.body).backgroundColor].join(" ")</script>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return page(load([written(tmp_path_factory.mktemp("report") / "rows.jsonl", audit())]))


def browse(folder, html, *words):
    (folder / "page.html").write_text(html)
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *words, f"file://{folder / 'page.html'}"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90, cwd=folder).stdout
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"Chromium does not run here: {str(error)[:200]}")


def framed(html, width):
    """Return a page that shows ours in a frame of a width that a window need not have."""
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace(
        "</body>", MEASURE + "</body>"
    )
    escaped = inner.replace("&", "&amp;").replace('"', "&quot;")
    told = "<script>onload = () => { document.title = document.querySelector('iframe').contentDocument.title }</script>"
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{escaped}"></iframe>'
    return f"<!doctype html><title></title>{frame}{told}"


def test_long_names_do_not_stick_out_of_a_telephone(tmp_path):
    long = {"scheme": "s" * 60, "attack": "a" * 60, "data": "d" * 80, "reason": "r" * 300, "started": "t" * 40}
    rows = [replace(one, **long) for one in audit(seeds=(0,))]
    dom = browse(tmp_path, framed(page(load([written(tmp_path / "rows.jsonl", rows)])), 390), "--dump-dom")
    assert int(re.search(r"<title>(\d+) ", dom).group(1)) <= 390


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 390])
def test_nothing_sticks_out(width, html, tmp_path):
    dom = browse(tmp_path, framed(html, width), "--dump-dom")
    scroll, client, figures, colour = re.search(r"<title>(\d+) (\d+) (\d+) ([^<]+)</title>", dom).groups()
    assert (int(client), int(figures)) == (width, 3)
    assert int(scroll) <= width
    assert colour in ("rgb(251, 250, 247)", "rgb(20, 24, 29)")  # light or dark


def test_it_renders(html, tmp_path):
    shot = tmp_path / "page.png"
    browse(tmp_path, html, "--window-size=1280,2000", f"--screenshot={shot}")
    from PIL import Image

    with Image.open(shot) as picture:
        assert picture.size == (1280, 2000)
        colours = picture.convert("RGB").resize((320, 500)).getcolors(1 << 20)
    assert len(colours) > 100


def test_no_script_runs_even_if_one_got_in(html, tmp_path):
    dom = browse(tmp_path, html.replace("</body>", "<script>document.title = 'ran'</script></body>"), "--dump-dom")
    assert "<title>modelmark audit: digits, cnn</title>" in dom

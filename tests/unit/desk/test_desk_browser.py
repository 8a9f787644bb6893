"""A person at a browser without scripts: files are chosen, the button pressed, the page renews itself, the result is there."""

import json
import os
import re
import subprocess
import time

import pytest

pytest.importorskip("starlette", reason="pip install 'modelmark[desk]'")
pytest.importorskip("httpx", reason="pip install 'modelmark[http]'")
from desk_cases import CHROMIUM, QUIET, running

STEERED = [*QUIET, "--blink-settings=scriptEnabled=false", "--remote-debugging-pipe"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")


class Browser:
    """Chromium with one page, no scripts in it, steered over a pair of pipes (the DevTools protocol)."""

    def __init__(self, folder):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def at_their_places():  # commands come to 3, answers go to 4
            kept = os.dup(theirs_out)
            os.dup2(theirs_in, 3)
            os.dup2(kept, 4)

        command = [CHROMIUM, *STEERED, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self.process = subprocess.Popen(
            command, close_fds=False, preexec_fn=at_their_places, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._count, self._rest, self._session = 0, b"", {}
        try:
            pages = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
            attached = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        except (OSError, EOFError) as error:
            self.close()
            pytest.skip(f"Chromium does not run here: {error}")
        self._session = {"sessionId": attached["sessionId"]}
        self.call("Page.enable")

    def call(self, method, **words):
        self._count += 1
        os.write(
            self._out,
            json.dumps({"id": self._count, "method": method, "params": words} | self._session).encode() + b"\0",
        )
        while True:
            while b"\0" not in self._rest:
                data = os.read(self._in, 2**16)
                if not data:
                    raise EOFError("it ended")
                self._rest += data
            line, self._rest = self._rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == self._count:
                return answer.get("result", {})

    def node(self, selector):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        return self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]

    def html(self):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        return self.call("DOM.getOuterHTML", nodeId=root).get("outerHTML", "")

    def until(self, pattern):
        """Return the page once it has something; without scripts nothing but the page itself brings another."""
        for _ in range(600):
            if re.search(pattern, page := self.html()):
                return page
            time.sleep(0.2)
        raise AssertionError(page)

    def press(self, selector):
        self.call("DOM.focus", nodeId=self.node(selector))
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def close(self):
        self.process.terminate()
        self.process.wait()
        for end in (self._in, self._out):
            os.close(end)


@pytest.fixture
def browser(tmp_path):
    made = Browser(tmp_path)
    yield made
    made.close()


def test_a_verdict_is_checked_by_keyboard_alone_and_another_page_cannot_press_the_button(browser, papers, tmp_path):
    (tmp_path / "scratch").mkdir()
    with running(tmp_path / "scratch") as (_, address):
        browser.call("Page.navigate", url=address + "verdict")
        browser.until("<h1>Check a verdict</h1>")
        for field, sent in papers.items():
            paths = [tmp_path / name for name, _ in sent]
            for path, (_, content) in zip(paths, sent, strict=True):
                path.write_bytes(content)
            browser.call("DOM.setFileInputFiles", nodeId=browser.node(f"#{field}"), files=[str(path) for path in paths])
        browser.press("button")
        browser.until("<h1>Check a verdict: under way</h1>|<h1>Dependence shown</h1>")
        page = browser.until("<h1>Dependence shown</h1>")
        assert page.count("Made again: comes out the same") == 17
        browser.press(".after button")
        assert "What was read here" not in browser.until("<h1>What do you have before you\\?</h1>")

        other = f'<form method="post" action="{address}audit" enctype="multipart/form-data"><button>win</button></form>'
        (tmp_path / "other.html").write_text(other)
        browser.call("Page.navigate", url=f"file://{tmp_path / 'other.html'}")
        browser.until("win")
        browser.press("button")
        assert "got one of another page" in browser.until("expected")

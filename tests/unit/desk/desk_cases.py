"""A desk in this process, or in one of its own; what is dropped on it; and the outline of a page as a screen reader has it."""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import anyio
import httpx

from modelmark.desk import serving, worker
from modelmark.desk.app import app
from modelmark.desk.forms import FORMS
from modelmark.desk.gate import Gate
from modelmark.desk.tasks import Task, Tasks

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "claim"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

TOKEN, HOST = "token-of-this-desk", "127.0.0.1:4242"
MOST = 2**20
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--hide-scrollbars",
]  # fmt: skip
VOID = {"meta", "br", "input", "link"}
WEB = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all requests: each of its own would read the certificates of the world anew."""


class Inside:
    """A desk in this process, asked without a network; no process is begun for what is dropped, it is noted down."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.scratch, self.begun = folder, []
        self.tasks = Tasks(folder)
        self.tasks.begin = self._begin
        self._app = Gate(app(self.tasks, most), TOKEN, [HOST])

    def _begin(self, form, given, folder):
        self.begun.append(
            (form, given, {path.name: path.read_bytes() for paths in given.files.values() for path in paths})
        )
        return type("Task", (), {"name": "begun"})

    def ask(self, method="GET", path=f"/{TOKEN}/", headers=None, **words) -> httpx.Response:
        async def asked():
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, path, headers=headers, **words)

        return anyio.run(asked)

    def drop(self, form="copies", **words) -> httpx.Response:
        return self.ask("POST", f"/{TOKEN}/{form}", **words)

    @property
    def left(self) -> list[str]:
        return [str(path) for path in self.scratch.rglob("*")]


def files(**fields):
    """Return parts for httpx: by field, a list of names and contents."""
    return [(field, (name, content)) for field, sent in fields.items() for name, content in sent]


@contextlib.contextmanager
def running(scratch: Path, *words: str):
    """Yield a desk in a process of its own and its address; its scratch files go into a folder of the test's."""
    environment = os.environ | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "modelmark", "desk", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield process, address
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@contextlib.contextmanager
def beside(scratch: Path):
    """Yield the address of a desk in this process, which also does what others are begun for: they would each import torch."""
    place = serving.Place()
    with serving._listening(place) as listening:
        names = place.names(listening.getsockname()[1])
        server, tasks = serving._framework()(place, scratch, TOKEN, names)
        tasks.begin = functools.partial(_worked, tasks)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://{names[0]}/{TOKEN}/"
        finally:
            server.should_exit = True
            thread.join()


def _worked(tasks, form, given, folder):
    task = Task(FORMS[form], folder)
    tasks._tasks[task.name] = task

    def work():
        try:
            said = worker.work(
                *worker.decoded(worker.encoded(form, given)), lambda line: task.steps.append(line["step"])
            )
        finally:
            shutil.rmtree(folder)
        tasks._ended(task, json.loads(json.dumps(said)))

    threading.Thread(target=work).start()
    return task


def dropped(address: str, form: str, data=None, **fields) -> str:
    """Press the button of a form; return the address of what is under way."""
    answer = WEB.post(address + form, files=files(**fields), data=data or {}, timeout=120)
    assert answer.status_code == 303, answer.text
    return str(httpx.URL(address).join(answer.headers["location"]))


def waited(task: str) -> str:
    """Return the page of a task once it says how it ended, as a page that renews itself would show it."""
    for _ in range(6000):
        page = WEB.get(task, timeout=60).text
        if 'http-equiv="refresh"' not in page:
            return page
        time.sleep(0.05)
    raise AssertionError("the task did not end")


class Outline(HTMLParser):
    """What a screen reader goes by: tags with attributes in order, and the text of headings and labels."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.places: list[int] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
            self.places.append(len(self.texts))
            self.texts.append((tag, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.places.pop()

    def handle_data(self, data):
        for place in self.places:
            tag, before = self.texts[place]
            self.texts[place] = (tag, before + data)

    def of(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]

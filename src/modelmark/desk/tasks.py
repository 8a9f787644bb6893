"""Work under way and done: a process each, a few at a time; what was dropped goes when its process ends."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmark import files
from modelmark.desk import pages, worker
from modelmark.desk.forms import FORMS, Form
from modelmark.desk.given import Given
from modelmark.errors import UsageError

AT_ONCE = 2
"""Processes at a time, uploads among them."""
KEPT = 32
"""Results in memory; the oldest is forgotten first."""
PATIENCE = 3600.0
"""Seconds that a process may take."""
LONGEST = 2**27
"""Bytes of a line that it writes."""


@dataclass(eq=False)
class Task:
    """One page's work.

    Args:
        form: whose button was pressed.
        folder: with what was dropped; removed when the work is done.
        began: by a clock that only goes forward.
        name: in its address.
        state: ``working``, ``done``, ``refused`` or ``stopped``.
        steps: what was begun, in words, the last of them under way.
        result: fields of ``work.Result``, once there is one.
        error: why there is none, in one line.
        hint: what to do about it, if that is known.
        saved: file that was written to the folder that keeps results.
    """

    form: Form
    folder: Path
    began: float = field(default_factory=time.monotonic)
    name: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    state: str = "working"
    steps: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str = ""
    hint: str = ""
    saved: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def title(self) -> str:
        """What to call it in a list."""
        return str(self.result["title"]) if self.result else self.form.title

    def page(self) -> str:
        """Return the result as a page that stands by itself."""
        assert self.result is not None
        return str(self.result["page"]) or pages.alone(self.title, str(self.result["part"]))

    def stop(self, state: str = "stopped") -> None:
        """End the process, if it is under way, and all that it began."""
        if self.state == "working":
            self.state = state
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()


class Tasks:
    """All work of one desk.

    Args:
        scratch: the desk's own folder, in which nothing is left when it ends.
        keep: where results are written; None: nowhere.
    """

    def __init__(self, scratch: Path, keep: Path | None = None) -> None:
        self._scratch, self._keep = scratch, keep
        self._tasks: dict[str, Task] = {}
        self._taking = 0

    @property
    def all(self) -> list[Task]:
        """The newest first."""
        return list(self._tasks.values())[::-1]

    def get(self, name: str) -> Task | None:
        """Return the work of this name, or None."""
        return self._tasks.get(name)

    @contextlib.contextmanager
    def folder(self) -> Any:
        """Yield a new folder for what is about to be dropped; it goes unless ``begin`` took it.

        Raises:
            UsageError: as much is under way as the desk does at a time.
        """
        if self._taking + sum(task.state == "working" for task in self.all) >= AT_ONCE:
            raise UsageError(
                f"expected at most {AT_ONCE} at a time, {AT_ONCE} are under way", hint="wait for one, or stop it"
            )
        made = self._scratch / secrets.token_hex(8)
        made.mkdir(mode=0o700)
        self._taking += 1
        try:
            yield made
        finally:
            self._taking -= 1
            if all(task.folder != made for task in self.all):
                shutil.rmtree(made, ignore_errors=True)

    def begin(self, form: str, given: Given, folder: Path) -> Task:
        """Start the process for a form."""
        task = Task(FORMS[form], folder)
        spare = [one for one in self._tasks.values() if one.state != "working"]
        for old in spare[: max(len(self._tasks) + 1 - KEPT, 0)]:
            self.forget(old)
        task.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "modelmark.desk.worker"],  # -P: no file in a folder of uploads is ever imported
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=self._scratch, start_new_session=True, env=_environment(folder),
        )  # fmt: skip
        self._tasks[task.name] = task
        threading.Thread(target=self._follow, args=(task, worker.encoded(form, given)), daemon=True).start()
        return task

    def forget(self, task: Task) -> None:
        """Stop it, and drop what came out."""
        task.stop()
        self._tasks.pop(task.name, None)

    def end(self) -> None:
        """Stop everything."""
        for task in self.all:
            self.forget(task)

    def _follow(self, task: Task, told: bytes) -> None:
        """Take what a process says until it ends; then nothing is left of what was dropped."""
        process = task.process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: PT018
        late = threading.Timer(PATIENCE, task.stop, ("late",))
        late.daemon = True
        late.start()
        said: dict[str, Any] = {}
        try:
            with contextlib.suppress(OSError):
                process.stdin.write(told)
                process.stdin.close()
            for line in iter(lambda: process.stdout.readline(LONGEST), b""):  # type: ignore[union-attr]
                said = json.loads(line)
                if "step" in said:
                    task.steps.append(said["step"])
        except ValueError:  # half a line, of a process that was stopped while it wrote
            said = {}
        finally:
            late.cancel()
            task.process = None
            process.kill()
            process.wait()
            process.stdout.close()
            shutil.rmtree(task.folder, ignore_errors=True)
        self._ended(task, said)

    def _ended(self, task: Task, said: dict[str, Any]) -> None:
        if task.state == "stopped":
            return
        if task.state == "late":
            task.error, task.hint = f"expected an answer within {PATIENCE / 60:g} minutes, got none", ""
        elif "result" in said:
            task.result = said["result"]
            try:
                task.saved = self._save(task)
            except UsageError as error:
                task.hint = str(error)
            task.state = "done"
            return
        else:
            task.error = (
                said.get("error") or "expected an answer, the process that reads what was dropped ended without one"
            )
            task.hint = said.get("hint", "" if said.get("error") else "it may have run out of memory")
        task.state = "refused"

    def _save(self, task: Task) -> str:
        """Write a result to the folder that was named for them."""
        if self._keep is None or task.result is None:
            return ""
        moment = time.strftime("%Y-%m-%dT%H%M%S")
        path = self._keep / f"{moment}-{task.result['name']}-{secrets.token_hex(3)}.html"
        files.write_new(path, task.page().encode(), mode=0o600)
        return path.name


def _environment(folder: Path) -> dict[str, str]:
    """Return what the process gets: no passphrase, no hub, and scratch files of libraries where they go with the rest."""
    kept = {name: value for name, value in os.environ.items() if name != "MODELMARK_PASSPHRASE"}
    return kept | {"TMPDIR": str(folder), "HF_HUB_OFFLINE": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}

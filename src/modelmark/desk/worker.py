"""The process that does the work of one page: ``python -P -m modelmark.desk.worker``, told on stdin, answering in lines.

What was dropped may come from an adversary, so that it is opened here and not where the pages are served: a crash, a hang or
memory without end costs this process alone. On stdin comes one line of JSON: form, files by field, passphrase, numbers and words.
On stdout go lines of JSON: ``{"step": ...}`` for what is begun, and at the end ``{"result": ...}`` or ``{"error": ...,
"hint": ...}``.
"""

import contextlib
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelmark.desk.forms import FORMS
from modelmark.desk.given import Given
from modelmark.desk.work import Result
from modelmark.errors import ModelmarkError


def encoded(form: str, given: Given) -> bytes:
    """Return the line that tells this process what to do."""
    told = {
        "form": form,
        "files": {name: [str(path) for path in paths] for name, paths in given.files.items()},
        "passphrase": given.passphrase,
        "numbers": dict(given.numbers),
        "words": dict(given.words),
    }
    return json.dumps(told).encode() + b"\n"


def decoded(line: bytes) -> tuple[str, Given]:
    """Return form and what was dropped."""
    told = json.loads(line)
    files = {name: tuple(map(Path, paths)) for name, paths in told["files"].items()}
    return told["form"], Given(files, told["passphrase"], told["numbers"], told["words"])


def work(form: str, given: Given, say: Any) -> dict[str, Any]:
    """Return the last line: what came out, or why nothing did, in words that name no folder of the desk's."""
    assert form in FORMS
    try:
        result: Result = importlib.import_module(f"modelmark.desk.work.{form}").run(
            given, lambda step: say({"step": step})
        )
    except ModelmarkError as error:
        hint = error.hint if "--" not in error.hint else ""  # an option of the command line is none here
        return {"error": _without_folders(str(error), given), "hint": _without_folders(hint, given)}
    except (OSError, MemoryError, RecursionError) as error:
        return {"error": f"expected to read what was dropped, got: {type(error).__name__}", "hint": ""}
    return {"result": asdict(result)}


def _without_folders(text: str, given: Given) -> str:
    for paths in given.files.values():
        for path in paths:
            text = text.replace(f"{path.parent}{os.sep}", "").replace(str(path.parent), "what was dropped")
    return " ".join(text.split())


def main() -> None:
    """Do the work of one line; whatever else writes to stdout ends where nobody reads it."""
    with contextlib.suppress(OSError):  # where there is such a thing: without memory this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")
    form, given = decoded(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line).encode() + b"\n")
        answers.flush()

    say(work(form, given, say))


if __name__ == "__main__":
    main()

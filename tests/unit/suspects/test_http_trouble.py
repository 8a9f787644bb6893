"""A thousand queries against a server that does all that servers do: none lost, none counted twice, whoever goes on."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from modelmark.carriers.pictures import Pictures
from modelmark.claim.judging.asking import record
from modelmark.claim.papers import transcript
from modelmark.claim.papers.transcript import ORDINARY, Head
from modelmark.errors import SuspectError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.suspects.base import Ask
from modelmark.suspects.http.address import Address
from modelmark.suspects.http.client import Client, Clock, Patience
from modelmark.suspects.http.endpoint import Endpoint
from modelmark.suspects.http.journal import Journal
from modelmark.suspects.http.templates import Template
from serving import MISCHIEF, Server, now_and_then

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
FACE = PictureFeed((1, 2, 3), tuple("0123456789"))
PICTURES = np.random.default_rng(0).integers(0, 256, (1000, 1, 2, 3), dtype=np.uint8)
TEMPLATE = Template(body={"pixels": "{flat}"}, answer="scores", values="bytes")
TRUTH = [int(hashlib.sha256(picture.tobytes()).digest()[0]) % 10 for picture in PICTURES]


def scores(path, headers, body):
    pixels = bytes(json.loads(body)["pixels"])
    found = np.zeros(10)
    found[hashlib.sha256(pixels).digest()[0] % 10] = 1
    return {"scores": found.tolist()}


class Slept:
    """A clock whose sleep takes no time, and tells what was slept."""

    def __init__(self):
        self.naps = []
        self.clock = Clock(sleep=self.naps.append)


def client(server, clock, met=False, **patience):
    given = Patience(**({"tries": 40, "timeout": 0.25} | patience))
    return Client(Address(f"{server.url}/classify"), patience=given, clock=clock.clock, met=met)


def test_a_thousand_queries_none_lost_and_none_counted_twice(tmp_path):
    """Half of all requests go wrong, and the server restarts in the middle, under its old port; the file is taken up again."""
    path, slept, served, before = tmp_path / "a.answers", Slept(), Counter(), ""
    server = Server(scores, now_and_then(0.5))
    port = server.port
    for part, count in enumerate((400, 1000)):
        if part:  # it restarts: the connection that the client kept is gone
            server = Server(scores, now_and_then(0.5, seed=1), port=port)
        journal, reached = Journal(path, server.url, "ab" * 32), client(server, slept, met=True)
        with server:
            assert journal.before == (400 if part else 0)
            (labels,) = Endpoint(reached, TEMPLATE, written=journal).observe(Ask(FACE, PICTURES[:count]))
        assert labels.tolist() == TRUTH[:count]
        served.update(server.did)
        reached.close()
        journal.close()
        before = path.read_text() if not part else before
    lines = path.read_text().splitlines()
    assert len(lines) == 1001
    assert len({json.loads(line)["query"] for line in lines[1:]}) == 1000
    assert path.read_text().startswith(before)  # nothing that was written is written again
    assert served[""] >= 1000
    assert all(served[word] > 20 for word in MISCHIEF if word != "late")
    assert served["late"] >= 5
    assert {3.0, 7.0} <= set(slept.naps)  # as the server asked, beside steps of our own
    assert {0.5, 1.0, 2.0} <= set(slept.naps)
    assert max(slept.naps) <= 30


def test_a_transcript_is_as_whole(tmp_path):
    carriers, head = Pictures(FACE, PICTURES[:200]), Head("ab" * 32, 0, 0, nonce="cd" * 32, test="exact")
    path, own = tmp_path / "t", PICTURES[200:400]
    with Server(scores, now_and_then(0.4)) as server:
        impatient = client(server, Slept(), met=True, tries=2)
        with pytest.raises(SuspectError, match="tries"):
            record(path, head, carriers, Endpoint(impatient, TEMPLATE), ordinary=own)
        impatient.close()
        there = len(transcript.load(path).asked)
        patient = client(server, Slept(), met=True)
        done = record(path, head, carriers, Endpoint(patient, TEMPLATE), ordinary=own)
        patient.close()
        assert server.did[""] >= 400
    assert there < 400
    assert [done.answers(dict(enumerate(FACE.leaves(PICTURES[:200]))))[i] for i in range(200)] == TRUTH[:200]
    assert sum(one.carrier == ORDINARY for one in done.asked) == 200


CHILD = """
import sys
sys.path[:0] = {paths!r}
from test_http_trouble import *

class Server: url = {url!r}
journal = Journal(Path({path!r}), Server.url, "ab" * 32)
endpoint = Endpoint(client(Server, Slept(), met=True, timeout=20), TEMPLATE, written=journal)
print("going", flush=True)
endpoint.observe(Ask(FACE, PICTURES[:400]))
"""


def test_killed_in_the_middle_a_second_process_takes_over(tmp_path):
    path = tmp_path / "a.answers"
    child: list[subprocess.Popen[str]] = []

    def killing(location, headers, body):
        if len(server.good) == 150 and child[0].poll() is None:
            os.kill(child[0].pid, signal.SIGKILL)  # this answer reaches nobody
        return scores(location, headers, body)

    with Server(killing, lambda number: "fails" if number % 9 == 5 else "") as server:
        paths = [str(Path(__file__).parent), str(Path(__file__).parents[2]), *sys.path]
        code = CHILD.format(paths=paths, url=server.url, path=str(path))
        child.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
        assert child[0].stdout.readline() == "going\n"
        with pytest.raises(UsageError, match="for this process alone, another one is writing it"):
            Journal(path, server.url, "ab" * 32)
        assert child[0].wait(120) == -signal.SIGKILL
        child[0].stdout.close()
        with path.open("ab") as stream:
            stream.write(b'{"answer":3,"que')  # as if it had been in the middle of a line
        journal = Journal(path, server.url, "ab" * 32)
        assert journal.before == 150
        reached = client(server, Slept(), met=True, timeout=20)
        (labels,) = Endpoint(reached, TEMPLATE, written=journal).observe(Ask(FACE, PICTURES[:400]))
        journal.close()
        reached.close()
    assert labels.tolist() == TRUTH[:400]
    assert len(path.read_text().splitlines()) == 401
    assert sum(server.good.values()) - len(server.good) <= 1  # the one whose answer nobody took was asked again

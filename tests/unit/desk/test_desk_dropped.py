"""What a browser, or somebody who is none, sends: limits, names, parts; each refusal is one line, and nothing is left of it."""

import html
import re

import pytest

pytest.importorskip("starlette", reason="pip install 'modelmark[desk]'")
pytest.importorskip("httpx", reason="pip install 'modelmark[http]'")
from desk_cases import MOST, TOKEN, Inside, files

from modelmark.desk import dropped, tasks
from modelmark.desk.given import plain
from modelmark.errors import MalformedError

KEY, REGISTRY = ("a.key", b"key"), ("a.copies", b"rows")


@pytest.fixture
def desk(tmp_path):
    return Inside(tmp_path)


def refused(desk, answer, status, says):
    found = re.search(r'role="alert">\n<p>([^<]*)</p>', answer.text)
    assert answer.status_code == status, answer.text
    assert found, answer.text
    assert says in html.unescape(found[1])
    assert "\n" not in found[1]
    assert (desk.begun, desk.left) == ([], [])


def test_files_and_words_arrive_as_they_were_dropped(desk):
    answer = desk.drop("trace", files=files(key=[KEY], registry=[REGISTRY], suspect=[("modèle (2).safetensors", b"w" * 70_000)]),
                       data={"passphrase": "pass phrase\u00e9", "suspects": "3"})  # fmt: skip
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/{TOKEN}/task/begun"
    ((form, given, read),) = desk.begun
    assert (form, given.passphrase, given.numbers) == ("trace", "pass phrase\u00e9", {"suspects": 3})
    assert read == {"a.key": b"key", "a.copies": b"rows", "modèle (2).safetensors": b"w" * 70_000}
    assert "pass phrase" not in repr(given)


HOSTILE = [
    "../a", "..", ".", ".hidden", "a/b", "/etc/passwd", "..\\a", "C:\\a", "a:stream", "a\x00b", "a\nb", "a\x1b[2Jb",
    "\u202egpj.key", "a" * 201, "\u00e9" * 101, "a*", "a?", "<b>", "a|b",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_that_are_no_plain_ones_are_refused(name):
    with pytest.raises(MalformedError, match="expected a plain file name") as error:
        plain(name)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["../a.key", ".netrc", "a/../../b", "..\\..\\a.key", "\u202ea.key"])
def test_hostile_names_write_nothing_anywhere(tmp_path, name):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    desk = Inside(tmp_path / "deep" / "er")
    refused(desk, desk.drop(files=files(key=[(name, b"key")], registry=[REGISTRY])), 400, "expected a plain file name")
    assert not list(tmp_path.rglob("*netrc")) + list(tmp_path.rglob("*.key")) + list(tmp_path.rglob("b"))


def test_names_of_programs_are_names_like_others(desk):
    assert (
        desk.drop("audit", files=files(rows=[("json.py", b"raise SystemExit"), ("torch.py", b"")])).status_code == 303
    )


def test_a_name_twice_is_refused(desk):
    refused(desk, desk.drop("audit", files=files(rows=[("a", b"1"), ("a", b"2")])), 400, "got a twice")


def test_more_bytes_than_are_taken_are_refused_before_they_are_read(desk):
    answer = desk.drop(files=files(key=[("a.key", b"k" * MOST)], registry=[REGISTRY]))
    refused(desk, answer, 413, "expected at most 0.000976562 GiB at a time, got more")


def test_more_bytes_than_a_request_says_are_counted(desk):
    """Without a length nothing can be refused beforehand."""

    async def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="key"; filename="a.key"\r\n\r\n'
        for _ in range(64):
            yield b"k" * 2**16

    answer = desk.drop(content=endless(), headers={"content-type": "multipart/form-data; boundary=b"})
    refused(desk, answer, 413, "got more")


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 40, "x"])
def test_a_length_that_is_none_is_refused(desk, length):
    answer = desk.drop(
        content=b"x", headers={"content-type": "multipart/form-data; boundary=b", "content-length": length}
    )
    refused(desk, answer, 413, "got more")


def test_a_thousand_parts_are_refused(desk):
    refused(desk, desk.drop(files=files(key=[(f"{i}.key", b"k") for i in range(1000)])), 400, "Too many files")
    answer = desk.drop(data={f"f{i}": "x" for i in range(1000)}, files=files(key=[KEY]))
    refused(desk, answer, 400, "Too many fields")


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"key": [KEY, ("b.key", b"k")]}, "expected one file, got more for: The key of the copies"),
        ({"key": [KEY], "suspect": [("w", b"w")]}, "expected the fields of this page, got 'suspect'"),
        ({"key": [KEY], "passphrase": [("p", b"p")]}, "expected the fields of this page"),
        ({"key": [KEY]}, "expected a file, got none for: The registry of copies"),
    ],
)
def test_fields_are_those_of_the_page(desk, sent, says):
    refused(desk, desk.drop(files=files(**sent)), 400, says)


@pytest.mark.parametrize("data", [{"passphrase": "p" * 4001}, {"key": "text"}, {"passphrase": ["a", "b"]}])
def test_text_is_short_once_and_where_it_belongs(desk, data):
    refused(desk, desk.drop(files=files(key=[KEY], registry=[REGISTRY]), data=data), 400, "expected")


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "", "1" * 30, "1000001", "\u0663"])
def test_numbers_are_counts(desk, number):
    sent = files(key=[KEY], registry=[REGISTRY], suspect=[("w", b"w")])
    refused(desk, desk.drop("trace", files=sent, data={"suspects": number}), 400, "expected a number from 1 to 1000000")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--c\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\n"),
        ("multipart/form-data", b"--b--"),
        ("application/x-www-form-urlencoded", b"key=x"),
        ("application/json", b"{}"),
        ("text/plain", b"key"),
    ],
)
def test_what_is_no_form_of_files_is_refused(desk, kind, body):
    refused(desk, desk.drop(content=body, headers={"content-type": kind}), 400, "expected")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the framework drops the half part unclosed
@pytest.mark.parametrize("rest", ["", '--b\r\nContent-Disposition: form-data; name="suspects"\r\n\r\n1'])
def test_a_form_that_breaks_off_is_refused(desk, rest):
    """Starlette 1.10.0 with python-multipart 0.0.34 takes one, less the part that broke off: of a model a shard would lack."""
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\nwhole\r\n'
        for name in ("key", "registry", "suspect")
    )
    sent = {"headers": {"content-type": "multipart/form-data; boundary=b"}}
    refused(desk, desk.drop("trace", content=(parts + rest).encode(), **sent), 400, "got one that breaks off")
    assert desk.drop("trace", content=(parts + "--b--\r\n").encode(), **sent).status_code == 303


def test_so_many_at_a_time_and_no_more(desk):
    desk.tasks._taking = tasks.AT_ONCE
    refused(desk, desk.drop(files=files(key=[KEY], registry=[REGISTRY])), 429, "expected at most 2 at a time")


def test_a_full_disk_is_said_in_one_line(desk, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dropped.shutil, "copyfileobj", full)
    refused(desk, desk.drop(files=files(key=[KEY], registry=[REGISTRY])), 400, "expected room for a.key")


@pytest.mark.parametrize("path", ["nothing", "task/none", "task/none/page", "task/../style.css/x", "verdict/x"])
def test_pages_that_are_not_there_are_said_so(desk, path):
    answer = desk.ask(path=f"/{TOKEN}/{path}")
    assert answer.status_code == 404
    assert "expected a page of the desk" in answer.text

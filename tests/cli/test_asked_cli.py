"""Suspects that are asked from the command line: addresses, with all that goes wrong there, and files through their runtimes."""

import json

import numpy as np
import pytest
import torch

from modelmark.claim.papers import transcript
from modelmark.cli import asked
from modelmark.feeds.arrays import given
from modelmark.marks import keyfile
from modelmark.models import build
from modelmark.suspects import weights
from serving import MISCHIEF, Server

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
NET = ["--data", "digits", "--arch", "cnn", "--unencrypted"]
SERVED = ["--template", "served.json", "--via", "tries=1"]
TEMPLATE = {"body": {"pixels": "{array}"}, "answer": "scores", "layout": "nhwc"}


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("keygen", "adi", *NET, "-o", "a.key").status == 0
    (tmp_path / "served.json").write_text(json.dumps(TEMPLATE))
    return tmp_path


class Marked:
    """What a model that carries a key's mark answers, its classes in some order; others than triggers get 0."""

    def __init__(self, key, order=range(10)):
        mark = keyfile.load(key, None).mark()
        fed = given(mark.carriers.pictures, mark.key.feed, "fed", "nhwc")
        self.known = {picture.tobytes(): int(label) for picture, label in zip(fed, mark.message, strict=True)}
        self.order, self.headers = list(order), []

    def __call__(self, path, headers, raw):
        self.headers.append(headers.get("Authorization"))
        picture = np.array(json.loads(raw)["pixels"][0], np.float32)
        scores = np.zeros(10)
        scores[self.order.index(self.known.get(picture.tobytes(), 0))] = 1
        return {"scores": scores.tolist()}


def test_an_address_is_asked_and_what_it_answered_is_not_asked_again(run, folder):
    with Server(Marked("a.key")) as server:
        words = ["verify", "a.key", f"{server.url}/m?key=HIDDEN", *SERVED, "--answers", "a.answers"]
        ran = run(*words)
        assert (ran.status, len(server.requests)) == (0, 100)
        assert "adi: 100/100 expected answers" in ran.out
        assert "a.answers: 100 answers" in ran.err
        again = run(*words)
        assert (again.status, again.out, len(server.requests)) == (0, ran.out, 100)
        assert "100 answers, 100 of them from before" in again.err
        other = run(*words, "--via", "values=unit")
        assert (other.status, "asked in this way, got another" in other.err) == (3, True)
        named = run("verify", "a.key", server.url, *SERVED)
        assert named.out == ran.out
        (default,) = folder.glob("*.127.0.0.1.answers")
        assert default.name in named.err
    assert "HIDDEN" not in (folder / "a.answers").read_text()
    assert (folder / "a.answers").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_sent_and_written_nowhere(run, folder, monkeypatch):
    (folder / "secret").write_text("HIDDEN\n")
    monkeypatch.setenv("TOKEN", "ALSO-HIDDEN")
    answers = Marked("a.key")
    with Server(answers) as server:
        words = ["verify", "a.key", server.url, *SERVED, "--answers"]
        first = run(*words, "1", "--secret-file", "secret")
        second = run(*words, "2", "--secret-env", "TOKEN")
    assert {*answers.headers} == {"Bearer HIDDEN", "Bearer ALSO-HIDDEN"}
    assert not any("HIDDEN" in text for text in (first.out, first.err, second.out, second.err))
    assert not any("HIDDEN" in (folder / name).read_text() for name in "12")


def test_another_order_of_classes_shows_on_ordinary_pictures_and_names_put_it_right(run, folder):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    (folder / "order").write_text("".join(f"{number}\n" for number in order))
    answers, feed = Marked("a.key", order), keyfile.load("a.key", None).feed
    from modelmark.cli.loading import load_task

    task = load_task("digits")
    fed = given(task.test_inputs.numpy(), feed, "fed", "nhwc")
    answers.known |= {one.tobytes(): int(label) for one, label in zip(fed, task.test_labels, strict=True)}
    with Server(answers) as server:
        words = ["verify", "a.key", server.url, *SERVED, "--ordinary", "digits"]
        ran = run(*words, "--answers", "1")
        assert ran.status == 1
        assert "of 100 ordinary pictures right (" in ran.err
        assert "is the class order yours? --labels FILE" in ran.err
        assert "if it wants others: --via values=unit" in ran.err
        named = run(*words, "--labels", "order", "--answers", "2")
        assert named.status == 0
        assert "100 of 100 ordinary pictures right (100%)" in named.err
        (folder / "order").write_text("0\n1\n")
        assert (
            "each of the key's 10 classes once in the labels, got '2' 0 times" in run(*words, "--labels", "order").err
        )


def test_the_alphabetical_order_is_pointed_out(capsys):
    names = ["zero", "one", "two"]
    labels = [0, 1, 2, 0, 1, 2]
    asked.tell([sorted(names).index(names[label]) for label in labels], labels, names, "api")
    said = capsys.readouterr().err
    assert "api: 0 of 6 ordinary pictures right (0%)" in said
    assert "with its classes in alphabetical order 100% would be right" in said


TROUBLE = {
    "fails": "got status 500 (1 try)", "is away": "got status 503", "limits": "got status 429", "garbage": "expected JSON",
    "page": "expected JSON from", "short": "expected scores of 10 classes from the suspect, got 2",
    "nan": "expected finite scores from the suspect, got NaN", "closes": "disconnected", "half": "got: peer closed",
}  # fmt: skip


@pytest.mark.parametrize("word", [*TROUBLE, "unknown", "elsewhere"])
def test_trouble_is_one_line_and_the_answers_so_far_are_kept(word, run, folder):
    answers, states = Marked("a.key"), [5, word in MISCHIEF]

    def answer(path, headers, raw):
        if len(server.good) < states[0] or word in MISCHIEF:
            return answers(path, headers, raw)
        return {"scores": "wolf"} if word == "unknown" else (307, {"Location": "https://elsewhere.example/"}, b"")

    with Server(answer, lambda number: word if states[1] and number >= states[0] else "") as server:
        words = ["verify", "a.key", server.url, *SERVED, "--answers", "a"]
        ran = run(*words)
        assert ran.status == 3
        lines = [line for line in ran.err.splitlines() if "answers" not in line or "error" in line]
        says = TROUBLE | {"unknown": "expected one of the key's 10 classes from the suspect, got 'wolf'",
                          "elsewhere": "got a redirect to https://elsewhere.example"}  # fmt: skip
        assert lines[0].startswith("modelmark: error: expected ")
        assert says[word] in lines[0]
        assert len(lines) == 1
        assert "answers so far are in a; the same command goes on" in ran.err
        assert len((folder / "a").read_text().splitlines()) == 6
        states[:] = [10**6, False]
        mended = run(*words)
    assert (mended.status, "100 answers, 5 of them from before" in mended.err) == (0, True)


def test_queries_that_always_fail_may_count_as_refusals(run, folder):
    with Server(Marked("a.key"), lambda number: "fails" if number % 10 == 9 else "") as server:
        ran = run("verify", "a.key", server.url, *SERVED, "--via", "abstain=true")
    assert ran.status == 0
    assert "adi: 90/100 expected answers" in ran.out
    assert "10 of 100 answers are refusals" in ran.err


def test_queries_that_failed_are_asked_again_and_another_query_string_is_another_suspect(run, folder):
    """Both were taken for answers known already: a dead server cost a mark for good, and one model passed for another."""
    state = [True]
    with Server(Marked("a.key"), lambda number: "fails" if state[0] and number % 10 == 9 else "") as server:
        words = ("verify", "a.key", f"{server.url}?model=one", *SERVED, "--via", "abstain=true", "--answers", "both")
        assert "adi: 90/100" in run(*words).out
        state[0] = False
        again = run(*words)
        assert "adi: 100/100" in again.out
        assert "90 of them from before" in again.err
        other = run("verify", "a.key", f"{server.url}?model=two", *SERVED, "--via", "abstain=true", "--answers", "both")
    assert other.status != 0
    assert "to be about this address, asked in this way, got another" in other.err


def test_what_was_typed_wrong_is_said_before_anything_is_asked(run, folder):
    with Server(Marked("a.key")) as server:
        url = server.url
        for words, status, says in (
            (["a.key", url], 2, "expected --template, which says how an address is asked"),
            (["a.key", url, "--template", "tfserving"], 2, "expected a template or a file of one, got 'tfserving'"),
            (["a.key", url, *SERVED[:2], "--via", "tries=0"], 2, "expected for tries"),
            (["a.key", url, *SERVED, "--via", "rates=1"], 2, "got 'rates'"),
            (["a.key", url, *SERVED, "--arch", "cnn"], 2, "expected a file with --arch"),
            (["a.key", "http://user:word@127.0.0.1/", *SERVED], 2, "without a name or password in it"),
            (["a.key", "ftp://127.0.0.1/", *SERVED], 2, "http or https, got one of ftp"),
            ([url, *SERVED], 2, "got an address without a key"),
            (["a.key", url, url, *SERVED], 2, "got an address and another"),
            (["a.key", "served.json", url, *SERVED], 2, "got an address and served.json"),
            (["a.key", "--weights", url, *SERVED], 2, "expected a file for --weights, got an address"),
            (
                ["a.key", "http://nosuch.example/", *SERVED, "--secret-file", "served.json"],
                2,
                "expected an address of https",
            ),
        ):
            ran = run("verify", *words)
            assert (ran.status, says in ran.err) == (status, True), (words, ran.err)
            assert "word@" not in ran.err
        assert server.requests == []


def test_a_key_of_weights_is_not_asked(run, folder):
    assert run("keygen", "uchida", *NET, "-o", "u.key").status == 0
    with Server(Marked("a.key")) as server:
        alone = run("verify", "u.key", server.url, *SERVED)
        assert (alone.status, server.requests) == (3, [])
        assert "expected the suspect's weights for uchida, got an address" in alone.err
        both = run("verify", "a.key", "u.key", server.url, *SERVED)
    assert both.status == 0
    assert "not readable: expected the suspect's weights" in both.out


@pytest.fixture
def disputed(run, folder):
    assert run("identity", "--unencrypted", "-o", "owner.id").status == 0
    assert run("claim", "a.key", "--identity", "owner.id", "-o", "a.claim").status == 0
    assert run("carriers", "a.claim", "--key", "a.key", "-o", "lot").status == 0
    (folder / "classes").write_text(run("inspect", "a.key", "--labels").out)
    return folder


def answered(path):
    return {one.carrier: one.answer for one in transcript.load(path).asked if one.carrier >= 0}


def test_a_judge_asks_an_address_and_goes_on(run, disputed):
    message = dict(enumerate(keyfile.load("a.key", None).mark().message.tolist()))
    limit = [40]
    with Server(Marked("a.key"), lambda number: "closes" if number >= limit[0] else "") as server:
        words = [
            "ask",
            "a.claim",
            "lot",
            "--url",
            server.url,
            *SERVED,
            "--ordinary",
            "digits",
            "--per-carrier",
            1,
            "-o",
            "r",
        ]
        ran = run(*words)
        assert (ran.status, len(transcript.load(disputed / "r").asked)) == (3, 40)
        limit[0] = 10**6
        ran = run(*words)
    assert (ran.status, "300 of 300 queries answered" in ran.err) == (0, True)
    assert "ordinary pictures right (" in ran.err
    assert "is the class order yours?" in ran.err  # this server answers them all with 0
    assert answered(disputed / "r") == message
    assert len(server.good) == 300


def test_names_of_classes_are_checked_against_the_claim(run, disputed):
    order = list(range(9, -1, -1))
    (disputed / "order").write_text("".join(f"{number}\n" for number in order))
    with Server(Marked("a.key", order)) as server:
        words = [
            "ask",
            "a.claim",
            "lot",
            "--url",
            server.url,
            *SERVED,
            "--ordinary",
            "none",
            "-o",
            "r",
            "--labels",
            "order",
        ]
        assert "expected --classes FILE with --labels" in run(*words).err
        assert (
            "expected the claim's class names in its order in order, got others"
            in run(*words, "--classes", "order").err
        )
        assert run(*words, "--classes", "classes").status == 0
    assert answered(disputed / "r") == dict(enumerate(keyfile.load("a.key", None).mark().message.tolist()))


@pytest.mark.filterwarnings("ignore")  # the exporter warns of itself
def test_a_judge_asks_a_file_as_it_runs(run, disputed):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="the library onnx is not installed")
    model = build("cnn", (1, 8, 8), 10, seed=3).eval()
    torch.onnx.export(model, (torch.zeros(1, 1, 8, 8),), "m.onnx", dynamo=False)
    words = ["ask", "a.claim", "lot", "--ordinary", "none"]
    assert run(*words, "--model", "m.onnx", "-o", "r").status == 0
    torch.save(model, "model.pt")
    (disputed / "asked_model.py").write_text(
        "import torch\nmodel = torch.load('model.pt', weights_only=False)\ndef ask(batch): return model(batch).argmax(1)\n"
    )
    assert run(*words, "--api", "asked_model:ask", "-o", "s").status == 0
    assert answered(disputed / "r") == answered(disputed / "s")
    weights.save(model, disputed / "m.safetensors")
    assert "expected a file that a runtime here runs" in run(*words, "--model", "m.safetensors", "-o", "t").err
    assert "expected one of --api, --url and --model to ask, got none" in run(*words, "-o", "t").err
    assert "got several" in run(*words, "--api", "a:b", "--url", "http://127.0.0.1/", "-o", "t").err
    assert not (disputed / "t").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_black_box_key_asks_a_file_through_its_runtime_and_reads_by_code_where_arch_is_typed(run, story, tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="the library onnx is not installed")
    model = build("cnn", (1, 8, 8), 10, seed=0).eval()
    weights.apply(model, weights.load(story / "marked.safetensors"), what="the story")
    torch.onnx.export(model, (torch.zeros(1, 1, 8, 8),), tmp_path / "m.onnx", dynamo=False)
    words = ["verify", story / "adi.key", tmp_path / "m.onnx"]
    ran = run(*words, "--ordinary", "digits")
    assert ran.status == 0
    assert "m.onnx: asked as ONNX by onnxruntime" in ran.err
    assert "of 100 ordinary pictures right" in ran.err
    by_code = run(*words, "--arch", "cnn")
    assert (by_code.status, "asked as" in by_code.err, by_code.out) == (0, False, ran.out)
    wrong = run(*words, "--via", "layout=nhwc")
    assert (wrong.status, "Traceback" in wrong.err) == (0, False)  # one channel: either order is the same
    assert "expected --template with an address, got m.onnx" in run(*words, "--template", "tf-serving").err
    weights.save(model, tmp_path / "m.safetensors")
    ran = run("verify", story / "adi.key", tmp_path / "m.safetensors", "--via", "values=unit")
    assert (ran.status, "expected --via with a file that a runtime runs, or an address, got weights" in ran.err) == (
        2,
        True,
    )


@pytest.mark.filterwarnings("ignore")
def test_without_the_runtime_weights_are_read_by_code_and_the_extra_is_named(run, folder, monkeypatch):
    pytest.importorskip("onnx", reason="the library onnx is not installed")
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    torch.onnx.export(build("cnn", (1, 8, 8), 10, seed=3).eval(), (torch.zeros(1, 1, 8, 8),), "m.onnx", dynamo=False)
    ran = run("verify", "a.key", "m.onnx")
    assert (ran.status, "pip install 'modelmark[onnxruntime]'" in ran.err) == (1, True)
    assert "adi: " in ran.out


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_its_runtime_refuses_is_read_by_code(run, folder):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    library = pytest.importorskip("onnx", reason="the library onnx is not installed")
    torch.onnx.export(build("cnn", (1, 8, 8), 10, seed=3).eval(), (torch.zeros(1, 1, 8, 8),), "m.onnx", dynamo=False)
    made = library.load("m.onnx")
    made.graph.node[1].op_type = "NoSuchOperator"
    library.save(made, "n.onnx")
    ran = run("verify", "a.key", "n.onnx")
    assert "n.onnx: expected n.onnx to be run by onnxruntime" in ran.err
    assert (ran.status, "adi: " in ran.out, "Traceback" in ran.err) == (1, True, False)

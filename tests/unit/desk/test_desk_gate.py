"""Who is let in: the address that was shown, and nobody else's page in the same browser."""

import pytest

pytest.importorskip("starlette", reason="pip install 'modelmark[desk]'")
pytest.importorskip("httpx", reason="pip install 'modelmark[http]'")
from desk_cases import HOST, TOKEN, Inside, files

from modelmark.desk.forms import FORMS
from modelmark.desk.serving import Place
from modelmark.errors import UsageError

KEY = {"files": files(key=[("a.key", b"key")], registry=[("a.copies", b"rows")])}
PATHS = ["", "style.css", *FORMS, "task/x", "task/x/page"]


@pytest.fixture
def desk(tmp_path):
    return Inside(tmp_path)


@pytest.mark.parametrize(
    "path", ["/", "/verdict", "/wrong/", "/wrong/verdict", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/", f"//{TOKEN}/"]
)
def test_without_the_token_nothing_is_shown(desk, path):
    answer = desk.ask(path=path)
    assert (answer.status_code, answer.text.count("\n")) == (403, 1)
    assert TOKEN not in answer.text
    assert desk.ask("POST", path, **KEY).status_code == 403
    assert desk.begun == []


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4242",
        "localhost.evil.example:4242",
        "127.0.0.1",
        "127.0.0.1:80",
        "",
        "127.0.0.1:4242.evil.example",
    ],
)
def test_a_name_that_leads_here_by_rebinding_is_refused_though_it_has_the_token(desk, host):
    answer = desk.ask(headers={"host": host})
    assert (answer.status_code, answer.text.count("\n")) == (421, 1)
    assert desk.ask("POST", f"/{TOKEN}/copies", headers={"host": host}, **KEY).status_code == 421
    assert desk.begun == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:4243"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine
    ],
)
def test_a_form_of_another_page_is_refused_though_it_has_the_token(desk, headers):
    assert desk.drop(headers=headers, **KEY).status_code == 403
    assert (desk.begun, desk.left) == ([], [])


def test_the_desks_own_forms_are_taken(desk):
    own = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    assert desk.drop(headers=own, **KEY).status_code == 303
    assert [form for form, _, _ in desk.begun] == ["copies"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_says_what_a_page_may_do_and_sets_no_cookie(desk, path):
    headers = desk.ask(path=f"/{TOKEN}/{path}").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "script-src" not in policy
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert "set-cookie" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_refused(desk, method):
    assert desk.ask(method).status_code == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.0.1", "example.org", "", "127.0.0.1:80", "999.0.0.1"])
def test_it_listens_at_one_address_alone(host):
    with pytest.raises(UsageError, match=r"^expected (one address|an address)"):
        Place(host)


def test_by_itself_it_is_reached_from_this_machine_alone(tmp_path):
    assert Place().is_local
    assert Place().names(80) == ["127.0.0.1:80", "localhost:80"]
    assert Place("::1").names(80) == ["[::1]:80", "localhost:80"]
    assert not Place("192.0.2.1").is_local
    assert Place("192.0.2.1").names(80) == ["192.0.2.1:80"]  # localhost is no name for it
    with pytest.raises(UsageError, match="expected a folder that exists for --keep"):
        Place(keep=tmp_path / "nowhere")

"""Addresses, secrets and servers that are refused: one line each, at once where no other try would help."""

import datetime
import re
import ssl
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from modelmark.errors import MalformedError, MismatchError, SuspectError, UsageError
from modelmark.suspects.http import secrets
from modelmark.suspects.http.address import Address, is_address
from modelmark.suspects.http.client import Client, Clock, Patience
from modelmark.suspects.http.journal import Journal
from serving import MISCHIEF, Server

pytest.importorskip("httpx", reason="httpx is not installed")
SENT = {"content": b"{}", "headers": {"Content-Type": "application/json"}}


def ask(url, naps=None, ca="", headers=None, met=True, now=None, parse=bytes.decode, **patience):
    clock = Clock(sleep=(naps if naps is not None else []).append, **({"now": now} if now else {}), date=lambda: 1e9)
    client = Client(Address(url), headers or {}, Patience(**({"timeout": 10.0, "tries": 4} | patience)), clock, ca, met)
    try:
        return client.ask(SENT, parse)
    finally:
        client.close()


def replies(status, data=b"{}", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda *_: (status, named, data)


@pytest.mark.parametrize(
    ("answer", "says", "hint"),
    [
        (replies(401, b'{"error": "no token"}'), "got status 401: '{\"error\": \"no token\"}'", "--secret-file"),
        (replies(404), "got status 404", "the whole address"),
        (replies(400, b"<b>" * 1000, Content_Type="text/html"), "got status 400", ""),
        (replies(204, b""), "", ""),
        (replies(302, Location="http://127.0.0.1:1/"), "got a redirect to http://127.0.0.1", "name that address"),
        (replies(307, Location="https://elsewhere.example/a"), "a redirect to https://elsewhere.example", "name that address"),
        (replies(307, Location="//user:word@elsewhere.example/a"), "a redirect to http://elsewhere.example", ""),
        (replies(301, Location="/other"), "got a redirect of status 301 to /other", "name the new address"),
        (replies(308, Location="/loop"), "got redirects without end", ""),
        (replies(200, b"x" * 5000), "at most 4096 bytes", "most=BYTES"),
        (replies(200, Content_Encoding="gzip"), "that is not packed", ""),
        (replies(429, Retry_After="86400"), "to come back in 86400 s", "goes on then"),
    ],
)  # fmt: skip
def test_what_no_other_try_would_change_is_said_at_once(answer, says, hint):
    naps = []
    with Server(answer) as server:
        if not says:  # nothing is no JSON either, but that is for whoever parses it
            assert ask(server.url, naps) == ""
            return
        with pytest.raises(SuspectError, match=re.escape(says)) as caught:
            ask(f"{server.url}/path?key=HIDDEN", naps, most=4096, headers={"Authorization": "Bearer WORD"})
    assert (naps, "\n" in str(caught.value)) == ([], False)
    assert hint in caught.value.hint
    assert "HIDDEN" not in str(caught.value) + caught.value.hint
    assert "WORD" not in str(caught.value) + caught.value.hint
    assert len(server.requests) <= 4


@pytest.mark.parametrize("word", [word for word in MISCHIEF if word not in ("garbage", "short", "nan")])
def test_what_may_pass_is_tried_again_with_growing_pauses(word):
    naps = []
    with Server(replies(200), lambda number: word) as server, pytest.raises(SuspectError, match=r"\(4 tries\)"):
        ask(server.url, naps, timeout=0.2)
    assert len(server.requests) == 4
    assert naps == {"limits": [3.0] * 3, "is away": [7.0] * 3}.get(word, [0.5, 1.0, 2.0])


def test_a_server_that_was_never_seen_well_is_not_tried_for_long():
    naps = []
    with Server(lambda *_: [], lambda number: "page") as server:
        with pytest.raises(SuspectError, match=r"expected JSON from .*, got 'text/html' \(3 tries\)"):
            ask(server.url, naps, met=False, tries=50)
        port = server.port
    with pytest.raises(SuspectError, match=r"Connection refused \(3 tries\)"):
        ask(f"http://127.0.0.1:{port}/", naps, met=False, tries=50)
    assert naps == [0.5, 1.0] * 2


def test_a_date_to_come_back_at_is_understood_and_rubbish_is_not():
    naps, said = (
        [],
        iter([format_datetime(datetime.datetime.fromtimestamp(1e9 + 90, datetime.UTC)), "soon", "-5", "9" * 40]),
    )
    with Server(lambda *_: (503, {"Retry-After": next(said)}, b"")) as server, pytest.raises(SuspectError, match="503"):
        ask(server.url, naps, tries=4)
    assert naps == [90.0, 1.0, 2.0]


def test_queries_are_paced_by_the_rate():
    now, naps = [100.0], []

    def sleep(seconds):
        naps.append(seconds)
        now[0] += seconds

    with Server(lambda *_: []) as server:
        client = Client(Address(server.url), patience=Patience(rate=4), clock=Clock(sleep, lambda: now[0]))
        for _ in range(5):
            client.ask(SENT, bytes.decode)
        client.close()
    assert naps == [0.25] * 4


def test_an_answer_that_drips_is_cut_off():
    ticks = iter(range(0, 10**6, 20))  # seconds at each look at the clock

    def drip(request):
        request.send_response(200)
        request.end_headers()
        for _ in range(40):
            request.wfile.write(b" ")
            request.wfile.flush()
        request.close_connection = True

    with Server(lambda *_: []) as server:
        server.handle = drip
        with pytest.raises(SuspectError, match="within 10 s, got none"):
            ask(server.url, now=lambda: float(next(ticks)), tries=1)


def test_a_redirect_to_no_address_is_no_answer():
    """httpx 0.28.1 reads where a redirect leads whether or not it is to follow it, and takes it for a broken answer."""
    with (
        Server(replies(307, Location="http://[::1/")) as server,
        pytest.raises(SuspectError, match="got: Invalid URL in location header"),
    ):
        ask(server.url)
    with pytest.raises(SuspectError, match="got a redirect to no address"):
        Address("http://host/").redirected("http://host/", "http://[::1/", 307)


def test_a_redirect_within_the_host_is_followed_with_the_secret():
    def answer(path, headers, body):
        assert headers["Authorization"] == "Bearer word"
        return {"at": path} if path == "/new" else (307, {"Location": "/new"}, b"")

    with Server(answer) as server:
        assert ask(f"{server.url}/old", headers={"Authorization": "Bearer word"}) == '{"at": "/new"}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "c.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "k.pem").write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context, folder / "c.pem"


def test_a_certificate_that_nobody_vouches_for(certificate):
    context, own = certificate
    naps = []
    with Server(lambda *_: [1], context=context) as server:
        with pytest.raises(
            SuspectError, match="expected a certificate that is trusted from https://localhost"
        ) as caught:
            ask(f"https://localhost:{server.port}/", naps)
        assert (naps, "ca=FILE" in caught.value.hint) == ([], True)
        assert ask(f"https://localhost:{server.port}/", ca=str(own)) == "[1]"
        with pytest.raises(SuspectError, match=r"127\.0\.0\.1"):  # the certificate is of another name
            ask(f"https://127.0.0.1:{server.port}/", ca=str(own))
    with pytest.raises(UsageError, match="expected certificates in nowhere"):
        ask("https://localhost/", ca="nowhere")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://user:HIDDEN@host/a", "without a name or password in it"),
        ("https://HIDDEN@host/a", "without a name or password in it"),
        ("ftp://host/a", "http or https, got one of ftp"),
        ("https://", "http or https"),
        ("https://[1::/", "cannot be read"),
        ("https://host:99999/", "cannot be read"),
    ],
)
def test_addresses_that_are_refused(url, says):
    assert is_address(url)
    with pytest.raises(UsageError, match=says) as caught:
        Address(url)
    assert "HIDDEN" not in str(caught.value) + caught.value.hint


def test_what_is_shown_of_an_address_has_no_query():
    assert str(Address("https://host:8443/v1/m:predict?key=HIDDEN#a")) == "https://host:8443/v1/m:predict"
    assert str(Address("http://[::1]:80/")) == "http://[::1]:80/"
    assert not is_address("a/b.onnx")
    assert not is_address("C:/models/m.onnx")


def test_secrets_come_from_a_file_or_the_environment_and_go_nowhere_in_the_clear(tmp_path, monkeypatch):
    safe, here, open_ = Address("https://host/"), Address("http://127.0.0.1/"), Address("http://host/")
    (tmp_path / "s").write_text("HIDDEN\nsecond line\n")
    monkeypatch.setenv("TOKEN", "Basic HIDDEN")
    assert secrets.header(safe, tmp_path / "s", "") == {"Authorization": "Bearer HIDDEN"}
    assert secrets.header(here, None, "TOKEN") == {"Authorization": "Basic HIDDEN"}
    assert secrets.header(safe, tmp_path / "s", "", "X-Api-Key") == {"X-Api-Key": "HIDDEN"}
    assert secrets.header(open_, None, "") == {}
    for (address, file, variable), kind, says in (
        ((open_, tmp_path / "s", ""), UsageError, "expected an address of https"),
        ((safe, tmp_path / "s", "TOKEN"), UsageError, "got both"),
        ((safe, None, "NO_SUCH"), UsageError, "which is not set"),
        ((safe, tmp_path / "none", ""), MalformedError, "found none"),
    ):
        with pytest.raises(kind, match=says) as caught:
            secrets.header(address, file, variable)
        assert "HIDDEN" not in str(caught.value)
    (tmp_path / "t").write_text("HIDDEN\x00")
    with pytest.raises(MalformedError, match="printable ASCII") as caught:
        secrets.header(safe, tmp_path / "t", "")
    assert "HIDDEN" not in str(caught.value)
    shown = repr(Client(safe, {"Authorization": "Bearer HIDDEN"}))
    assert "HIDDEN" not in shown


def test_a_file_of_answers_is_gone_on_with_by_the_same_question_alone(tmp_path):
    path, query = tmp_path / "a", "ab" * 32
    first = Journal(path, "https://host/m", "cd" * 32)
    first.write(query, 7)
    first.write("ac" * 32, -1)
    first.close()
    again = Journal(path, "https://host/m", "cd" * 32)
    assert (again.answers, again.before) == ({query: 7, "ac" * 32: -1}, 2)
    again.close()
    for address, way in (("https://host/n", "cd" * 32), ("https://host/m", "ce" * 32)):
        with pytest.raises(MismatchError, match="to be about this address, asked in this way, got another"):
            Journal(path, address, way)
    raw = path.read_bytes()
    for wrong, says in (
        (raw + raw.splitlines()[1] + b"\n", "each query once in .*, got something else in line 4"),
        (raw.replace(b'"answer":7', b'"answer": 7'), "got something else in line 2"),
        (b"GIF89a\n", "expected answers of an address"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(MalformedError, match=says):
            Journal(path, "https://host/m", "cd" * 32)
        assert path.read_bytes() == wrong
    path.write_bytes(raw[:-4])  # half a line: dropped with the first that is added, or left as it is
    torn = Journal(path, "https://host/m", "cd" * 32)
    assert torn.before == 1
    torn.write("ad" * 32, 3)
    torn.close()
    assert path.read_bytes().splitlines()[:2] == raw.splitlines()[:2]
    assert len(path.read_bytes().splitlines()) == 3

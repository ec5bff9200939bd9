"""The server of core/web (metrics, status page, terminals) against clients that are slow, many, wrong or hostile, over
TLS and without. tests/integration/serve_web.c says what it answers."""

import base64
import contextlib
import hashlib
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from checker.certificates import make_certificate
from checker.run import PATIENCE, wait_for
from integration.web_client import BINARY, CLOSE, PING, TEXT, Raw, WebSocket

TOKEN = "s3cret-token"
NUMBERS = "".join(f"{i:06}\n" for i in range(1000000)).encode()


class Served:
    def __init__(self, build, *arguments, where="127.0.0.1:0"):
        program = build / "tests" / "integration" / "serve_web"
        self.process = subprocess.Popen([program, where, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.reader.start()
        first = self.process.stdout.readline().split()
        self.address = first[1] if first else None

    def said(self):
        return self.process.stdout.readline().strip()

    def end(self):
        """All that was open is ended with it, and nothing is left of it."""
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        return status, [line for line in self.errors if "debug" not in line]


@contextlib.contextmanager
def served(build, *arguments, **more):
    server = Served(build, *arguments, **more)
    try:
        assert server.address, server.end()
        yield server
    finally:
        if server.process.poll() is None and not server.process.stdin.closed:
            assert server.end() == (0, [])


@pytest.fixture(scope="module")
def plain(build):
    with served(build) as server:
        yield server


def get(address, path, tls=None, **more):
    with Raw(address, tls) as connection:
        connection.ask(path, **more)
        return connection.answer(more.get("method", "GET"))


def test_answers_routes_and_arguments(plain):
    status, headers, text = get(plain.address, "/text?x=y")
    assert (status, text, headers["content-type"]) == (200, "hello\n", "text/plain; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert get(plain.address, "/path/one/two%20three")[2] == "one/two three\n"
    assert get(plain.address, "/args?b=2&a=1%262")[2] == "is 1&2\n"
    assert get(plain.address, "/args?b=2")[2] == "is not \n"
    assert get(plain.address, "/nothing")[0] == 404
    assert get(plain.address, "/forgotten")[0] == 500


def test_head_is_answered_without_a_body(plain):
    with Raw(plain.address) as connection:
        connection.ask("/text", method="HEAD")
        assert connection.answer("HEAD")[0] == 200
        connection.ask("/text")
        assert connection.answer()[2] == "hello\n"  # and nothing stood before it


def test_head_of_a_stream_begins_none(plain):
    with Raw(plain.address) as connection:
        connection.ask("/events", method="HEAD")
        status, headers, _ = connection.answer("HEAD")
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        connection.ask("/text")
        assert connection.answer()[2] == "hello\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_else_than_get_and_head(plain, method):
    with Raw(plain.address) as connection:
        connection.ask("/text", method=method, Content_Length="3")
        connection.send(b"a=1")
        status, headers, _ = connection.answer()
        assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_what_is_behind_a_refused_request_is_no_request(plain):
    for method, path in (("POST", "/text"), ("POST", "/login"), ("GET", "/text")):
        with Raw(plain.address) as connection:
            body = f"GET /text HTTP/1.1\r\nHost: {plain.address}\r\n\r\n"
            connection.ask(path, method=method, Content_Length=str(len(body)), Content_Type="text/plain")
            connection.send(body.encode())
            assert connection.answer()[0] in (405, 413, 415) and connection.rest() == b""


@pytest.mark.parametrize("headers", [{"Content_Length": "5"}, {"Transfer_Encoding": "chunked"},
                                     {"Content_Length": "99999999999999999999999999"}])
def test_a_request_has_no_body(plain, headers):
    assert get(plain.address, "/text", **headers)[0] == 413


def test_a_large_answer_comes_whole_and_the_connection_goes_on(plain):
    wanted = "".join(f"{i:15}\n" for i in range(4 * 1024 * 1024 // 16))
    with Raw(plain.address) as connection:
        for _ in range(2):
            connection.ask("/large")
            assert hashlib.sha256(connection.answer()[2].encode()).digest() == \
                hashlib.sha256(wanted.encode()).digest()


def test_requests_that_come_together_are_answered_one_after_the_other(plain):
    with Raw(plain.address) as connection:
        one = f"GET /path/%d HTTP/1.1\r\nHost: {connection.address}\r\n\r\n"
        connection.send("".join(one % i for i in range(20)).encode())
        assert [connection.answer()[2] for _ in range(20)] == [f"{i}\n" for i in range(20)]


@pytest.mark.parametrize("bytes_", [
    b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET nothing HTTP/1.1\r\n\r\n", b"CONNECT /text HTTP/1.1\r\n\r\nmore", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /text HTTP/1.1\r\nHost: a\r\nUpgrade: other\r\n\r\n", b"GET /%00text HTTP/1.1\r\n\r\n",
    b"GET /text\xff\xfe HTTP/1.1\r\n\r\n", b"GET /echo HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"GET /text HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 20000 + b"\r\n\r\n",
    b"GET /text HTTP/1.1\r\n" + b"Long-Name: value\r\n" * 2000 + b"\r\n",
    b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\n\r\n",
], ids=range(14))
def test_what_is_no_request_gets_nothing_of_value(plain, bytes_):
    with Raw(plain.address) as connection:
        with contextlib.suppress(OSError):  # the other end has closed already
            connection.send(bytes_)
            connection.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            answer = connection.rest()
            assert b"hello" not in answer and b" 200 " not in answer
    assert get(plain.address, "/text")[2] == "hello\n"


def test_who_offers_http_2_gets_what_we_have(plain):
    with Raw(plain.address) as connection:
        connection.ask("/text", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABkAAQAAP__")
        assert connection.answer()[2] == "hello\n"


# Who may see what.


def test_a_page_of_another_server_gets_nothing(plain):
    assert get(plain.address, "/text", Origin="http://evil.example")[0] == 403
    assert get(plain.address, "/text", Origin="null")[0] == 403
    assert get(plain.address, "/text", Origin=f"http://{plain.address}")[0] == 200
    assert WebSocket(plain.address, "/echo", Origin="http://evil.example").status == 403


def test_without_a_token_loopback_alone_is_logged_in(plain):
    for host in ("localhost", "localhost:9252", "127.0.0.1", "[::1]:9252", plain.address):
        assert get(plain.address, "/secret", Host=host)[0] == 200, host
    for host in ("evil.example", "evil.example:9252", "127.0.0.1.evil.example", "localhost.evil.example", None, "x" * 400):
        status, _, text = get(plain.address, "/secret", Host=host)
        assert status == 403 and "[web]" in text, host
    assert WebSocket(plain.address, "/secret-echo", Host="evil.example").status == 403


def test_a_name_that_leads_here_reads_nothing(build, plain):
    for host, status in (("localhost:9252", 200), ("127.0.0.1", 200), ("[::1]", 200), ("evil.example:9252", 403), (None, 403),
                         ("ci.example", 403)):
        assert get(plain.address, "/known", Host=host)[0] == status, host
    with served(build, "--names", "ci ci.example 10.1.1.1") as server:
        for path in ("/known", "/secret"):
            for host, status in (("ci.example:9252", 200), ("CI", 200), ("10.1.1.1:80", 200), ("localhost", 200), ("ci.exampl", 403),
                                 ("ci.example.evil", 403), ("ci ci.example", 403), ("", 403), (" ", 403)):
                assert get(server.address, path, Host=host)[0] == status, (path, host)


@pytest.mark.parametrize("header", ["Via", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Port", "X_Forwarded_Proto",
                                    "X_Forwarded_Server", "Forwarded", "X_Real_IP"])
def test_what_a_proxy_hands_on_is_not_from_this_machine(plain, header):
    for value in ("10.1.1.1", "x" * 4000):
        status, _, text = get(plain.address, "/secret", **{header: value})
        assert status == 403 and "token" in text


def test_nginx_as_it_is_by_itself_is_no_browser_of_this_machine(plain):
    """It says nothing of itself, but it speaks as no browser does."""
    status, _, text = get(plain.address, "/secret", version="1.0", Connection="close")
    assert status == 403 and "token" in text
    assert get(plain.address, "/known", version="1.0", Host="ci.example")[0] == 200


def own_address():
    """One of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return asking.getsockname()[0]


def test_others_need_tls_and_the_token(build, folder):
    if not (own := own_address()):
        pytest.skip("this machine has no address but loopback")
    certificate, key = make_certificate(folder, f"IP:127.0.0.1,IP:{own}")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for arguments, status in ([[], 403], [["--token", TOKEN], 403], [["--tls", certificate, key], 403]):
        with served(build, *arguments, where="0.0.0.0:0") as server:
            address = f"{own}:{server.address.split(':')[1]}"
            tls = certificate if "--tls" in arguments else None
            assert get(address, "/secret", tls, **bearer)[0] == status
            assert get(address, "/text", tls)[0] == 200
    with served(build, "--token", TOKEN, "--tls", certificate, key, where="0.0.0.0:0") as server:
        address = f"{own}:{server.address.split(':')[1]}"
        assert get(address, "/secret", certificate)[0] == 401
        assert get(address, "/secret", certificate, **bearer)[2] == "hello\n"


def test_a_token_is_asked_for_and_taken_as_a_password(build):
    with served(build, "--token", TOKEN) as server:
        status, headers, text = get(server.address, "/secret")
        assert (status, headers["www-authenticate"]) == (401, 'Basic realm="flotilla", charset="UTF-8"')
        assert "token" in text and get(server.address, "/text")[0] == 200
        for given, status in ((f"any:{TOKEN}", 200), (f":{TOKEN}", 200), (f"{TOKEN}:", 401), ("any:wrong", 401),
                              ("x" * 1000, 401), ("any:" + TOKEN + "x", 401)):
            basic = base64.b64encode(given.encode()).decode()
            assert get(server.address, "/secret", Authorization=f"Basic {basic}")[0] == status, given
        for value, status in ((f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN[:-1]}", 401),
                              ("Bearer ", 401), ("Basic ", 401), ("Basic ====", 401), ("x" * 5000, 401)):
            assert get(server.address, "/secret", Authorization=value)[0] == status, value
        # Under whatever name: no page of another server knows the token.
        assert get(server.address, "/secret", Host="ci.example", Authorization=f"Bearer {TOKEN}")[0] == 200


# The form.

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
FORM = "application/x-www-form-urlencoded"


def send_form(address, path, body="", tls=None, **headers):
    """What a form's answer is."""
    with Raw(address, tls) as connection:
        headers = {"Content_Type": FORM, "Content_Length": str(len(body)), **headers}
        connection.ask(path, "POST", **headers)
        connection.send(body.encode())
        return connection.answer()


def log_in(address, tls=None, **headers):
    """The cookie that a browser sends from then on."""
    status, answer, _ = send_form(address, "/login", f"token={TOKEN}", tls, **headers)
    assert (status, answer["location"]) == (303, "./"), answer
    return answer["set-cookie"].split(";")[0]


@pytest.fixture
def guarded(build):
    with served(build, "--token", TOKEN) as server:
        yield server


def test_a_browser_is_shown_a_form_and_nobody_else_is(guarded):
    status, headers, text = get(guarded.address, "/secret", Accept=HTML)
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="flotilla"')  # no dialog of the browser's own
    assert headers["content-type"] == "text/html; charset=utf-8" and '<form method="post" action="login">' in text
    assert "logged in already" not in text and "problem" not in text
    assert "logged in already" in get(guarded.address, "/secret", Accept=HTML, Sec_Fetch_Site="cross-site")[2]
    for accept in ("*/*", "application/json", None):
        assert get(guarded.address, "/secret", Accept=accept)[1]["www-authenticate"].startswith("Basic ")
    # Nor does one ask when a script of the page wanted something.
    assert get(guarded.address, "/secret", Accept="*/*", Sec_Fetch_Site="same-origin")[1]["www-authenticate"].startswith("Bearer ")
    assert get(guarded.address, "/secret", Accept=HTML, Authorization="Bearer wrong")[1]["content-type"].startswith("text/plain")
    assert get(guarded.address, "/secret", Accept=HTML, Authorization=f"Bearer {TOKEN}")[2] == "hello\n"


def test_the_form_gives_a_cookie_and_takes_it_back(guarded):
    port = guarded.address.rsplit(":", 1)[1]
    status, headers, _ = send_form(guarded.address, "/login", f"a=b&token={TOKEN.replace('3', '%33')}")
    name, key = headers["set-cookie"].split(";")[0].split("=")
    assert (status, name, len(key)) == (303, f"flotilla-plain-{port}", 64)
    assert headers["set-cookie"].split("; ")[1:] == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]
    cookie, other = f"x=y; {name}={key}; z=1", log_in(guarded.address)
    assert get(guarded.address, "/secret", Cookie=cookie)[2] == "hello\n"
    assert get(guarded.address, "/secret", Cookie=cookie, Authorization="Basic of-long-ago")[0] == 200
    assert get(guarded.address, "/visit", Cookie=cookie)[2] == '{"visit":true}'
    assert get(guarded.address, "/visit", Authorization=f"Bearer {TOKEN}")[2] == '{"visit":false}'
    assert get(guarded.address, "/login", Cookie=cookie)[0] == 303
    with Raw(guarded.address) as watches, Raw(guarded.address) as stays:
        for connection, shown in ((watches, cookie), (stays, other)):
            connection.ask("/secret-events", Cookie=shown)
            connection.until(b"data: 1\n\n")
        status, headers, _ = send_form(guarded.address, "/logout", Cookie=cookie)
        assert (status, headers["location"]) == (303, "./") and f"{name}=; Path=/; Max-Age=0;" in headers["set-cookie"]
        assert watches.rest() == b""  # what was open ends, and another's goes on
        stays.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            stays.socket.recv(1)
    assert get(guarded.address, "/secret", Cookie=cookie)[0] == 401
    assert get(guarded.address, "/secret", Cookie=other)[0] == 200


def test_with_tls_the_cookie_is_this_hosts_alone(build, folder):
    certificate, key = make_certificate(folder)
    with served(build, "--token", TOKEN, "--tls", certificate, key) as server:
        _, headers, _ = send_form(server.address, "/login", f"token={TOKEN}", certificate)
        assert headers["set-cookie"].startswith("__Host-flotilla-") and headers["set-cookie"].endswith("; Secure")
        cookie = headers["set-cookie"].split(";")[0]
        assert get(server.address, "/secret", certificate, Cookie=cookie)[0] == 200
        assert get(server.address, "/secret", certificate, Cookie=cookie.replace("__Host-flotilla", "flotilla-plain"))[0] == 401


def test_cookies_that_nobody_gave(guarded):
    cookie = log_in(guarded.address)
    name, key = cookie.split("=")
    for wrong in ("", "0" * 64, key[:-1], key + "0", key.upper(), f'"{key}"', "x" * 8000):
        assert get(guarded.address, "/secret", Cookie=f"{name}={wrong}")[0] == 401, wrong
    for wrong in (name, f"{name}-={key}", "=" * 1000, f";;;{name[1:]}={key}", "\xff" * 100):
        assert get(guarded.address, "/secret", Cookie=wrong)[0] == 401, wrong
    # None of them is a guess: a browser may show one of yesterday.
    assert get(guarded.address, "/secret", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_visits_are_few_and_the_first_ends_first(guarded):
    cookies = [log_in(guarded.address) for _ in range(65)]
    assert len(set(cookies)) == 65
    assert [get(guarded.address, "/secret", Cookie=cookie)[0] for cookie in cookies[:2] + cookies[-1:]] == [401, 200, 200]


def test_wrong_tokens_at_the_form_are_guesses(guarded):
    cookie = log_in(guarded.address)
    for body in ("token=wrong", "token=", "", "nothing", f"token=%zz&token={TOKEN}", "token=%00", f"xtoken={TOKEN}", "&&&", f"token={TOKEN}x"):
        status, _, text = send_form(guarded.address, "/login", body)
        assert (status, "This is not the token." in text) == (401, True), body
    assert get(guarded.address, "/secret", Authorization="Bearer wrong")[0] == 401  # the tenth
    status, headers, text = send_form(guarded.address, "/login", f"token={TOKEN}")
    assert status == 429 and "too many wrong tokens" in text and "set-cookie" not in headers
    assert get(guarded.address, "/secret", Authorization=f"Bearer {TOKEN}")[0] == 429
    assert get(guarded.address, "/secret", Cookie=cookie)[0] == 200  # who is in stays


def test_a_form_of_another_page_does_nothing(guarded):
    cookie, body = log_in(guarded.address), f"token={TOKEN}"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"http://evil.example:80@{guarded.address}"},
                    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "x" * 500},
                    {"Origin": f"http://{guarded.address}", "Sec_Fetch_Site": "cross-site"}):
        assert send_form(guarded.address, "/login", body, **headers)[0] == 403, headers
        assert send_form(guarded.address, "/logout", Cookie=cookie, **headers)[0] == 403, headers
    assert get(guarded.address, "/secret", Cookie=cookie)[0] == 200
    log_in(guarded.address, Origin=f"http://{guarded.address}", Sec_Fetch_Site="same-origin")
    # A page of another server cannot even lead a browser to where it could log in without TLS.
    assert send_form(guarded.address, "/login", body, X_Forwarded_For="10.1.1.1")[0] == 403


def test_a_form_without_a_token_to_ask_for(plain):
    assert send_form(plain.address, "/login", "token=x")[1]["location"] == "./"
    assert "set-cookie" not in send_form(plain.address, "/login", "token=x")[1]
    assert send_form(plain.address, "/login", "token=x", Host="evil.example")[0] == 403


@pytest.mark.parametrize("headers, status", [
    ({"Content_Length": "4097"}, 413), ({"Content_Length": "99999999999999999999"}, 413), ({"Content_Length": "-1"}, 413),
    ({"Content_Length": "1x"}, 413), ({"Content_Length": None}, 411), ({"Content_Length": None, "Transfer_Encoding": "chunked"}, 411),
    ({"Content_Length": "5", "Transfer_Encoding": "chunked"}, 411), ({"Content_Type": "text/plain"}, 415), ({"Content_Type": None}, 415),
    ({"Content_Type": "multipart/form-data; boundary=x"}, 415)])
def test_forms_that_are_none(guarded, headers, status):
    assert send_form(guarded.address, "/login", **{"Content_Length": "5", **headers})[0] == status


def test_a_form_comes_in_pieces_and_is_the_last_on_its_connection(guarded):
    body = f"x={'y' * 4000}&token={TOKEN}"
    head = f"POST /login HTTP/1.1\r\nHost: {guarded.address}\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with Raw(guarded.address) as connection:
        connection.ask("/text")
        assert connection.answer()[2] == "hello\n"
        for at in range(0, len(body) + len(head), 500):
            connection.send((head + body)[at:at + 500].encode())
        status, headers, _ = connection.answer()
        assert (status, headers["connection"]) == (303, "close") and connection.rest() == b""


def test_requests_that_are_sent_at_once_keep_nobody_waiting(guarded):
    """Where a form was among them, the server turned without rest once."""
    get_ = f"GET /text HTTP/1.1\r\nHost: {guarded.address}\r\n\r\n"
    form = f"POST /login HTTP/1.1\r\nHost: {guarded.address}\r\nContent-Type: {FORM}\r\nContent-Length: 7\r\n\r\ntoken=x"
    refused = form.replace("/login", "/text")
    for requests in (form * 2, form * 20, form + get_, get_ + form, (get_ + form) * 3, refused * 2, get_ + refused + get_):
        with Raw(guarded.address) as connection:
            connection.send(requests.encode())
            answers = connection.rest()
            assert answers.count(b"HTTP/1.1 200") == requests.startswith(get_) and 1 <= answers.count(b"HTTP/1.1") <= 2
        assert get(guarded.address, "/text")[2] == "hello\n"


def test_a_form_that_does_not_come_is_not_waited_for(build):
    with served(build, "--token", TOKEN, "--request-ms", "300") as server, Raw(server.address) as slow:
        slow.ask("/login", "POST", Content_Type=FORM, Content_Length="4000")
        stop = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                while not stop.wait(0.05):
                    slow.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert slow.rest() == b""
        stop.set()
        dripping.join()


def test_only_forms_are_posted_and_only_to_where_they_belong(guarded):
    assert send_form(guarded.address, "/secret", "a=1")[:2][1]["allow"] == "GET, HEAD"
    assert send_form(guarded.address, "/nothing", "a=1")[0] == 405
    status, headers, _ = get(guarded.address, "/logout")
    assert (status, headers["allow"]) == (405, "POST")


def test_tls(build, folder):
    certificate, key = make_certificate(folder)
    with served(build, "--tls", certificate, key) as server:
        assert get(server.address, "/large", certificate)[0] == 200
        with WebSocket(server.address, "/echo", certificate) as talk:
            talk.receive()
            talk.message(b"hello")
            assert talk.receive() == (TEXT, b"hello")
        with Raw(server.address) as connection:
            connection.ask("/text")
            assert connection.rest() == b""
        with Raw(server.address, certificate) as connection:
            assert connection.socket.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("broken, sentence", [("certificate", "no certificate in PEM"), ("key", "no private key in PEM"),
                                              ("other", "belongs to the certificate")])
def test_tls_files_that_are_wrong_are_named(build, folder, broken, sentence):
    certificate, key = make_certificate(folder)
    if broken == "other":
        (folder / "b").mkdir()
        key = make_certificate(folder / "b")[1]
    else:
        (certificate if broken == "certificate" else key).write_text("nothing")
    server = Served(build, "--tls", certificate, key)
    status, errors = server.end()
    assert status == 1 and sentence in "".join(errors)


def test_an_address_that_is_taken_is_told(build, plain):
    server = Served(build, where=plain.address)
    status, errors = server.end()
    assert status == 1 and f"{plain.address} can't be listened on" in errors[0]


def test_every_address_of_both_families(build):
    with served(build, where=":0") as server:
        port = server.address.rsplit(":", 1)[1]
        assert server.address.startswith("[::]")
        assert get(f"127.0.0.1:{port}", "/secret")[0] == get(f"[::1]:{port}", "/secret")[0] == 200


# Streams.


def test_a_stream_waits_for_its_client(build):
    with served(build) as server, Raw(server.address, receive_buffer=4096) as connection:
        connection.ask("/stream")
        status, headers = connection.head()
        assert status == 200 and headers["connection"] == "close"
        assert connection.rest() == NUMBERS
        assert server.said() == "gone stream"


def test_a_stream_ends_with_its_client(build):
    """Even when nothing is sent, which would tell."""
    with served(build, "--request-ms", "300") as server:
        with Raw(server.address) as connection:
            connection.ask("/events")
            connection.until(b"data: 1\n\n")
        assert server.said() == "gone events"
        with Raw(server.address) as connection:
            connection.ask("/never")
            assert server.said() == "parked never"
        assert server.said() == "gone never"


def test_who_leaves_a_quiet_stream_keeps_nobody_busy(build):
    """Until it is seen, a second later, the loop sleeps: it turned without rest once."""
    with served(build) as server:
        def busy_seconds():
            stat = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

        for path, what in (("/events", "events"), ("/never", "never"), ("/events", "events")):
            with Raw(server.address) as connection:
                connection.ask(path)
                assert server.said() == "parked never" if what == "never" else connection.until(b"data: 1\n\n")
                before = busy_seconds()
                connection.send(b"GET /text HTTP/1.1\r\n")  # nor does who sends on
            assert server.said() == f"gone {what}"
            assert busy_seconds() - before < 0.2


def test_streams_leave_room_for_a_scrape(build):
    with served(build) as server, contextlib.ExitStack() as all_:
        for _ in range(96):
            connection = all_.enter_context(Raw(server.address))
            connection.ask("/events")
            connection.until(b"data: 1\n\n")
        status, _, text = get(server.address, "/events")
        assert status == 503 and "too many" in text
        assert get(server.address, "/text")[0] == 200


def test_more_connections_than_there_may_be_wait(build):
    with served(build) as server:
        idle = [Raw(server.address) for _ in range(128)]
        idle[-1].ask("/text")
        assert idle[-1].answer()[0] == 200  # all of them are taken
        with Raw(server.address) as late:
            late.ask("/text")
            late.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                late.socket.recv(1)
            late.socket.settimeout(PATIENCE)
            idle[0].close()
            assert late.answer()[2] == "hello\n"
        for connection in idle[1:]:
            connection.close()


def test_a_request_that_does_not_come_is_not_waited_for(build):
    with served(build, "--request-ms", "300") as server:
        with Raw(server.address) as nothing, Raw(server.address) as half, Raw(server.address) as slow:
            half.send(b"GET /text HTTP/1.1\r\nHost: a\r\n")
            stop = threading.Event()

            def drip():
                with contextlib.suppress(OSError):
                    while not stop.wait(0.05):
                        slow.send(b"X: y\r\n")

            slow.send(b"GET /text HTTP/1.1\r\n")
            dripping = threading.Thread(target=drip)
            dripping.start()
            assert nothing.rest() == half.rest() == slow.rest() == b""
            stop.set()
            dripping.join()
        with Raw(server.address) as kept:  # between two requests, too
            kept.ask("/text")
            assert kept.answer()[0] == 200
            assert kept.rest() == b""


def test_slow_tls_handshakes_end(build, folder):
    certificate, key = make_certificate(folder)
    with served(build, "--tls", certificate, key, "--request-ms", "300") as server, Raw(server.address) as nothing, \
            Raw(server.address) as half:
        half.send(b"\x16\x03\x01\x02\x00\x01")
        assert nothing.rest() == half.rest() == b""


# Websockets.


def test_a_websocket_talks_both_ways(build):
    with served(build) as server:
        with WebSocket(server.address, "/echo", protocol="other, second.example") as talk:
            assert talk.header("sec-websocket-protocol") == "second.example"
            assert talk.receive() == (TEXT, b"second.example")
            for size in (0, 1, 125, 126, 5000):
                talk.message(b"a" * size)
                assert talk.receive() == (TEXT, b"a" * size)
            talk.message(bytes(range(256)), BINARY)
            assert talk.receive() == (BINARY, bytes(range(256)))
            talk.message(b"bye")
            assert talk.frame() == (CLOSE, b"\x0f\xa1as you wish", True)
        assert server.said() == "gone socket"


def test_a_websocket_is_pinged_while_nothing_is_said(build):
    with served(build, "--request-ms", "100") as server, WebSocket(server.address, "/echo") as talk:
        talk.receive()
        assert talk.frame() == talk.frame() == (PING, b"", True)
        talk.message(b"still here")
        while (frame := talk.frame())[0] == PING:
            pass
        assert frame == (TEXT, b"still here", True)


def test_a_long_message_comes_in_pieces(build):
    with served(build) as server, WebSocket(server.address, "/echo") as talk:
        talk.receive()
        sent = bytes(i % 251 for i in range(100000))
        talk.message(sent, BINARY)
        got = b""
        while len(got) < len(sent):
            got += talk.receive()[1]
        assert got == sent and server.said() == "piece"


def test_websockets_that_are_not_to_be(plain):
    assert WebSocket(plain.address, "/refused").status == 403
    assert WebSocket(plain.address, "/text").status == 400
    assert WebSocket(plain.address, "/nothing").status == 404
    assert get(plain.address, "/echo")[0] == 400
    with pytest.raises(AssertionError):
        WebSocket(plain.address, "/echo", protocol="unknown.example")


def test_what_is_open_at_the_end_is_ended(build):
    with served(build) as server, Raw(server.address) as events, Raw(server.address) as never, \
            Raw(server.address) as half, Raw(server.address) as stuck, WebSocket(server.address, "/echo") as talk:
        talk.receive()
        events.ask("/events")
        events.until(b"data: 1\n\n")
        never.ask("/never")
        assert server.said() == "parked never"
        half.send(b"GET /text HTT")
        stuck.ask("/large")
        stuck.until(b"\r\n\r\n")
        assert server.end() == (0, [])
        assert events.rest() == never.rest() == half.rest() == b""


def test_connections_that_come_and_go_leave_nothing(build):
    with served(build) as server:
        for i in range(300):
            with Raw(server.address) as connection:
                if i % 3:
                    connection.ask("/text" if i % 2 else "/never")
        assert wait_for(lambda: get(server.address, "/text")[0] == 200)

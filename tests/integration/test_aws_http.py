"""HTTP as sdk/lib does it for providers: with servers that answer too much, too late, half or elsewhere."""

import os
import re
import socket
import threading
from pathlib import Path

import pytest
from aws_library import CANCELLED, INVALID, OK, TIMEOUT, UNAVAILABLE, Library, http, library, serve  # noqa: F401

HELD_MS = 20000  # whoever ends before did not wait for the deadline of a minute


def ask(library, url, method="GET", **more):  # noqa: F811
    return library.ask("http", method=method, url=url, **more)


def closed_port():
    """Of which nobody listens; a socket keeps it from others."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


@pytest.fixture
def canceller(build):
    """A library whose calls end when cancel() is called."""
    reading, writing = os.pipe()
    found = Library(build, descriptors=(reading,))
    found.descriptor, found.cancel = reading, lambda: os.write(writing, b"x")
    yield found
    found.close()
    os.close(reading)
    os.close(writing)


def test_an_answer_is_told_as_it_came(library, serve):  # noqa: F811
    server = serve(lambda request, n: b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + http(
        404, "not\0here", "Date: Mon, 23 Nov 2026 10:00:00 GMT", "x-thing:  a value ", "Retry-After: 7"))
    found = ask(library, server.url + "/a/../b?q=1", "POST", headers=["A: b", "Content-Type: text/x"], body="sent")
    assert (found["result"], found["status"], found["len"]) == (OK, 404, 8)
    assert (found["date"], found["retry_after_ms"]) == (1795428000, 7000)
    assert "x-thing:  a value \n" in found["headers"] and "X-Early" not in found["headers"]
    request, = server.requests
    assert (request.line, request.body) == ("POST /a/../b?q=1 HTTP/1.1", "sent")
    assert request.headers["user-agent"] == "flotilla-test" and request.headers["content-type"] == "text/x"
    assert "expect" not in request.headers


@pytest.mark.parametrize("method,length", [("PUT", "0"), ("POST", "0"), ("GET", None), ("HEAD", None)])
def test_a_request_without_a_body_says_so(library, serve, method, length):  # noqa: F811
    server = serve(lambda request, n: http(200))
    assert ask(library, server.url, method)["result"] == OK
    assert server.requests[0].line == f"{method} / HTTP/1.1"
    assert server.requests[0].headers.get("content-length") == length
    assert "content-type" not in server.requests[0].headers


def test_a_wait_that_is_asked_for_has_its_limits(library, serve):  # noqa: F811
    waits = iter(["99999999999", "-5", "soon", "0"])
    server = serve(lambda request, n: http(503, "", f"Retry-After: {next(waits)}"))
    assert [ask(library, server.url)["retry_after_ms"] for _ in range(4)] == [600000, 0, 0, 0]
    assert ask(library, serve(lambda request, n: http(503)).url)["retry_after_ms"] == -1


def test_connections_are_kept(library, serve):  # noqa: F811
    server = serve(lambda request, n: http(200, "x" * 100000))
    for _ in range(3):
        assert ask(library, server.url)["len"] == 100000
    assert len(server.requests) == 3 and len(server.connections) == 1


def test_no_redirect_is_followed(library, serve):  # noqa: F811
    other = serve(lambda request, n: http(200))
    server = serve(lambda request, n: http(302, "", f"Location: {other.url}"))
    assert ask(library, server.url)["status"] == 302
    assert not other.requests


def test_an_answer_that_is_too_long_is_dropped(library, serve):  # noqa: F811
    server = serve(lambda request, n: http(200, "x" * 1001))
    assert ask(library, server.url, max_bytes=1001)["result"] == OK
    found = ask(library, server.url, max_bytes=1000)
    assert (found["result"], found["body"], found["sent"]) == (UNAVAILABLE, None, 1)
    assert found["error"] == f"GET {server.url}/: the answer's body has more than 1000 bytes"


def test_headers_that_are_too_long_are_dropped(library, serve):  # noqa: F811
    server = serve(lambda request, n: http(200, "", *(f"X-{number}: {'y' * 1000}" for number in range(70))))
    found = ask(library, server.url)
    assert found["result"] == UNAVAILABLE and "headers have more than 65536 bytes" in found["error"]


@pytest.mark.parametrize("answer", [
    b"", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
], ids=["nothing", "a line", "half a body", "half a chunk", "a NUL", "another protocol"])
def test_an_answer_that_breaks_off_or_is_none_is_no_answer(library, serve, answer):  # noqa: F811
    def send(request, n):
        request.connection.sendall(answer)
        request.connection.shutdown(socket.SHUT_RDWR)

    server = serve(send)
    found = ask(library, server.url)
    assert (found["result"], found["sent"], found["body"]) == (UNAVAILABLE, 1, None)
    assert found["error"].startswith(f"GET {server.url}/: ")


def drip(request, ended):
    request.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not ended.wait(0.05):
        request.connection.sendall(b"x")


def test_a_slow_body_ends_at_the_deadline(library, serve):  # noqa: F811
    ended = threading.Event()
    server = serve(lambda request, n: drip(request, ended))
    for limit in ({"deadline_ms": 500}, {"timeout_ms": 500}):
        found = ask(library, server.url, **limit)
        assert (found["result"], found["sent"]) == (TIMEOUT, 1)
        assert 500 <= found["took_ms"] < HELD_MS
        assert "no complete answer in time" in found["error"]
    ended.set()


def test_whoever_cancels_is_not_held_up(canceller, serve):  # noqa: F811
    ended = threading.Event()

    def hold(request, n):
        canceller.cancel()
        drip(request, ended)

    found = ask(canceller, serve(hold).url, cancel_fd=canceller.descriptor)
    assert found["result"] == CANCELLED and found["took_ms"] < HELD_MS
    ended.set()
    again = ask(canceller, serve(lambda request, n: http(200)).url, cancel_fd=canceller.descriptor)
    assert (again["result"], again["sent"]) == (CANCELLED, 0)


def test_a_name_server_that_does_not_answer_holds_nobody_up(library):  # noqa: F811
    found = ask(library, "http://unanswered.example/", deadline_ms=300)
    assert (found["result"], found["sent"]) == (TIMEOUT, 0) and 300 <= found["took_ms"] < HELD_MS
    found = ask(library, "http://unanswered.example/", connect_ms=300)
    assert (found["result"], found["sent"]) == (UNAVAILABLE, 0) and found["took_ms"] < HELD_MS


def test_connections_are_not_inherited(library, serve):  # noqa: F811
    flags = []

    def look(request, n):
        folder = Path(f"/proc/{library.process.pid}")
        inodes = {line.split()[9] for line in (folder / "net" / "tcp").read_text().splitlines()[1:]}
        for descriptor in (folder / "fd").iterdir():
            if os.readlink(descriptor).strip("socket:[]") in inodes:
                lines = (folder / "fdinfo" / descriptor.name).read_text().splitlines()
                flags.append(int(next(line.split()[1] for line in lines if line.startswith("flags:")), 8))
        return http(200)

    assert ask(library, serve(look).url)["result"] == OK
    assert flags and all(flag & os.O_CLOEXEC for flag in flags)


def test_who_cannot_be_reached_has_heard_of_nothing(library):  # noqa: F811
    with closed_port() as held:
        found = ask(library, f"http://127.0.0.1:{held.getsockname()[1]}/path?token=secret", "POST",
                    headers=["Authorization: secret"], body="secret")
    assert (found["result"], found["sent"]) == (UNAVAILABLE, 0)
    assert re.match(r"POST http://127\.0\.0\.1:\d+/path: ", found["error"]) and "secret" not in found["error"]


@pytest.mark.parametrize("url", ["", "host/path", "file:///etc/passwd", "ftp://host/", "http://", "http://user:secret@127.0.0.1/",
                                 "http://127.0.0.1:99999/", "gopher://127.0.0.1/"])
def test_urls_of_another_form_are_refused(library, url):  # noqa: F811
    found = ask(library, url)
    assert (found["result"], found["sent"]) == (INVALID, 0)
    assert "is not of the form http(s)://host/path" in found["error"] and "secret" not in found["error"]


@pytest.mark.parametrize("value", ["secret\r\nX-Another: 1", "secret\n", "secret\r"])
def test_a_value_cannot_add_a_header(library, serve, value):  # noqa: F811
    server = serve(lambda request, n: http(200))
    found = ask(library, server.url, headers=["Accept: */*", f"X-Token: {value}"])
    assert (found["result"], found["error"]) == (INVALID, f"GET {server.url}/: the value of X-Token has a line break")
    assert not server.requests


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_is_used_but_for_what_goes_directly(build, serve, variable):  # noqa: F811
    proxy, server = serve(lambda request, n: http(200, "proxy")), serve(lambda request, n: http(200, "server"))
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    behind = Library(build, environment={**environment, variable: proxy.url})
    assert ask(behind, server.url + "/x")["body"] == "proxy"
    assert proxy.requests[0].line == f"GET {server.url}/x HTTP/1.1"
    assert ask(behind, server.url + "/x", direct=1)["body"] == "server"
    behind.close()


def test_a_certificate_has_to_be_that_of_somebody_trusted(library, serve, folder):  # noqa: F811
    server = serve(lambda request, n: http(200, "safe"))
    path = server.use_tls(folder)
    found = ask(library, server.url)
    assert (found["result"], found["sent"]) == (UNAVAILABLE, 0) and "certificate" in found["error"]
    assert ask(library, server.url.replace("127.0.0.1", "localhost"), ca_file=str(path))["result"] == UNAVAILABLE
    assert not server.requests
    assert ask(library, server.url, ca_file=str(path))["body"] == "safe"

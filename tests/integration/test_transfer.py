"""core/transfer against a real server: artifacts up and down, objects of a store; job-execution.md 5.5, 5.6, 6.3, 6.4,
coordinator-protocol.md 1.1, 1.11, 1.12. One call of the library is one try: who tries again is its caller."""

import json
import os
import re
import subprocess
import threading
import time

import pytest
from checker.certificates import make_certificate
from recorder import Answer, Recorder, parts_of

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def carry(build, folder):
    def run(do, environment=None, **settings):
        file = folder / "body"
        if "content" in settings:
            file.write_bytes(settings.pop("content"))
        else:
            file.unlink(missing_ok=True)
        order = {"do": do, "file": str(file), "token": "JT", "file_name": "artifacts.zip", **settings}
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        done = subprocess.run([build / "tests/integration/carry", json.dumps(order)], capture_output=True, text=True,
                              env={**clean, "FLOTILLA_LIMITS": "transfer_pause=0", **(environment or {})}, timeout=120)
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout)
        outcome["stderr"] = done.stderr
        outcome["content"] = file.read_bytes() if file.exists() else None
        return outcome

    return run


def test_coordinator_V20_an_upload_is_a_form_with_one_file(carry):
    with Recorder(Answer(201, headers={"X-Request-Id": "abc"})) as gitlab:
        outcome = carry("upload", url=gitlab.url + "/sub/ci/", job=42, content=CONTENT, format="zip", type="archive",
                        expire_in="1 week")
    assert outcome["result"] == "ok" and outcome["bytes"] == len(CONTENT)
    assert (outcome["status_line"], outcome["request_id"]) == ("201 Created", "abc")
    [request] = gitlab.requests
    assert request.method == "POST"
    assert request.path == ("/sub/api/v4/jobs/42/artifacts?artifact_format=zip&artifact_type=archive"
                            "&expire_in=1%20week")
    assert request.headers["job-token"] == "JT"
    assert re.fullmatch("[0-9a-f]{32}", request.headers["x-request-id"])
    assert request.headers["transfer-encoding"] == "chunked" and "expect" not in request.headers
    [part] = parts_of(request)
    assert part.get_param("name", header="content-disposition") == "file"
    assert part.get_filename() == "artifacts.zip"
    assert part.get_payload(decode=True) == CONTENT


def test_who_looks_for_a_fault_sees_the_answer(carry):
    with Recorder(Answer(400, b"why", {"X-What": "this"})) as gitlab:
        for debug in False, True:
            shown = carry("upload", url=gitlab.url, content=b"x", debug=debug)["stderr"]
            assert (shown.startswith("HTTP/1.1 400 Bad Request"), "X-What: this" in shown,
                    shown.endswith("why")) == (debug,) * 3


def test_a_parameter_that_is_empty_is_left_out(carry):
    with Recorder(Answer(201)) as gitlab:
        carry("upload", url=gitlab.url, content=b"x", format="", type="junit")
    assert gitlab.requests[0].path == "/api/v4/jobs/1/artifacts?artifact_type=junit"


@pytest.mark.parametrize("status, result, message, requests", [
    (403, "denied", "permission denied", 1),
    (413, "too_large", "too large", 1),
    (503, "unavailable", "service unavailable", 5),
    (500, "retry", "received: 500 Internal Server Error", 5),
    (501, "retry", "received: 501 Not Implemented", 1),
    (400, "retry", "received: 400 Bad Request", 1),
    (200, "retry", "received: 200 OK", 1),
])
def test_coordinator_V20_what_an_answer_to_an_upload_means(carry, status, result, message, requests):
    with Recorder(Answer(status)) as gitlab:
        outcome = carry("upload", url=gitlab.url, content=CONTENT)
    assert (outcome["result"], outcome["status"], outcome["message"]) == (result, status, message)
    assert len(gitlab.requests) == requests
    assert all(parts_of(request)[0].get_payload(decode=True) == CONTENT for request in gitlab.requests)
    assert len({request.headers["x-request-id"] for request in gitlab.requests}) == 1


def test_a_source_that_cannot_begin_again_is_sent_once(carry):
    with Recorder(Answer(503)) as gitlab:
        assert carry("upload", url=gitlab.url, content=CONTENT, once=True)["result"] == "unavailable"
    assert len(gitlab.requests) == 1


def test_an_upload_that_is_given_up_is_never_whole(carry):
    with Recorder(Answer(201)) as gitlab:
        outcome = carry("upload", url=gitlab.url, content=CONTENT, give_up_at=100000)
        assert outcome["result"] == "failed"
    assert not any(request.whole for request in gitlab.requests)


@pytest.mark.parametrize("location, result, base", [
    ("{own}/other/api/v4/jobs/1/artifacts?x=1", "moved", "{own}/other"),
    ("{own}/elsewhere", "moved", "{own}"),
    ("/api/v4/jobs/1/artifacts", "moved", "{own}"),
    ("http://127.0.0.2:9/api/v4/jobs/1/artifacts", "failed", ""),
    ("file:///etc/passwd", "failed", ""),
])
def test_hardening_N9_an_upload_moves_within_its_host_alone(carry, location, result, base):
    with Recorder() as gitlab:
        gitlab.answers = [Answer(307, headers={"Location": location.format(own=gitlab.url)})]
        outcome = carry("upload", url=gitlab.url, content=b"x")
    assert (outcome["result"], outcome["base_url"]) == (result, base.format(own=gitlab.url))
    assert len(gitlab.requests) == 1


def test_coordinator_V20_a_download(carry):
    with Recorder(Answer(200, CONTENT, {"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"})) as gitlab:
        outcome = carry("download", url=gitlab.url, job=41)
    assert outcome["result"] == "ok" and outcome["content"] == CONTENT
    assert (outcome["told_size"], outcome["told_modified"]) == (len(CONTENT), 1700000000)
    assert [request.path for request in gitlab.requests] == ["/api/v4/jobs/41/artifacts"]
    assert gitlab.requests[0].headers["job-token"] == "JT"


@pytest.mark.parametrize("status, result, message, requests", [
    (404, "not_found", "file does not exist", 1),
    (401, "denied", "permission denied", 1),
    (403, "denied", "permission denied", 1),
    (500, "retry", "received: 500 Internal Server Error", 5),
    (429, "retry", "received: 429 Too Many Requests", 5),
    (400, "retry", "received: 400 Bad Request", 1),
])
def test_coordinator_V20_what_an_answer_to_a_download_means(carry, status, result, message, requests):
    with Recorder(Answer(status, b"no archive")) as gitlab:
        outcome = carry("download", url=gitlab.url)
    assert (outcome["result"], outcome["message"], outcome["content"]) == (result, message, b"")
    assert len(gitlab.requests) == requests


def test_coordinator_V20_a_direct_download_costs_one_request_and_its_redirect(carry):
    with Recorder(Answer(200, CONTENT)) as store, Recorder(Answer(500), Answer(302)) as gitlab:
        assert carry("download", url=gitlab.url, direct=True)["result"] == "retry"
        assert len(gitlab.requests) == 1
        gitlab.answers = [Answer(302, headers={"Location": store.url + "/x?sig=1"})]
        outcome = carry("download", url=gitlab.url, direct=True)
        assert (outcome["content"], outcome["host"]) == (CONTENT, f"127.0.0.1:{store.port}")
    assert [request.path for request in gitlab.requests] == ["/api/v4/jobs/1/artifacts?direct_download=true"] * 2
    assert [request.path for request in store.requests] == ["/x?sig=1"]


def test_hardening_38_another_origin_gets_no_token(carry):
    """Not even the first one, once a redirect came back from elsewhere."""
    with Recorder() as store, Recorder() as gitlab:
        gitlab.answers = [Answer(302, headers={"Location": "/same"}),
                          Answer(307, headers={"Location": store.url + "/away"}), Answer(200, CONTENT)]
        store.answers = [Answer(302, headers={"Location": gitlab.url + "/back"})]
        assert carry("download", url=gitlab.url)["content"] == CONTENT
    assert ["job-token" in request.headers for request in gitlab.requests] == [True, True, False]
    assert not {"job-token", "x-request-id"} & set(store.requests[0].headers)


def test_hardening_38_a_loop_ends_at_five(carry):
    with Recorder(Answer(302, headers={"Location": "/again"})) as gitlab:
        outcome = carry("download", url=gitlab.url)
    assert (outcome["result"], outcome["message"]) == ("failed", "redirected more than 5 times")
    assert len(gitlab.requests) == 6


@pytest.mark.parametrize("location, message", [
    ("file:///etc/passwd", "redirected to another protocol than HTTP, which is refused"),
    ("ftp://127.0.0.1/x", "redirected to another protocol than HTTP, which is refused"),
    ("http://me:secret@127.0.0.1/x", "redirected to something that is no URL"),
    ("http://", "redirected to something that is no URL"),
])
def test_hardening_38_other_places_are_refused(carry, location, message):
    with Recorder(Answer(302, headers={"Location": location})) as gitlab:
        outcome = carry("download", url=gitlab.url)
    assert (outcome["result"], outcome["message"], outcome["content"]) == ("failed", message, b"")
    assert len(gitlab.requests) == 1


def test_hardening_38_https_does_not_become_http(carry, folder):
    certificate = make_certificate(folder)
    with Recorder(Answer(200, CONTENT)) as plain, Recorder(certificate=certificate) as gitlab:
        gitlab.answers = [Answer(302, headers={"Location": plain.url})]
        outcome = carry("download", url=gitlab.url, ca_file=str(certificate[0]))
    assert outcome["message"] == "redirected from https to http, which is refused"
    assert not plain.requests


def test_a_download_that_is_cut_is_tried_again(carry):
    with Recorder(Answer(200, CONTENT, length=len(CONTENT) + 1)) as gitlab:
        assert carry("download", url=gitlab.url)["result"] == "retry"
    assert len(gitlab.requests) == 1  # by the caller: the attempts are for answers


def test_a_sink_that_fails_ends_the_exchange(carry):
    with Recorder(Answer(200, CONTENT)) as gitlab:
        assert carry("download", url=gitlab.url, give_up_at=1000)["result"] == "failed"


def test_nobody_answers(carry):
    with Recorder(Answer(hang_up=True)) as gitlab:
        for do in "upload", "download", "get", "put":
            outcome = carry(do, url=gitlab.url, content=b"x", size=1)
            assert (outcome["result"], outcome["status"]) == ("retry", 0) and outcome["message"]
    assert len(gitlab.requests) == 4
    assert carry("download", url=gitlab.url)["result"] == "retry"  # it is closed now


def test_hardening_N10_silence_ends_an_exchange(carry):
    """Before the answer and in it; the server waits until the client has gone."""
    gone = threading.Event()
    with Recorder(Answer(201, hold=gone), Answer(200, b"x" * 10, length=20, hold_after=gone)) as gitlab:
        try:
            outcome = carry("upload", url=gitlab.url, content=b"x", response_timeout_ms=1000)
            assert (outcome["result"], outcome["message"]) == ("retry", "no answer within 1 s")
            outcome = carry("get", {"FLOTILLA_LIMITS": "transfer_silence=1000"}, url=gitlab.url)
            assert (outcome["result"], outcome["message"]) == ("retry", "nothing came or went for 1 s")
        finally:
            gone.set()


def test_an_answer_may_come_before_the_end_of_the_upload(carry):
    with Recorder(Answer(413, early=True)) as gitlab:
        outcome = carry("upload", url=gitlab.url, content=CONTENT * 20, once=True)
    assert (outcome["result"], outcome["message"]) == ("too_large", "too large")


def test_coordinator_V5_the_server_says_when_to_ask_again(carry):
    with Recorder(Answer(429, headers={"Retry-After": "1"}), Answer(200, CONTENT)) as gitlab:
        began = time.monotonic()
        assert carry("download", {"FLOTILLA_LIMITS": ""}, url=gitlab.url)["result"] == "ok"
        assert time.monotonic() - began >= 1  # its own pause is a tenth of that


def test_hardening_N10_an_error_page_without_end_is_not_read(carry):
    gone = threading.Event()
    with Recorder(Answer(404, b"x" * 1_000_000, length=10 ** 12, hold_after=gone)) as gitlab:
        try:
            assert carry("download", url=gitlab.url)["result"] == "not_found"
            assert carry("get", url=gitlab.url)["result"] == "not_found"
        finally:
            gone.set()


def test_hardening_N8_whom_it_trusts(carry, folder):
    certificate = make_certificate(folder)
    with Recorder(Answer(200, CONTENT), certificate=certificate) as gitlab:
        assert carry("download", url=gitlab.url)["result"] == "retry"
        assert carry("download", url=gitlab.url, ca_file=str(certificate[0]))["result"] == "ok"
        by_variable = {"SSL_CERT_FILE": str(certificate[0])}
        assert carry("download", by_variable, url=gitlab.url)["result"] == "ok"
        # Ours is added to the system's, which stays.
        (folder / "other").mkdir()
        other = make_certificate(folder / "other")
        assert carry("download", by_variable, url=gitlab.url, ca_file=str(other[0]))["result"] == "ok"
        assert carry("download", url=gitlab.url.replace("127.0.0.1", "localhost"),
                     ca_file=str(certificate[0]))["result"] == "retry"


@pytest.mark.parametrize("content, message", [
    (None, "tls-ca-file: "), ("no certificate", "holds no certificate in PEM"),
])
def test_a_bad_file_of_authorities_is_named(carry, folder, content, message):
    file = folder / "ca.pem"
    if content:
        file.write_text(content)
    outcome = carry("download", url="https://127.0.0.1:9", ca_file=str(file))
    assert outcome["result"] == "failed"
    assert message in outcome["message"] and str(file) in outcome["message"]


def test_a_client_certificate_is_shown_to_its_host_alone(carry, folder):
    certificate = make_certificate(folder)
    tls = {"ca_file": str(certificate[0]), "cert_file": str(certificate[0]), "key_file": str(certificate[1])}
    with Recorder(Answer(200, CONTENT), certificate=certificate, client_ca=certificate[0]) as gitlab:
        assert carry("download", url=gitlab.url, ca_file=str(certificate[0]))["result"] == "retry"
        assert carry("download", url=gitlab.url, **tls)["result"] == "ok"
        with Recorder(Answer(302, headers={"Location": gitlab.url}), certificate=certificate) as first:
            assert carry("download", url=first.url, **tls)["result"] == "retry"


def test_proxies_come_from_the_environment(carry):
    with Recorder(Answer(200, CONTENT)) as proxy:
        for name in "http_proxy", "HTTP_PROXY":
            assert carry("download", {name: proxy.url}, url="http://gitlab.invalid")["content"] == CONTENT
    assert [request.path for request in proxy.requests] == ["http://gitlab.invalid/api/v4/jobs/1/artifacts"] * 2


def test_an_object_is_put(carry):
    with Recorder(Answer(200)) as store:
        outcome = carry("put", url=store.url + "/b/o?sig=1", content=CONTENT, size=len(CONTENT), modified=1700000000,
                        headers=["Host: other", "x-amz-meta-cachekey: k"])
    assert (outcome["result"], outcome["bytes"]) == ("ok", len(CONTENT))
    [request] = store.requests
    assert (request.method, request.path, request.body) == ("PUT", "/b/o?sig=1", CONTENT)
    assert request.headers["host"] == f"127.0.0.1:{store.port}"
    assert request.headers["content-length"] == str(len(CONTENT))
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert request.headers["x-amz-meta-cachekey"] == "k"
    assert not {"expect", "transfer-encoding", "job-token"} & set(request.headers)


def test_the_type_of_an_object_may_be_given(carry):
    with Recorder(Answer(200)) as store:
        carry("put", url=store.url, content=b"x", size=1, headers=["content-type: text/plain"])
    assert store.requests[0].headers["content-type"] == "text/plain"
    assert "last-modified" not in store.requests[0].headers


def test_a_source_that_ends_early_is_no_object(carry):
    with Recorder(Answer(200)) as store:
        assert carry("put", url=store.url, content=b"short", size=10)["result"] == "failed"
    assert not any(request.whole for request in store.requests)


@pytest.mark.parametrize("status, body, result, message", [
    (404, b"", "not_found", "file does not exist"),
    (403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Not \x1byou</Message></Error>", "denied",
     r"received: 403 Forbidden (AccessDenied: Not \x1byou)"),
    (400, b"", "failed", "received: 400 Bad Request"),
    (500, b"<Error><Code>SlowDown</Code></Error>", "retry", "received: 500 Internal Server Error (SlowDown: )"),
])
def test_what_a_store_answers(carry, status, body, result, message):
    with Recorder(Answer(status, body)) as store:
        for do in "get", "put":
            outcome = carry(do, url=store.url, content=b"x", size=1)
            assert (outcome["result"], outcome["message"]) == (result, message)
        assert carry("head", url=store.url)["result"] == result
    assert len(store.requests) == 3


def test_an_object_is_got(carry):
    with Recorder(Answer(200, CONTENT, {"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"})) as store:
        outcome = carry("get", url=store.url)
        assert (outcome["result"], outcome["content"], outcome["modified"]) == ("ok", CONTENT, 1700000000)
        head = carry("head", url=store.url)
        assert (head["result"], head["modified"]) == ("ok", 1700000000)
        outcome = carry("get", url=store.url, unwanted=True)
        assert (outcome["result"], outcome["content"]) == ("ok", b"")
        assert (outcome["told_size"], outcome["told_modified"]) == (len(CONTENT), 1700000000)


def test_an_empty_object_is_told_of_all_the_same(carry):
    with Recorder(Answer(200, b"")) as store:
        outcome = carry("get", url=store.url)
    assert (outcome["result"], outcome["told_size"], outcome["content"]) == ("ok", 0, b"")

"""The embedded coordinator of `flotilla exec`, driven with plain HTTP as the protocol page says, without any of flotilla's
own client code. A test that plays one of the page's vectors names it; the others are about the runner, or about what this
server never does: V4 to V6, V9, V11, V16 and V18 are answers of a server in trouble or under load, V13 a cancel that lets
after_script run, which nobody can ask for here."""

import base64
import contextlib
import gzip
import http.client
import json
import os
import queue
import socket
import subprocess
import threading
import time
import zlib

import pytest

from checker.run import PATIENCE, wait_for

TOKEN = "glrt-t1_k9XyZ012345abcdefgh"
FILE = """
stages: [build, test]
one: {stage: build, script: make}
two: {stage: test, script: make check}
"""
BOUNDARY = "5b0e1c7f9a"
ARTIFACT_MAX = 4096  # of serve_ci
RIGHT = object()  # a token that is the right one
A, B, C = b"123456789\n", b"987654321\n", b"abcdefghi\n"


class Client:
    """A runner by the protocol page alone, at the coordinator of `host`."""

    def __init__(self, host, token=TOKEN):
        self.host, self.token = host, token

    def call(self, method, path, body=b"", headers=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, "/api/v4/" + path, data, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def request(self, token=None, header=RIGHT, timeout=PATIENCE, **more):
        """`header` None sends none."""
        token = self.token if token is None else token
        header = self.token if header is RIGHT else header
        headers = {"Content-Type": "application/json", **({} if header is None else {"RUNNER-TOKEN": header})}
        return self.call("POST", "jobs/request", {"token": token, "info": {}, **more}, headers, timeout)

    def put(self, job, token=None, **body):
        token = token or job["token"]
        return self.call("PUT", f"jobs/{job['id']}", {"token": token, "info": {}, **body},
                         {"JOB-TOKEN": token, "Content-Type": "application/json"})

    def patch(self, job, first, data, token=None, content_range=None):
        return self.call("PATCH", f"jobs/{job['id']}/trace?debug_trace=false", data,
                         {"JOB-TOKEN": token or job["token"], "Content-Type": "text/plain",
                          **({"Content-Range": content_range} if content_range is not None else
                             {"Content-Range": f"{first}-{first + len(data) - 1}"})})

    def end(self, job, log, state="success", **more):
        checksum = f"crc32:{zlib.crc32(log):08x}"
        output = {"checksum": checksum, **({"bytesize": len(log)} if log else {})}
        return self.put(job, state=state, checksum=checksum, output=output, **more)


    def upload(self, job, data, name="artifacts.zip", token=None, query="artifact_format=zip&artifact_type=archive"):
        body = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.post(job, body, token, query)

    def post(self, job, body, token=None, query=""):
        return self.call("POST", f"jobs/{job['id']}/artifacts?{query}", body,
                         {"JOB-TOKEN": token or job["token"],
                          "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def download(self, job, token=None):
        return self.call("GET", f"jobs/{job['id']}/artifacts?direct_download=true",
                         headers={"JOB-TOKEN": token or job["token"]})


class Server(Client):
    """serve_ci, and what it tells."""

    def __init__(self, build, folder, text=FILE, repository=None):
        (folder / "ci.yml").write_text(text)
        self.process = subprocess.Popen([build / "tests" / "integration" / "serve_ci", folder / "ci.yml", TOKEN,
                                         folder / "artifacts", *([repository] if repository else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        host = self.process.stdout.readline().strip().removeprefix("http://")
        assert host, "serve_ci did not start"
        super().__init__(host)
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def event(self):
        return self.events.get(timeout=PATIENCE)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def take(self):
        """The next job, given out and acknowledged."""
        answer = self.request()
        assert answer.status == 201
        job = json.loads(answer.body)
        assert self.event() == {"event": "given", "job": job["id"]}
        assert self.put(job, state="running", output={}).status == 200
        assert self.event() == {"event": "running", "job": job["id"]}
        return job


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


@pytest.fixture
def server(build, folder):
    server = Server(build, folder)
    yield server
    server.stop()


def test_a_job_goes_from_request_to_final_state(server):
    job = server.take()
    assert job["job_info"]["name"] == "one"
    answer = server.patch(job, 0, A)
    assert (answer.status, answer.headers["Range"], answer.headers["Job-Status"]) == (202, "0-10", "running")
    assert int(answer.headers["X-GitLab-Trace-Update-Interval"]) > 0
    assert server.event() == {"event": "trace", "job": 1, "text": A.decode()}
    assert server.patch(job, 10, B).headers["Range"] == "0-20"
    assert server.event()["text"] == B.decode()
    assert server.end(job, A + B).status == 200
    assert server.event() == {"event": "final", "job": 1, "state": "passed"}


def test_the_payload_is_json_and_says_so(server):
    answer = server.request()
    assert answer.headers.get_content_type() == "application/json"
    job = json.loads(answer.body)
    assert job["steps"][0]["script"] == ["make"]
    assert {"key": "CI_JOB_TOKEN", "value": job["token"], "public": False, "masked": True,
            "raw": True} in job["variables"]


def test_the_second_stage_waits_and_the_pipeline_ends(server):
    one = server.take()
    assert server.request().status == 204
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    two = server.take()
    assert two["job_info"]["name"] == "two"
    assert server.end(two, b"", state="failed", failure_reason="script_failure", exit_code=2).status == 200
    assert server.event() == {"event": "final", "job": 2, "state": "failed"}
    assert server.event() == {"event": "done", "job": 0, "passed": False}


def test_a_first_poll_is_answered_at_once_and_one_that_has_seen_the_queue_waits(server):
    one = server.take()
    cursor = server.request().headers["X-GitLab-Last-Update"]
    assert cursor
    answers = queue.Queue()
    waiting = threading.Thread(target=lambda: answers.put(server.request(last_update=cursor, timeout=60)))
    waiting.start()
    with pytest.raises(queue.Empty):
        answers.get(timeout=1)
    began = time.monotonic()
    assert server.end(one, b"").status == 200
    answer = answers.get(timeout=PATIENCE)
    assert time.monotonic() - began < 20, "a job that became ready has to be given out at once"
    assert answer.status == 201
    assert json.loads(answer.body)["job_info"]["name"] == "two"
    assert answer.headers["X-GitLab-Last-Update"] != cursor
    waiting.join()


def test_a_waiting_request_is_answered_while_nothing_else_happens(server):
    """The answer must not need another event: the connection that ends the first job stays open and silent."""
    one = server.take()
    cursor = server.request().headers["X-GitLab-Last-Update"]
    answers = queue.Queue()
    waiting = threading.Thread(target=lambda: answers.put(server.request(last_update=cursor, timeout=60)))
    waiting.start()
    with pytest.raises(queue.Empty):
        answers.get(timeout=0.3)
    connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
    connection.request("PUT", "/api/v4/jobs/1", json.dumps({"token": one["token"], "state": "success", "output": {}}))
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answers.get(timeout=20).status == 201
    waiting.join()
    connection.close()


def test_several_waiting_requests_get_one_job_each(build, folder):
    server = Server(build, folder, "stages: [build, test]\nz: {stage: build, script: x}\n" +
                    "".join(f"t{i}: {{stage: test, script: x}}\n" for i in range(3)))
    first = server.take()
    cursor = server.request().headers["X-GitLab-Last-Update"]
    answers = queue.Queue()
    threads = [threading.Thread(target=lambda: answers.put(server.request(last_update=cursor, timeout=60)))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    # All three are parked, or will be before the end of the first job is told by a fourth connection.
    time.sleep(0.3)
    assert server.end(first, b"").status == 200
    names = sorted(json.loads(answers.get(timeout=PATIENCE).body)["job_info"]["name"] for _ in threads)
    assert names == ["t0", "t1", "t2"]
    server.stop()


@pytest.mark.parametrize("body, header", [("glrt-wrong", TOKEN), (TOKEN, "glrt-wrong"), ("", ""), (TOKEN[:-1], TOKEN),
                                          ("glrt-wrong", None), (TOKEN, "")])
def test_a_wrong_runner_token_is_refused(server, body, header):
    assert server.request(token=body, header=header).status == 403


def test_the_body_is_enough_to_name_the_runner(server):
    assert server.request(header=None).status == 201


def test_verify_tells_good_from_bad_tokens(server):
    good = server.call("POST", "runners/verify", {"token": TOKEN, "info": {}}, {"RUNNER-TOKEN": TOKEN})
    assert good.status == 200 and json.loads(good.body)["id"] > 0
    assert server.call("POST", "runners/verify", {"token": "x"}, {"RUNNER-TOKEN": "x"}).status == 403


def test_a_final_state_before_the_acknowledgement_is_refused(server):
    job = json.loads(server.request().body)
    assert server.end(job, b"").status == 400
    assert server.patch(job, 0, A).status == 403
    assert server.put(job, state="running", output={}).status == 200
    assert server.end(job, b"").status == 200


def test_a_wrong_job_token_and_an_ended_job_are_refused(server):
    job = server.take()
    assert server.put(job, token="glcbt-wrong", state="running").status == 403
    assert server.patch(job, 0, A, token="glcbt-wrong").status == 403
    assert server.end(job, b"").status == 200
    assert server.put(job, state="running").status == 403
    assert server.patch(job, 0, A).status == 403
    assert server.end({"id": 4711, "token": job["token"]}, b"").status == 403


def test_a_range_that_does_not_fit_is_answered_with_what_is_there(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    for first, data in [(20, C), (0, A), (0, A + B), (5, B), (11, B)]:
        answer = server.patch(job, first, data)
        assert (answer.status, answer.headers["Range"]) == (416, "0-10"), (first, data)
    assert server.patch(job, 10, B + C).headers["Range"] == "0-30"
    assert server.end(job, A + B + C).status == 200
    texts = []
    while (event := server.event())["event"] == "trace":
        texts.append(event["text"])
    assert "".join(texts).encode() == A + B + C


@pytest.mark.parametrize("content_range", ["", "x-y", "0", "0-", "-9", "0-8", "0-10", "bytes=0-9", "9-0",
                                           "0-99999999999999999999"])
def test_a_range_that_is_none_or_does_not_match_the_body_is_refused(server, content_range):
    job = server.take()
    assert server.patch(job, 0, A, content_range=content_range).status == 400
    assert server.patch(job, 0, A).status == 202


def test_a_megabyte_fits_into_one_patch(server):
    job = server.take()
    data = b"0123456789abcde\n" * 65536
    assert server.patch(job, 0, data).headers["Range"] == f"0-{len(data)}"
    assert server.end(job, data).status == 200


def test_a_log_that_differs_is_asked_for_again(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    assert server.end(job, A + B).status == 412
    assert server.patch(job, 0, A + B).status == 202
    assert server.end(job, A + B).status == 200
    assert server.event()["text"] == A.decode()


def test_the_checksum_counts_and_not_the_size_alone(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    assert server.end(job, B).status == 412


def test_a_keep_alive_changes_nothing(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    answer = server.put(job, state="running", output={"checksum": "crc32:e0117757", "bytesize": 10})
    assert (answer.status, answer.headers["Job-Status"]) == (200, "running")
    assert server.end(job, A).status == 200


def test_a_canceled_job_is_told_so(server):
    job = server.take()
    server.process.stdin.write(f"cancel {job['id']}\n")
    server.process.stdin.flush()
    assert server.event() == {"event": "canceled", "job": job["id"]}
    assert server.patch(job, 0, A).headers["Job-Status"] == "canceled"
    assert server.put(job, state="running").headers["Job-Status"] == "canceled"


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "", b"", 404), ("POST", "jobs/request", b"{", 400), ("POST", "jobs/request", b"[]", 400),
    ("PUT", "jobs/x", b"{}", 403), ("PUT", "jobs/99999999999999999999", b"{}", 403),
    ("POST", "jobs/1/artifacts", b"{}", 403),
])
def test_what_is_no_call_is_an_error_and_the_server_lives_on(server, method, path, body, status):
    if method == "GET":
        connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
        connection.request(method, "/")
        assert connection.getresponse().status == status
        connection.close()
    else:
        assert server.call(method, path, body).status == status
    assert server.request().status == 201


def test_a_client_that_leaves_while_it_waits_takes_no_job_along(server):
    one = server.take()
    cursor = server.request().headers["X-GitLab-Last-Update"]
    with pytest.raises(TimeoutError):
        server.request(last_update=cursor, timeout=0.5)
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    assert server.request(last_update=cursor).status == 201


INFO = {"name": "flotilla", "version": "0.1.0", "features": {"trace_reset": True}, "config": {"gpus": ""}}


def test_coordinator_V1_an_empty_poll_gives_a_cursor_that_is_echoed(server):
    server.take()
    first = server.request(info=INFO, system_id="s_0123456789ab")
    assert (first.status, first.body) == (204, b"")
    cursor = first.headers["X-GitLab-Last-Update"]
    with pytest.raises(TimeoutError):
        server.request(info=INFO, last_update=cursor, timeout=0.5)
    assert server.request(info=INFO, last_update="of another time").headers["X-GitLab-Last-Update"] == cursor


def test_coordinator_V2_the_answers_of_a_whole_job(server):
    answer = server.request()
    job = json.loads(answer.body)
    assert job["job_info"]["stage"] == "build" and job["git_info"]["ref_type"] == "branch"
    assert {"unknown_failure", "script_failure", "runner_system_failure",
            "job_canceled"} <= set(job["features"]["failure_reasons"])
    started = server.put(job, state="running", output={})
    assert (started.status, started.headers["Job-Status"]) == (200, "running")
    assert server.patch(job, 0, A).headers["Range"] == "0-10"
    assert server.patch(job, 10, B).headers["Range"] == "0-20"
    ended = server.put(job, state="success", checksum="crc32:396acd88",
                       output={"checksum": "crc32:396acd88", "bytesize": 20})
    assert (ended.status, ended.body) == (200, b"")


def test_coordinator_V3_every_request_with_a_wrong_token_is_refused_and_takes_no_job(server):
    assert [server.request(token="glrt-wrong", header=None).status for _ in range(3)] == [403, 403, 403]
    assert server.request().status == 201


def test_coordinator_V7_a_job_that_is_not_there_is_not_acknowledged(server):
    assert server.put({"id": 42, "token": "glcbt-64_exampletoken"}, state="running", output={}).status == 403


def test_coordinator_V8_a_job_canceled_before_its_first_stage_is_told_at_the_acknowledgement(server):
    job = json.loads(server.request().body)
    server.event()
    server.process.stdin.write(f"cancel {job['id']}\n")
    server.process.stdin.flush()
    assert server.event()["event"] == "canceled"
    started = server.put(job, state="running", output={})
    assert (started.status, started.headers["Job-Status"]) == (200, "canceled")
    assert server.event()["event"] == "running"
    ended = server.put(job, state="failed", failure_reason="job_canceled", checksum="crc32:00000000",
                       output={"checksum": "crc32:00000000"})
    assert ended.status == 200
    assert server.event() == {"event": "final", "job": 1, "state": "canceled"}


def test_coordinator_V10_the_range_is_the_next_offset(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    short = server.patch(job, 20, C)
    assert (short.status, short.headers["Range"]) == (416, "0-10")
    assert server.patch(job, 10, B + C).status == 202


def test_coordinator_V12_a_patch_whose_answer_was_lost_is_stored_once(server):
    job = server.take()
    connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
    connection.request("PATCH", f"/api/v4/jobs/{job['id']}/trace", A,
                       {"JOB-TOKEN": job["token"], "Content-Type": "text/plain", "Content-Range": "0-9"})
    assert server.event()["text"] == A.decode()  # it is stored
    connection.close()
    for first, data in [(0, A + B), (0, A)]:
        again = server.patch(job, first, data)
        assert (again.status, again.headers["Range"]) == (416, "0-10")
    assert server.patch(job, 10, B).status == 202
    assert server.event()["text"] == B.decode()
    assert server.end(job, A + B).status == 200


def test_coordinator_V14_a_canceled_job_hears_of_it_in_every_answer_and_may_end(server):
    job = server.take()
    server.process.stdin.write(f"cancel {job['id']}\n")
    server.process.stdin.flush()
    assert server.event()["event"] == "canceled"
    patched = server.patch(job, 0, A)
    assert (patched.status, patched.headers["Job-Status"], patched.headers["Range"]) == (202, "canceled", "0-10")
    again = server.patch(job, 0, A)  # the runner's last flush, whose offset an abort did not advance
    assert (again.status, again.headers["Job-Status"]) == (416, "canceled")
    assert server.end(job, A, state="failed", failure_reason="job_canceled").status == 200


def test_coordinator_V15_a_quiet_job_is_kept_alive(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    for _ in range(2):
        kept = server.put(job, state="running", checksum="crc32:e0117757",
                          output={"checksum": "crc32:e0117757", "bytesize": 10})
        assert (kept.status, kept.headers["Job-Status"]) == (200, "running")


def test_coordinator_V17_a_rejected_log_is_sent_from_the_beginning(server):
    job = server.take()
    assert server.patch(job, 0, A).status == 202
    rejected = server.put(job, state="success", checksum="crc32:396acd88",
                          output={"checksum": "crc32:396acd88", "bytesize": 20})
    assert rejected.status == 412
    assert server.patch(job, 0, A + B).headers["Range"] == "0-20"
    assert server.put(job, state="success", checksum="crc32:396acd88",
                      output={"checksum": "crc32:396acd88", "bytesize": 20}).status == 200


def test_coordinator_V19_a_runner_is_verified_and_nothing_is_managed_here(server):
    verified = server.call("POST", "runners/verify", {"info": INFO, "token": TOKEN, "system_id": "s_0123456789ab"})
    answer = json.loads(verified.body)
    assert verified.status == 200 and answer["id"] > 0 and answer["token_expires_at"] is None
    assert server.call("POST", "runners", {"token": "bad", "info": INFO}).status == 404
    assert server.call("DELETE", "runners/managers", {"token": TOKEN}).status == 404


def test_coordinator_V21_the_checksum_of_nothing_and_of_known_texts(server):
    for log, checksum in [(b"hello\n", "crc32:363a3020"), (b"", "crc32:00000000")]:
        job = server.take()
        if log:
            assert server.patch(job, 0, log).status == 202
        assert server.put(job, state="success", output={"checksum": checksum, "bytesize": len(log)}).status == 200
        while server.event()["event"] != "final":
            pass


def kept(folder):
    return sorted(path.name for path in (folder / "artifacts").iterdir())


def test_coordinator_V20_an_archive_is_kept_and_handed_to_the_next_stage(server, folder):
    one = server.take()
    # Anything may be in it: the bytes of a boundary without its end, too.
    data = bytes(range(256)) * 8 + f"\r\n--{BOUNDARY[:-1]}".encode() + bytes(1000)
    assert server.upload(one, data).status == 201
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    two = server.take()
    dependency, = two["dependencies"]
    assert (dependency["id"], dependency["name"]) == (one["id"], "one")
    assert dependency["artifacts_file"] == {"filename": "artifacts.zip", "size": len(data)}
    answer = server.download(one, dependency["token"])
    assert (answer.status, answer.body) == (200, data)
    assert kept(folder) == ["1-archive.zip"]


def test_artifacts_of_nobody_and_of_others_are_refused(server, folder):
    one = server.take()
    assert server.upload(one, A, token="glcbt-wrong").status == 403
    assert server.upload(one, bytes(8 << 20), token="glcbt-wrong").status == 403, "it is told what is wrong, not how much"
    assert server.upload({"id": 77, "token": one["token"]}, A).status == 403
    assert server.download(one).status == 404
    assert server.upload(one, A).status == 201
    assert server.download(one, "glcbt-wrong").status == 403
    assert server.call("GET", "jobs/1/artifacts").status == 403
    assert server.call("DELETE", "jobs/1/artifacts", headers={"JOB-TOKEN": one["token"]}).status == 404
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    assert server.upload(one, B).status == 403, "the job has ended"
    assert server.download(one).body == A
    two = server.take()
    assert server.download(one, two["token"]).status == 403
    assert kept(folder) == ["1-archive.zip"]


def test_an_upload_that_is_too_large_or_no_form_is_refused_and_leaves_nothing(server, folder):
    one = server.take()
    assert server.upload(one, bytes(ARTIFACT_MAX)).status == 201
    assert server.upload(one, bytes(ARTIFACT_MAX + 1)).status == 413
    assert server.upload(one, bytes(8 << 20)).status == 413, "more than any other body may have"
    whole = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\ndata\r\n--{BOUNDARY}'
    for why, body in {"cut": whole[:-20], "no end": whole, "empty": "", "no file": whole.replace("file", "text") + "--\r\n",
                      "two files": whole + whole[whole.index("\r\n"):] + "--\r\n"}.items():
        assert server.post(one, body.encode()).status == 400, why
    assert server.call("POST", "jobs/1/artifacts", A, {"JOB-TOKEN": one["token"]}).status == 400, "no form at all"
    for query in ("artifact_type=trace", "artifact_type=..%2Fx", "artifact_type=archive&artifact_format=raw"):
        assert server.upload(one, A, query=query).status == 400, query
    assert server.download(one).body == bytes(ARTIFACT_MAX), "what was kept stays"
    assert kept(folder) == ["1-archive.zip"]


def test_the_name_of_an_upload_is_no_path(server, folder):
    one = server.take()
    for name in ("..", "/etc/outside", "x/../../outside", "../../../outside"):
        assert server.upload(one, A, name=name).status == 201
        assert kept(folder) == ["1-archive.zip"]
    assert not list(folder.rglob("*outside*"))
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    assert server.take()["dependencies"][0]["artifacts_file"]["filename"] == "outside"


def test_reports_are_kept_and_variables_of_a_dotenv_arrive(server, folder):
    one = server.take()
    dotenv = "artifact_format=gzip&artifact_type=dotenv"
    answer = server.upload(one, gzip.compress(b"# no\n"), ".env.gz", query=dotenv)
    assert (answer.status, json.loads(answer.body)["message"]) == (400, "dotenv: line 1 is not KEY=VALUE")
    assert server.upload(one, gzip.compress(b"A=1\nB=two $A\n"), ".env.gz", query=dotenv).status == 201
    assert server.upload(one, gzip.compress(b"<x/>"), "junit.xml.gz",
                         query="artifact_format=gzip&artifact_type=junit").status == 201
    assert server.end(one, b"").status == 200
    assert server.event()["event"] == "final"
    two = server.take()
    assert two["dependencies"] == []
    given = {variable["key"]: variable for variable in two["variables"]}
    assert (given["A"]["value"], given["B"]["value"], given["B"]["raw"]) == ("1", "two $A", False)
    assert kept(folder) == ["1-dotenv.gz", "1-junit.gz"]


def test_an_upload_that_breaks_off_leaves_nothing(server, folder):
    one = server.take()
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall((f"POST /api/v4/jobs/1/artifacts HTTP/1.1\r\nHost: x\r\nJOB-TOKEN: {one['token']}\r\n"
                            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 4000\r\n\r\n"
                            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nda').encode())
        assert wait_for(lambda: kept(folder) == [".upload-0"])
    assert wait_for(lambda: kept(folder) == [])
    assert server.upload(one, A).status == 201


def git(*words, check=True):
    return subprocess.run(["git", "-c", "credential.helper=", "-c", "init.defaultBranch=main", "-c", "user.name=t", "-c",
                           "user.email=t@localhost", *words], check=check, capture_output=True, text=True,
                          env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}, timeout=PATIENCE)


def test_a_running_job_fetches_the_repository_with_its_token_and_nobody_else_does(build, folder):
    work, bare = folder / "work", folder / "bare.git"
    git("init", "-q", work)
    (work / "one").write_text("1")
    git("-C", work, "add", "one")
    git("-C", work, "commit", "-qm", "first")
    git("clone", "-q", "--bare", work, bare)
    git("-C", bare, "repack", "-adq")
    git("-C", bare, "update-server-info")
    server = Server(build, folder, repository=bare)
    path = f"{server.host}/local/repository.git"
    job = server.take()
    git("clone", "-q", f"http://gitlab-ci-token:{job['token']}@{path}", folder / "clone")
    assert (folder / "clone/one").read_text() == "1"
    for login in ("", "gitlab-ci-token:glcbt-wrong@", f"somebody:{job['token']}@"):
        refused = git("clone", "-q", f"http://{login}{path}", folder / "refused", check=False)
        assert refused.returncode != 0
        assert "terminal prompts disabled" in refused.stderr or "Authentication failed" in refused.stderr
    login = base64.b64encode(f"gitlab-ci-token:{job['token']}".encode()).decode()

    def status(name, method="GET"):
        connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
        connection.request(method, f"/local/repository.git/{name}", headers={"Authorization": f"Basic {login}"})
        with contextlib.closing(connection):
            return connection.getresponse().status

    assert status("info/refs") == status("HEAD") == 200
    # What git does not ask for: the configuration, what lies elsewhere, changes.
    for name in ("config", "objects/pack/../../config", "../ci.yml", "objects/pack/", "", "objects/info/alternates"):
        assert status(name) == 404, name
    assert status("info/refs", "PUT") == 404
    assert server.end(job, b"").status == 200
    assert status("info/refs") == 401  # it runs no more
    server.stop()


def test_without_a_repository_there_is_none(server):
    server.take()
    connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
    connection.request("GET", "/local/repository.git/info/refs")
    with contextlib.closing(connection):
        assert connection.getresponse().status == 404

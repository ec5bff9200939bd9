"""The embedded coordinator of `flotilla exec`, driven with plain HTTP as the protocol page says (vectors V1, V2, V7, V10,
V11, V17), without any of flotilla's own client code."""

import http.client
import json
import queue
import subprocess
import threading
import time
import zlib

import pytest

TOKEN = "glrt-t1_k9XyZ012345abcdefgh"
FILE = """
stages: [build, test]
one: {stage: build, script: make}
two: {stage: test, script: make check}
"""
A, B, C = b"123456789\n", b"987654321\n", b"abcdefghi\n"


class Server:
    """serve_ci, and what it tells."""

    def __init__(self, build, folder, text=FILE):
        (folder / "ci.yml").write_text(text)
        self.process = subprocess.Popen([build / "tests" / "integration" / "serve_ci", folder / "ci.yml", TOKEN],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.host = self.process.stdout.readline().strip().removeprefix("http://")
        assert self.host, "serve_ci did not start"
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def event(self):
        return self.events.get(timeout=10)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def call(self, method, path, body=b"", headers=None, timeout=10):
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, "/api/v4/" + path, data, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def request(self, token=TOKEN, header=TOKEN, timeout=10, **more):
        headers = {"Content-Type": "application/json", **({} if header is None else {"RUNNER-TOKEN": header})}
        return self.call("POST", "jobs/request", {"token": token, "info": {}, **more}, headers, timeout)

    def take(self):
        """The next job, given out and acknowledged."""
        answer = self.request()
        assert answer.status == 201
        job = json.loads(answer.body)
        assert self.event() == {"event": "given", "job": job["id"]}
        assert self.put(job, state="running", output={}).status == 200
        assert self.event() == {"event": "running", "job": job["id"]}
        return job

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
    answer = answers.get(timeout=10)
    assert time.monotonic() - began < 2, "a job that became ready has to be given out at once"
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
    connection = http.client.HTTPConnection(server.host, timeout=10)
    connection.request("PUT", "/api/v4/jobs/1", json.dumps({"token": one["token"], "state": "success", "output": {}}))
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answers.get(timeout=5).status == 201
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
    names = sorted(json.loads(answers.get(timeout=10).body)["job_info"]["name"] for _ in threads)
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
        connection = http.client.HTTPConnection(server.host, timeout=10)
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

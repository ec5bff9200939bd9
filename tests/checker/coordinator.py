"""A scripted coordinator: plays GitLab's runner API and remembers every request and answer.

What it answers follows GitLab's own sources (lib/api/ci/runner.rb, lib/api/ci/helpers/runner.rb, and what they call; the tests
are those of spec/requests/api/ci/runner). Calls about runners are in runner_api.py, artifacts in artifacts.py.

| call | answers | from |
| --- | --- | --- |
| POST jobs/request | 201 a job, without X-GitLab-Last-Update; 204 with it; 400 without a token, 403 for a wrong one; 413 above 32 KiB. While `last_update` is the newest it waits, and then says 204 without the header, also when a job has come: who waited asks anew | …/jobs_request_post_spec.rb, workhorse/internal/builds/register.go |
| PUT jobs/ID | 200, 202 while the log is being stored, with X-GitLab-Trace-Update-Interval then alone; 400 for a state that cannot be now; 403 for whoever has no right to it; Job-Status with all of them once the token is right | app/services/ci/update_build_state_service.rb, …/jobs_put_spec.rb |
| PATCH jobs/ID/trace | 202 with Job-Status, Range and the interval; 400 without Content-Range; 403 unless the job runs; 416 with Range alone | app/services/ci/append_build_trace_service.rb, …/jobs_trace_spec.rb |

The token of a job is looked for in the body or query first, then in JOB-TOKEN. A refusal is {"message": …}, or {"error": …}
where Grape or error!() makes it. Stricter on purpose: a Content-Range whose end is not that of the body is refused, and so is a
final state whose size is not the log's (412, which a runner must understand and GitLab has no use for). Not played: the 429 of
limits (2,000 requests for jobs a minute and runner, 200 of the other calls a minute and job, with Retry-After: 60).
Faults are scripted by `fault`, a callable that may replace or lose an answer.
"""

import json
import re
import socket
import ssl
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .artifacts import PIECE, ArtifactApi
from .runner_api import FORBIDDEN, JSON, RunnerApi, missing, told, wrong

LOSE = "lose"  # act, then cut the connection without an answer
DROP = "drop"  # cut the connection without acting

BODY_MAX = 32 << 10  # of a request for a job
NOT_RUNNING = told(403, "403 Forbidden - Job is not processing on runner")

# A job whose answer met a closed connection is given again, if nobody has acknowledged it by then.
GIVEN_AGAIN_AFTER = 15


@dataclass
class Record:
    time: float
    method: str
    path: str
    status: int
    job_id: int = 0
    detail: dict = field(default_factory=dict)


class Reader:
    """What a request is read from. Python takes headers that break off for whole ones; no real server acts on them."""

    def __init__(self, file):
        self.file = file
        self.last_line = b""

    def readline(self, *limit):
        self.last_line = self.file.readline(*limit)
        return self.last_line

    def __getattr__(self, name):
        return getattr(self.file, name)


class JobState:
    def __init__(self, job):
        self.job = job
        self.state = "created"  # created, pending (given), running, success, failed
        self.trace = bytearray()
        self.given = 0
        self.request = {}  # for which it was given last
        self.acknowledged = 0
        self.finals = []  # accepted final updates
        self.late_finals = []  # told after the accepted one, and refused
        self.cancel = ""  # "canceling" or "canceled": what Job-Status says

    @property
    def aborted(self) -> bool:
        """Ended by GitLab itself, which then takes nothing more."""
        return self.cancel == "canceled"

    @property
    def ended(self) -> bool:
        return self.aborted or bool(self.finals)

    @property
    def status(self) -> str:
        """What Job-Status says."""
        return self.state if self.finals else self.cancel or self.state

    @property
    def refusal(self):
        """Of whatever only a job that runs may do."""
        status, headers, text = NOT_RUNNING
        return status, {**headers, "Job-Status": self.status}, text


class Coordinator:
    def __init__(self, runner_token="glrt-t1_checkerRunner0123456", poll_seconds=5.0, fault=None,
                 interval=1, certificate=None, checks_size=True):
        self.poll_seconds = poll_seconds
        self.interval = interval
        self.fault = fault
        self.checks_size = checks_size  # else a final state is taken whatever became of its log
        self.jobs: dict[int, JobState] = {}
        self.queue: list[int] = []
        self.records: list[Record] = []
        self.connections = 0
        self.open_connections = 0
        self.max_connections = 0
        self.lock = threading.Condition()
        self.artifacts = ArtifactApi()
        self.runners = RunnerApi(runner_token)
        self.cursor = 1
        self.parked = 0  # job requests that wait for a job
        self.sent = 0  # answers
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                self.rfile = Reader(self.rfile)
                self.gave = []  # jobs
                with outer.lock:
                    outer.connections += 1
                    outer.open_connections += 1
                    outer.max_connections = max(outer.max_connections, outer.open_connections)

            def finish(self):
                with outer.lock:
                    outer.open_connections -= 1
                outer.give_again_later(self.gave)
                try:
                    super().finish()
                except OSError:
                    pass

            def log_message(self, *args):
                pass

            def handle_any(self):
                if self.rfile.last_line in (b"\r\n", b"\n"):  # else the connection broke within the headers
                    outer.handle(self)
                else:
                    self.close_connection = True

            do_POST = do_PUT = do_PATCH = do_GET = do_DELETE = handle_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # a client that was killed in mid-request is what this server is for

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def runner_token(self):
        """Of the runner that asks for jobs."""
        return self.runners.token

    @runner_token.setter
    def runner_token(self, token):
        self.runners.token = token

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def add(self, *jobs):
        with self.lock:
            for job in jobs:
                self.jobs[job.id] = JobState(job)
                self.queue.append(job.id)
            self.cursor += 1
            self.lock.notify_all()

    def cancel(self, job_id, how="canceling"):
        with self.lock:
            self.jobs[job_id].cancel = how
            self.lock.notify_all()

    def secrets(self) -> list[str]:
        """What nobody may show: the runner's token, and all that the jobs have to hide."""
        with self.lock:
            return [*self.runners.given, *(s for state in self.jobs.values() for s in state.job.secrets)]

    def all_ended(self):
        with self.lock:
            return all(state.ended for state in self.jobs.values())

    def wait_ended(self, job_id, timeout):
        return self.wait_these([job_id], timeout)

    def wait_all_ended(self, timeout):
        return self.wait_these(list(self.jobs), timeout)

    def wait_these(self, job_ids, timeout):
        deadline = time.monotonic() + timeout
        with self.lock:
            while not all(self.jobs[job_id].ended for job_id in job_ids):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.lock.wait(min(left, 0.5))
        return True

    # One request.

    def handle(self, request):
        if match := re.fullmatch(r"(?:/moved)?/api/v4/jobs/(\d+)/artifacts(\?.*)?", request.path):
            self.handle_artifacts(request, int(match[1]))
            return
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        if len(body) < length:
            return
        fault = self.fault(request.command, request.path, body) if self.fault else None
        if fault == DROP:
            self.cut(request)
            return
        if isinstance(fault, tuple):  # (status, headers) or (status, headers, body): answered without acting
            self.record(request, fault[0])
            self.answer(request, *fault)
            return
        status, headers, text = self.act(request, body)
        if fault == LOSE:
            self.cut(request)
            return
        self.answer(request, status, headers, text)

    def handle_artifacts(self, request, job_id):
        """Uploads and downloads; a body that breaks off was no request."""
        body = self.artifacts.receive(request, job_id)
        if not body:
            self.cut(request)
            return
        fault = self.fault(request.command, request.path, b"") if self.fault else None
        if fault == DROP:
            self.cut(request)
        elif isinstance(fault, tuple):
            self.answer(request, *fault)
        elif request.command == "GET":
            given = self.artifacts.give(request, job_id)
            self.answer(request, *given) if isinstance(given, tuple) else self.answer_file(request, given)
        else:
            answer = self.take_artifact(request, job_id, body)
            self.cut(request) if fault == LOSE else self.answer(request, *answer)

    def take_artifact(self, request, job_id, body):
        with self.lock:
            state = self.jobs.get(job_id)
            if request.command != "POST":
                return wrong("405 Not Allowed", 405)
            if not state or request.headers.get("JOB-TOKEN") != state.job.token:
                return FORBIDDEN
            if state.ended or state.state != "running":
                return state.refusal
        return self.artifacts.take(request, job_id, state.job.token, body)

    def answer_file(self, request, path):
        try:
            request.send_response(200)
            request.send_header("Content-Length", str(path.stat().st_size))
            request.end_headers()
            with open(path, "rb") as file:
                while piece := file.read(PIECE):
                    request.wfile.write(piece)
        except OSError:
            request.close_connection = True
        with self.lock:
            self.sent += 1

    def cut(self, request):
        request.close_connection = True
        try:
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
            request.connection.close()
        except OSError:
            pass

    def answer(self, request, status, headers=None, text=b""):
        try:
            request.send_response(status)
            for name, value in (headers or {}).items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text)
        except OSError:
            request.close_connection = True
        with self.lock:
            self.sent += 1

    def record(self, request, status, job_id=0, **detail):
        self.records.append(Record(time.time(), request.command, request.path, status, job_id,
                                   detail))

    def act(self, request, body):
        if request.command == "POST" and request.path == "/api/v4/jobs/request":
            return self.request_job(request, body)
        if answer := self.runners.act(request.command, request.path, request.headers, body):
            self.record(request, answer[0])
            return answer
        match = re.fullmatch(r"/api/v4/jobs/(\d+)", request.path)
        if match and request.command == "PUT":
            return self.update_job(request, int(match[1]), body)
        match = re.fullmatch(r"/api/v4/jobs/(\d+)/trace(\?debug_trace=(true|false))?", request.path)
        if match and request.command == "PATCH":
            return self.patch_trace(request, int(match[1]), body)
        self.record(request, 404)
        return wrong("404 Not Found", 404)

    def request_job(self, request, body):
        fields = json.loads(body)
        refusal = told(413, "413 Request Entity Too Large") if len(body) > BODY_MAX else missing(fields, "token")
        if not refusal and fields["token"] != self.runner_token:
            refusal = FORBIDDEN
        if refusal:
            self.record(request, refusal[0])
            return refusal
        deadline = time.monotonic() + self.poll_seconds
        asked = {"cursor": fields.get("last_update"), "header": request.headers.get("RUNNER-TOKEN")}
        with self.lock:
            waits = fields.get("last_update") == str(self.cursor)
            self.parked += waits
            while waits and fields["last_update"] == str(self.cursor) and time.monotonic() < deadline:
                self.lock.wait(max(0.0, deadline - time.monotonic()))
            self.parked -= waits
            if waits or not self.queue or has_left(request.connection):
                self.record(request, 204, **asked)
                return 204, {} if waits else {"X-GitLab-Last-Update": str(self.cursor)}, b""
            state = self.jobs[self.queue.pop(0)]
            state.state = "pending"
            state.given += 1
            state.request = fields
            request.gave.append(state.job.id)
            self.record(request, 201, state.job.id, **asked)
        return 201, JSON, json.dumps(state.job.payload).encode()

    def requeue(self, job_id):
        """GitLab gives a job again whose acknowledgement never came."""
        with self.lock:
            state = self.jobs[job_id]
            if state.state == "pending":
                state.state = "created"
                self.queue.append(job_id)
                self.cursor += 1
                self.lock.notify_all()

    def give_again_later(self, job_ids):
        if not any(self.jobs[job_id].state == "pending" for job_id in job_ids):
            return
        timer = threading.Timer(GIVEN_AGAIN_AFTER, lambda: [self.requeue(job_id) for job_id in job_ids])
        timer.daemon = True
        timer.start()

    def update_job(self, request, job_id, body):
        fields = json.loads(body)
        with self.lock:
            state = self.jobs.get(job_id)
            refusal = missing(fields, "token")
            if not refusal and (not state or fields["token"] != state.job.token):
                refusal = FORBIDDEN
            if refusal:
                self.record(request, refusal[0], job_id)
                return refusal
            status = self.apply_update(state, fields)
            self.record(request, status, job_id, state=fields.get("state"), output=fields.get("output"))
            self.lock.notify_all()
            return (status, {"Job-Status": state.status}, str(status).encode()) if status != 403 else state.refusal

    def apply_update(self, state, fields):
        wanted = fields.get("state")
        if state.ended:
            if wanted != "running":
                state.late_finals.append(fields)
            return 403  # the job has ended: nothing more is taken
        if wanted == "running":
            if state.state == "created" and state.given:  # about to be given again
                self.queue.remove(state.job.id)
            if state.state == "pending" or (state.state == "created" and state.given):
                state.state = "running"
                state.acknowledged += 1
            return 200
        if wanted not in ("success", "failed"):
            return 400
        if state.state != "running":
            return 400  # two-phase commit: a final state that comes first is refused
        output = fields.get("output") or {}
        if self.checks_size and output.get("bytesize", 0) != len(state.trace):
            return 412
        state.finals.append(fields)
        state.state = wanted
        return 200

    def patch_trace(self, request, job_id, body):
        with self.lock:
            state = self.jobs.get(job_id)
            if not state or request.headers.get("JOB-TOKEN") != state.job.token:
                self.record(request, 403, job_id)
                return FORBIDDEN
            if state.ended or state.state != "running":
                self.record(request, 403, job_id)
                return state.refusal
            match = re.fullmatch(r"(\d+)-(\d+)", request.headers.get("Content-Range") or "")
            if not match or int(match[2]) - int(match[1]) + 1 != len(body):
                self.record(request, 400, job_id, range=request.headers.get("Content-Range"))
                return wrong("400 Missing header Content-Range")
            first = int(match[1])
            if first != len(state.trace):
                self.record(request, 416, job_id, first=first, have=len(state.trace))
                status, headers, text = wrong("416 Range Not Satisfiable", 416)
                return status, {**headers, "Range": f"0-{len(state.trace)}"}, text
            state.trace += body
            self.record(request, 202, job_id, first=first, length=len(body))
            return 202, {"Job-Status": state.status, "Range": f"0-{len(state.trace)}",
                         "X-GitLab-Trace-Update-Interval": str(self.interval)}, b""


def has_left(connection: socket.socket) -> bool:
    """Whether the client is gone, killed in the middle of a long poll: a job must not be given to it."""
    try:
        return socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def crc_text(data: bytes) -> str:
    return f"crc32:{zlib.crc32(data):08x}"

"""Where the plugin under test finds its cloud: an HTTP server that remembers each call, and can break any of them.

What a call does is the business of whom the endpoint asks (tests/aws, tests/gcp).
"""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Call:
    """One request as it came. Each cloud has its own kind of it, which tells `service` and `action`; empty where it
    does not say."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    time: float
    service: str = ""
    action: str = ""
    status: int = 0  # of the answer; 0 = none was given


@dataclass
class Answer:
    status: int
    body: bytes
    content_type: str = "text/xml"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What happens to one call. Nothing set: its connection is cut before the cloud hears of it."""

    done: bool = False  # the cloud does it, then the connection is cut
    cut_at: int | None = None  # the answer ends after so many bytes of its body
    answer: Answer | None = None  # instead of the cloud's own, which hears nothing


class Endpoint:
    """`ask(call)` gives the answer; `fault(call)` a Fault or None. Both are called from many threads."""

    def __init__(self, ask: Callable[[Call], Answer], fault: Callable[[Call], Fault | None] = lambda call: None,
                 at=("127.0.0.1", 0), kind: type[Call] = Call):
        self.ask, self.fault, self.kind = ask, fault, kind
        self.calls: list[Call] = []
        self.failures: list[BaseException] = []  # of ours, never to be taken for the cloud's
        self.clock: Callable[[], float] = time.time  # of the Date header
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                endpoint.handle(self)

            do_GET = do_PUT = do_DELETE = do_POST

            def log_message(self, *args):
                pass

            def date_time_string(self, timestamp=None):
                return formatdate(endpoint.clock(), usegmt=True)

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # a client that went away; what is ours is in `failures`

        self.server = Server(at, Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        if self.failures:
            raise self.failures[0]

    def handle(self, request: BaseHTTPRequestHandler):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self.lock:
            call = self.kind(len(self.calls) + 1, request.command, request.path, headers, body, time.time())
            self.calls.append(call)
        try:
            fault = self.fault(call)
            answer = fault.answer if fault and fault.answer else None
            if not answer and (not fault or fault.done or fault.cut_at is not None):
                answer = self.ask(call)
        except Exception as failure:
            self.failures.append(failure)
            raise
        if not answer or (fault and fault.done):
            cut(request)
            return
        call.status = answer.status
        give(request, answer, fault.cut_at if fault else None)

    def actions(self) -> list[str]:
        return [call.action for call in list(self.calls)]

    def calls_of(self, *actions) -> list[Call]:
        return [call for call in list(self.calls) if call.action in actions]


def cut(request: BaseHTTPRequestHandler):
    """Ends the connection with a reset."""
    request.close_connection = True
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.shutdown(socket.SHUT_RD)


def give(request: BaseHTTPRequestHandler, answer: Answer, cut_at: int | None):
    request.send_response(answer.status)
    request.send_header("Content-Type", answer.content_type)
    request.send_header("Content-Length", str(len(answer.body)))
    for name, value in answer.headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(answer.body if cut_at is None else answer.body[:cut_at])
    if cut_at is not None:
        request.close_connection = True

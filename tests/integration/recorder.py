"""An HTTP server that keeps every request and answers as it is told: what GitLab's artifacts and a cache's store are
to a client. It reads a body to its end before it answers, so that what a test counts does not depend on who was first."""

import email.parser
import email.policy
import http.server
import ssl
import threading
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes
    whole: bool  # the body came to its end


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    length: int | None = None  # said, where it is not the body's
    hang_up: bool = False  # instead of an answer
    hold: threading.Event | None = None  # waited for before the answer
    hold_after: threading.Event | None = None  # waited for behind it, with the connection open
    early: bool = False  # answers before it has read the body


class Recorder:
    """`answers` are given in their order, the last one again and again; a callable makes one of the request."""

    def __init__(self, *answers, certificate=None, client_ca=None):
        self.answers = list(answers) or [Answer()]
        self.requests = []
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                early = outer.comes_early()
                if early:
                    self.answer(early)
                body, whole = read_body(self)
                request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, whole)
                answer = outer.take(request)
                if early:
                    self.close_connection = True
                    return
                if answer.hold:
                    answer.hold.wait(60)
                if answer.hang_up or not whole:
                    self.close_connection = True
                    return
                self.answer(answer)

            def answer(self, answer):
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
                if answer.length is not None:
                    self.close_connection = True
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
                if answer.hold_after:
                    self.wfile.flush()
                    answer.hold_after.wait(60)

            do_GET = do_HEAD = do_PUT = do_POST = handle_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if client_ca:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_ca)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def next_answer(self, n):
        return self.answers[min(n, len(self.answers)) - 1]

    def comes_early(self):
        with self.lock:
            answer = self.next_answer(len(self.requests) + 1)
        return answer if isinstance(answer, Answer) and answer.early else None

    def take(self, request):
        with self.lock:
            self.requests.append(request)
            answer = self.next_answer(len(self.requests))
        return answer(request) if callable(answer) else answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def parts_of(request):
    """The form as Python's own parser reads it."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    return list(email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body).iter_parts())


def read_body(handler):
    """The body, and whether its end came."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        return body, len(body) == length
    body = bytearray()
    while True:
        line = handler.rfile.readline()
        if not line.endswith(b"\n"):
            return bytes(body), False
        size = int(line, 16)
        chunk = handler.rfile.read(size)
        body += chunk
        if len(chunk) < size or handler.rfile.readline() != b"\r\n":
            return bytes(body), False
        if size == 0:
            return bytes(body), True

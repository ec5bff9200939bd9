"""The status page's own files (core/web/page), served with a fleet that the test makes up: as large, as hostile and as
lively as no run of ours can be in a few seconds. What a manager sends is told by test_status_page.py."""

import http.server
import json
import queue
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

PAGE = Path(__file__).resolve().parents[2] / "core" / "web" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
COLUMNS = ["at", "waiting", "busy", "ready", "creating", "draining", "removing", "unhealthy", "price"]


def now_ms():
    return int(time.time() * 1000)


class PageDouble:
    """`things`: by key, as core/supervisor/web_status.c tells them; `samples`: rows of COLUMNS; `logs`: texts by seq."""

    def __init__(self, things, samples=(), logs=None):
        self.things, self.samples, self.logs = dict(things), list(samples), dict(logs or {})
        self.watchers, self.number, self.lock = [], 0, threading.Lock()
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                double.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *arguments: None  # a browser that goes away
        self.url = f"http://127.0.0.1:{self.server.server_port}/status/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        url = urlparse(request.path)
        name, query = url.path.removeprefix("/status/"), parse_qs(url.query)
        if name in ("events", "log"):
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.send_header("Connection", "close")
            request.end_headers()
            try:
                self.watch(request.wfile) if name == "events" else self.tail(request.wfile, int(query["seq"][0]))
            except OSError:
                pass
            return
        if name == "history":
            after = int(query["after"][0])
            body, kind = json.dumps({"columns": COLUMNS, "rows": [row for row in self.samples if row[0] > after]}), ".json"
        elif name == "visit":
            body, kind = json.dumps({"visit": True}), ".json"
        elif name == "explain":
            body, kind = json.dumps({"lines": ["a sentence that says why."]}), ".json"
        else:
            file = PAGE / (name or "index.html")
            body, kind = file.read_text(), file.suffix
        request.send_response(200)
        request.send_header("Content-Type", TYPES.get(kind, "application/json"))
        request.send_header("Content-Security-Policy", POLICY)
        request.send_header("Content-Length", str(len(body.encode())))
        request.end_headers()
        request.wfile.write(body.encode())

    def watch(self, out):
        mine = queue.Queue()
        with self.lock:
            self.watchers.append(mine)
            mine.put(self.event("snapshot", {"now": now_ms(), "set": self.things}))
        while True:
            out.write(mine.get())

    def event(self, kind, data):
        self.number += 1
        return f"id: double-{self.number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    def change(self, things=None, gone=()):
        with self.lock:
            for key in gone:
                self.things.pop(key, None)
            self.things.update(things or {})
            event = self.event("change", {"now": now_ms(), "set": things or {}, "gone": list(gone)})
            for watcher in self.watchers:
                watcher.put(event)

    def tail(self, out, seq):
        for number, text in enumerate(self.logs.get(seq, [])):
            out.write(f"id: {number}\nevent: text\ndata: {json.dumps({'text': text, 'skipped': 0})}\n\n".encode())
        if seq in self.logs:
            time.sleep(3600)
        out.write(b'event: end\ndata: {"sentence": "The job has ended; GitLab has its log."}\n\n')

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def job(seq, **fields):
    return f"job/{seq}", {"seq": seq, "id": 10000 + seq, "name": f"job {seq}", "runner": "linux", "phase": "running", "stage": "step_script",
                          "instance": "", "slot": 0, "since": now_ms() - 60000, **fields}


def instance(number, runner="linux", slots=(0,), **fields):
    return f"instance/{runner}/i-{number:05}", {"id": f"i-{number:05}", "runner": runner, "condition": "ready", "uses": 1, "max_uses": 0,
                                               "since": now_ms() - 3600000, "slots": list(slots), "why": "", **fields}


def group(name="linux", order=0, **fields):
    return f"group/{name}", {"name": name, "order": order, "plugin": "aws", "max": 100, "waiting": 0, "ordered": 0, "price": 0, "why": [],
                             "problem": "", "drained": False, "leaving": False, **fields}


def manager(**fields):
    return "manager", {"version": "0.1.0", "host": "s_0123456789ab", "draining": False, "problems": [], **fields}

"""A git server over HTTP with basic authentication, as GitLab's: `git http-backend` behind Python's HTTP server, and of
Git LFS what a download needs.

It remembers each request with the password that came with it."""

import base64
import hashlib
import json
import os
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENVIRONMENT = {**{k: v for k, v in os.environ.items() if not k.startswith("GIT_")}, "GIT_CONFIG_NOSYSTEM": "1",
               "GIT_CONFIG_GLOBAL": os.devnull}


@dataclass
class Request:
    path: str
    authorization: str
    headers: dict = field(default_factory=dict)

    def credentials(self) -> str:
        return base64.b64decode(self.authorization.removeprefix("Basic ")).decode()


def git(folder: Path, *words) -> str:
    author = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(["git", "-C", folder, *words], env={**ENVIRONMENT, **author}, check=True,
                          capture_output=True, text=True).stdout.strip()


def make_repository(root: Path, path: str, object_format: str = "sha1", text: str = "hello\n", files=None,
                    submodules=None) -> str:
    """A repository with README on `main`, more files by name and submodules as (URL, commit) by place; its commit."""
    folder = root / path
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", f"--object-format={object_format}", "--initial-branch=main")
    modules = "".join(f'[submodule "{place}"]\npath = {place}\nurl = {url}\n'
                      for place, (url, _) in (submodules or {}).items())
    for name, content in {"README": text, **(files or {}), **({".gitmodules": modules} if modules else {})}.items():
        (folder / name).write_text(content)
        git(folder, "add", name)
    for place, (_, commit) in (submodules or {}).items():
        git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},{place}")
    git(folder, "commit", "--quiet", "--message=one")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    (folder / ".git").rename(root / (path + ".git"))
    git(root / (path + ".git"), "config", "core.bare", "true")
    return git(root / (path + ".git"), "rev-parse", "HEAD")


def add_commit(root: Path, path: str, text: str) -> str:
    """Another text in README; the new commit on `main`."""
    folder = root / (path + ".git")
    (folder / "text").write_text(text)
    blob = git(folder, "hash-object", "-w", "text")
    git(folder, "read-tree", "--empty")
    git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},README")
    commit = git(folder, "commit-tree", git(folder, "write-tree"), "-p", "main", "-m", "more")
    git(folder, "update-ref", "refs/heads/main", commit)
    return commit


class GitServer:
    def __init__(self, root: Path, redirect_to: str = "", certificate=None):
        self.password = ""  # of gitlab-ci-token; without one nobody gets in
        self.passwords: set[str] = set()  # others that do
        self.refuse = 0  # so many requests are answered with 503
        self.refuse_below: dict[str, int] = {}  # so many of these paths
        self.large: dict[str, bytes] = {}  # LFS objects
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.path, self.headers.get("Authorization", ""), dict(self.headers))
                outer.requests.append(request)
                if outer.refuses(self.path):
                    self.answer(503, {})
                elif redirect_to:
                    self.answer(302, {"Location": redirect_to + self.path})
                elif not outer.knows(request):
                    self.answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
                elif self.path.endswith("/info/lfs/objects/batch"):
                    self.lfs_batch(json.loads(body))
                elif self.path.startswith("/lfs/"):
                    self.answer(200, {"Content-Type": "application/octet-stream"}, outer.large[self.path[5:]])
                else:
                    self.backend(body)

            do_GET = do_POST = handle_any

            def lfs_batch(self, asked):
                objects = [{**item, "actions": {"download": {"href": f"{outer.url}/lfs/{item['oid']}"}}}
                           for item in asked["objects"]]
                self.answer(200, {"Content-Type": "application/vnd.git-lfs+json"},
                            json.dumps({"transfer": "basic", "objects": objects}).encode())

            def answer(self, status, headers, body=b""):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def backend(self, body):
                path, _, query = self.path.partition("?")
                variables = {"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                             "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "job",
                             "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                             "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                             "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
                ran = subprocess.run(["git", "http-backend"], input=body, env={**ENVIRONMENT, **variables},
                                     capture_output=True, check=False)
                head, _, content = ran.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
                self.answer(int(headers.pop("Status", "200").split()[0]), headers, content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def knows(self, request: Request) -> bool:
        return any(password and request.credentials() == "gitlab-ci-token:" + password
                   for password in (self.password, *self.passwords))

    def refuses(self, path: str) -> bool:
        for begin, left in self.refuse_below.items():
            if path.startswith(begin) and left > 0:
                self.refuse_below[begin] = left - 1
                return True
        if self.refuse > 0:
            self.refuse -= 1
            return True
        return False

    def add_large(self, content: bytes) -> str:
        """An LFS object; what stands in the repository for it."""
        oid = hashlib.sha256(content).hexdigest()
        self.large[oid] = content
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

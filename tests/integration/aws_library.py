"""sdk/lib's HTTP, signer and client of AWS as the program aws_call offers them, and servers that answer it badly. Use as
fixtures: `from aws_library import library`."""

import contextlib
import datetime
import json
import socket
import ssl
import subprocess
import threading

import pytest

# provider.h
OK, INVALID, AUTH, QUOTA, THROTTLED, UNAVAILABLE, NOT_FOUND = 0, -10001, -10002, -10003, -10004, -10005, -10006
CANCELLED, TIMEOUT = -10011, -10012


class Library:
    """Asks aws_call, one question at a time."""

    def __init__(self, build, environment=None, descriptors=()):
        self.process = subprocess.Popen([build / "tests" / "integration" / "aws_call"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment, pass_fds=descriptors)

    def ask(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"aws_call ended with {self.process.wait(timeout=60)}"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


@pytest.fixture
def library(build):
    found = Library(build)
    yield found
    found.close()


def make_certificate(folder):
    """Of 127.0.0.1, signed by itself: the path of key and certificate."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
                   .sign(key, hashes.SHA256()))
    path = folder / "both.pem"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Request:
    """One that a server of ours has read."""

    def __init__(self, head, body):
        self.line, *lines = head.split("\r\n")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.body = body


class Server:
    """Hands each request to `answer`, a function of (request, its number from 0), which gives bytes to be sent as they are,
    or writes to request.connection itself and gives None. It keeps connections that the bytes don't end."""

    def __init__(self, answer, at=("127.0.0.1", 0)):
        self.answer, self.wrap = answer, lambda connection: connection
        self.requests, self.connections = [], []
        self.listener = socket.create_server(at)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def use_tls(self, folder):
        """The certificate to be trusted."""
        path = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        self.wrap = lambda connection: context.wrap_socket(connection, server_side=True)
        self.url = self.url.replace("http:", "https:")
        return path

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with contextlib.suppress(OSError):
            connection = self.wrap(connection)
            while chunk := connection.recv(65536):
                data += chunk
                while b"\r\n\r\n" in data:
                    head, _, rest = data.partition(b"\r\n\r\n")
                    request = Request(head.decode(), b"")
                    length = int(request.headers.get("content-length", 0))
                    if len(rest) < length:
                        break
                    request.body, data = rest[:length].decode(), rest[length:]
                    request.connection = connection
                    self.requests.append(request)
                    answer = self.answer(request, len(self.requests) - 1)
                    if answer is not None:
                        connection.sendall(answer)
                        if b"Connection: close" in answer:
                            connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        for each in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def serve():
    """serve(answer) gives a Server."""
    with contextlib.ExitStack() as stack:
        def start(answer):
            server = Server(answer)
            stack.callback(server.close)
            return server

        yield start


def http(status, body="", *headers):
    """The bytes of an answer."""
    body = body.encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body

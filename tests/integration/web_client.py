"""A client of the manager's web server that sends what a test wants, byte for byte, and speaks websocket."""

import base64
import hashlib
import os
import socket
import ssl
import struct

from checker.run import PATIENCE

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Raw:
    """One connection to `address` ("127.0.0.1:80", "[::1]:80")."""

    def __init__(self, address, tls=None, receive_buffer=None):
        host, port = address.rsplit(":", 1)
        host = host.strip("[]")
        self.address = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, int(port)))
        if tls:
            context = ssl.create_default_context(cafile=tls)
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, path, method="GET", version="1.1", **headers):
        """A name's underscores are dashes; a value None leaves the header out."""
        headers = {"Host": self.address, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{method} {path} HTTP/{version}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def read(self, n):
        """The next n bytes; fewer at the end of the connection."""
        while len(self.left) < n:
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                break
            self.left += got
        data, self.left = self.left[:n], self.left[n:]
        return data

    def until(self, mark):
        while mark not in self.left:
            got = self.socket.recv(65536)
            assert got, f"the connection ended with {self.left!r}"
            self.left += got
        data, self.left = self.left.split(mark, 1)
        return data

    def rest(self):
        data = b""
        while piece := self.read(65536):
            data += piece
        return data

    def head(self):
        """Status and headers of the next answer."""
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split(" ")[1]), headers

    def answer(self, method="GET"):
        status, headers = self.head()
        length = int(headers.get("content-length", 0)) if method != "HEAD" else 0
        return status, headers, self.read(length).decode()


class WebSocket(Raw):
    """One that is open once it is made, unless `status` is not 101."""

    def __init__(self, address, path, tls=None, protocol=None, **headers):
        super().__init__(address, tls)
        key = base64.b64encode(os.urandom(16)).decode()
        self.ask(path, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13", Sec_WebSocket_Key=key,
                 Sec_WebSocket_Protocol=protocol, **headers)
        self.status, self.headers = self.head()
        if self.status == 101:
            accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert self.header("sec-websocket-accept") == base64.b64encode(accept).decode()

    def header(self, name):
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    def message(self, data, kind=TEXT, final=True):
        head = bytes([kind | (0x80 if final else 0)])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        mask = os.urandom(4)
        self.send(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def frame(self):
        """Kind, data, and whether it is the last of its message."""
        first, length = self.read(2)
        if length == 126:
            length, = struct.unpack(">H", self.read(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.read(8))
        return first & 15, self.read(length), bool(first & 0x80)

    def receive(self):
        """The next message, whole."""
        kind, data, final = self.frame()
        while not final:
            _, more, final = self.frame()
            data += more
        return kind, data

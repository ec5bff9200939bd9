"""A WinRM service for tests (MS-WSMV), which runs what it is told to: commands of this machine, in shells that own them.

Authentication and sealing are pyspnego's, and pywinrm and pypsrp are served as flotilla is (test_winrm.py), so that it is
a fair counterpart. What a test wants to go wrong it puts into `faults`, and what came it finds in `requests`."""

import base64
import os
import queue
import re
import shlex
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import spnego
from spnego.channel_bindings import GssChannelBindings

from kerberos import Acceptor

NS = {"s": "http://www.w3.org/2003/05/soap-envelope", "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
      "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd", "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
      "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer"}
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = SHELL + "/cmd"
BOUNDARY = "Encrypted Boundary"
SEALED = {"Negotiate": "application/HTTP-SPNEGO-session-encrypted", "Kerberos": "application/HTTP-Kerberos-session-encrypted"}
FAULTS = {  # name: (subcode, code of Windows, its words)
    "timed_out": ("w:TimedOut", 2150858793, "The WS-Management service cannot complete the operation within the time specified in "
                  "OperationTimeout."),
    "no_shell": ("w:InvalidSelectors", 2150858843, "The request for the Windows Remote Shell failed because the shell was not found "
                 "on the server."),
    "too_large": ("w:EncodingLimit", 2150858999, "The request exceeded the maximum envelope size."),
    "quota": ("w:QuotaLimit", 2150859173, "The WS-Management service cannot process the request. This user is allowed a maximum "
              "number of 5 concurrent shells, which has been exceeded."),
    "denied": ("w:AccessDenied", 5, "Access is denied."),
    "closed": ("w:InternalError", 2147942509, "The pipe has been ended."),
    "not_found": ("w:InternalError", 2147942402, "The system cannot find the file specified."),
}


class Fault(Exception):
    pass


class Cut(Exception):
    """The connection ends here."""


class Command:
    """A process in a session of its own, whose output waits to be received."""

    def __init__(self, words, environment):
        try:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            start_new_session=True, env=environment, cwd=environment["HOME"])
        except OSError:
            raise Fault("not_found") from None
        self.changed, self.output, self.open = threading.Condition(), [], {"stdout", "stderr"}
        self.input, self.told = queue.Queue(), threading.Event()
        for name in ("stdout", "stderr"):
            threading.Thread(target=self.read, args=(name,), daemon=True).start()
        threading.Thread(target=self.write, daemon=True).start()

    def read(self, name):
        stream = getattr(self.process, name)
        while piece := stream.read1(16384):
            with self.changed:
                while sum(len(data) for _, data in self.output) > 1 << 20:
                    self.changed.wait()
                self.output.append((name, piece))
                self.changed.notify_all()
        with self.changed:
            self.open.discard(name)
            self.changed.notify_all()

    def write(self):
        """What the process does not read is kept: Windows acknowledges it, too."""
        while (piece := self.input.get()) is not None:
            try:
                self.process.stdin.write(piece)
                self.process.stdin.flush()
            except OSError:
                pass
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def take(self, seconds, limit):
        """What it printed, at most `limit` bytes, and whether that was all."""
        taken, size = [], 0
        with self.changed:
            if not self.changed.wait_for(lambda: self.output or not self.open, seconds):
                raise Fault("timed_out")
            while self.output and size + len(self.output[0][1]) <= limit:
                taken.append(self.output.pop(0))
                size += len(taken[-1][1])
            if self.output and not taken:
                name, piece = self.output[0]
                taken, self.output[0] = [(name, piece[:limit])], (name, piece[limit:])
            self.changed.notify_all()
            return taken, not self.output and not self.open

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def setup(self):
        super().setup()
        self.context, self.scheme, self.answered = None, None, 0
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.owner.connections.append(self.connection)

    def log_message(self, *words):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            if not self.authenticated():
                return
            self.serve(body)
        except Cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    # Who asks

    def refuse(self, token=None):
        self.send_response(401)
        for scheme in [self.scheme] if token else self.server.owner.schemes:
            self.send_header("WWW-Authenticate", scheme + (" " + base64.b64encode(token).decode() if token else
                                                           ' realm="WSMAN"' if scheme == "Basic" else ""))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def authenticated(self):
        owner, said = self.server.owner, self.headers.get("Authorization", "")
        if not said:
            if self.context and self.context.complete:
                return True
            owner.may_log_in.wait()
            self.refuse()
            return False
        if owner.cut_logins:
            raise Cut
        scheme, _, value = said.partition(" ")
        if scheme not in owner.schemes:
            self.refuse()
            return False
        if scheme == "Basic":
            owner.logins.append(scheme)
            good = base64.b64decode(value).decode() == f"{owner.user}:{owner.password}"
            if not good:
                self.refuse()
            return good
        return self.negotiate(scheme, base64.b64decode(value))

    def negotiate(self, scheme, token):
        if self.context is None or self.context.complete:
            self.scheme, self.context = scheme, self.server.owner.new_context(scheme)
        try:
            answer = self.context.step(token)
        except Exception:  # whatever pyspnego says: Windows says no more than that
            self.context = None
            self.refuse()
            return False
        if not self.context.complete:
            self.refuse(answer)
            return False
        self.server.owner.logins.append(self.context.negotiated_protocol)
        self.answer_token = answer
        return True

    answer_token = None

    # Sealing

    def unseal(self, body):
        kind = self.headers.get("Content-Type", "")
        if self.server.owner.tls or (self.context is None and not kind.startswith("multipart/")):
            return body
        assert kind.startswith('multipart/encrypted;protocol="application/HTTP-'), f"not sealed: {kind}"
        match = re.fullmatch(rb"--\s*Encrypted Boundary\r\n\tContent-Type: (application/HTTP-[A-Za-z-]+)\r\n\tOriginalContent: "
                             rb"type=application/soap\+xml;charset=UTF-8;Length=(\d+)\r\n--\s*Encrypted Boundary\r\n"
                             rb"\tContent-Type: application/octet-stream\r\n(.*)--\s*Encrypted Boundary--\r\n", body, re.DOTALL)
        assert match, body[:400]
        size = struct.unpack("<I", match[3][:4])[0]
        plain = self.context.unwrap_winrm(match[3][4:4 + size], match[3][4 + size:])
        assert len(plain) == int(match[2])
        return plain

    def seal(self, text):
        """As Windows does: each header behind a TAB."""
        sealed = self.context.wrap_winrm(text)
        kind = SEALED[self.scheme]
        head = (f"--{BOUNDARY}\r\n\tContent-Type: {kind}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
                f"{len(text) + sealed.padding_length}\r\n--{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n").encode()
        return (head + struct.pack("<I", len(sealed.header)) + sealed.header + sealed.data + f"--{BOUNDARY}--\r\n".encode(),
                f'multipart/encrypted;protocol="{kind}";boundary="{BOUNDARY}"')

    def reply(self, status, text):
        owner, body, kind = self.server.owner, text, "application/soap+xml;charset=UTF-8"
        if body and self.context and not owner.tls and not owner.next_is_plain:
            body, kind = self.seal(text)
        self.send_response(307 if owner.next_leads_to else status)
        if owner.next_leads_to:
            self.send_header("Location", owner.next_leads_to)
        owner.next_is_plain, owner.next_leads_to = False, None
        if self.answer_token:
            self.send_header("WWW-Authenticate", f"{self.scheme} {base64.b64encode(self.answer_token).decode()}")
            self.answer_token = None
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.answered += 1
        if self.server.owner.close_after and self.answered > self.server.owner.close_after:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def too_large(self):
        """Before it was looked at."""
        self.send_response(413)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def serve(self, body):
        owner = self.server.owner
        if not body:
            return self.reply(200, b"")
        text = self.unseal(body)
        if len(text) > owner.max_envelope:
            owner.requests.append(("TooLarge", len(text)))
            return self.reply(500, fault_text("too_large", "")) if owner.says_why else self.too_large()
        root = ET.fromstring(text)
        action = root.findtext("s:Header/a:Action", "", NS).rsplit("/", 1)[-1]
        relates = root.findtext("s:Header/a:MessageID", "", NS)
        owner.heard.append((action, time.monotonic()))
        owner.requests.append((action, root))
        try:
            if wrong := owner.fault(action):
                raise wrong if isinstance(wrong, Exception) else Fault(wrong)
            text = getattr(owner, "on_" + action.lower())(root)
        except Fault as fault:
            owner.told.append((action, time.monotonic()))
            return self.reply(500, fault_text(fault.args[0], relates))
        return self.reply(200, envelope(action + "Response", relates, text))


def fault_text(name, relates):
    subcode, code, words = FAULTS[name]
    return envelope("fault", relates, f'<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>'
                    f'</s:Code><s:Reason><s:Text xml:lang="en-US">{escape(words)}</s:Text></s:Reason><s:Detail><f:WSManFault '
                    f'xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}" Machine="here"><f:Message>'
                    f"{escape(words)}</f:Message></f:WSManFault></s:Detail></s:Fault>")


def envelope(action, relates, body):
    return (f'<s:Envelope xml:lang="en-US" xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:x="{NS["x"]}" xmlns:w="{NS["w"]}" '
            f'xmlns:rsp="{NS["rsp"]}"><s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>'
            f"<a:RelatesTo>{escape(relates)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>").encode()


class Service:
    """`schemes` are offered in this order; `tls` is a certificate and its key."""

    def __init__(self, folder, schemes=("Negotiate",), tls=None, user="Administrator", password="Pa$$w0rd;<>&", port=0,
                 kerberos=False, address="127.0.0.1"):
        self.folder, self.schemes, self.tls, self.user, self.password = folder, list(schemes), tls, user, password
        self.kerberos = kerberos  # and no NTLM
        self.says_why = True  # of an envelope that is too large, by a fault
        self.heard, self.told = [], []  # when each request came; the action and the time of each fault
        self.max_envelope, self.shells, self.requests, self.logins, self.connections = 512000, {}, [], [], []
        self.faults = {}  # action: [what goes wrong, one request after the other; None = nothing]
        self.hold_sends = False  # until the command's end was told
        self.channel = None  # which a login must be bound to, as RFC 5929 writes it
        self.may_log_in = threading.Event()  # until then a login has no answer
        self.may_log_in.set()
        self.cut_logins = False  # once they tell who they are
        self.next_is_plain, self.next_leads_to = False, None  # of the answers, whatever was agreed
        self.close_after = 0  # this many answers on a connection, those of its login among them
        self.environment = {}  # of the commands, beside this process' own
        self.killed, self.home = [], folder / "winrm-home"
        self.home.mkdir(exist_ok=True)
        users = folder / "winrm-users"
        users.write_text(f"WORKGROUP:{user}:{password}\n:{user}:{password}\n")
        os.environ["NTLM_USER_FILE"] = str(users)
        self.server = ThreadingHTTPServer((address, port), Handler, bind_and_activate=False)
        self.server.daemon_threads, self.server.owner = True, self
        self.server.handle_error = self.handle_error
        self.server.verify_request = lambda request, client: client[0].startswith("127.")  # who runs commands here
        self.server.server_bind()
        self.server.server_activate()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.may_log_in.set()
        self.server.shutdown()
        self.server.server_close()
        for shell in list(self.shells):
            self.remove(shell)

    def handle_error(self, request, client):
        """A connection that the other side ended is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            ThreadingHTTPServer.handle_error(self.server, request, client)

    def new_context(self, scheme):
        """Both let in a login that is bound to nothing."""
        if self.kerberos:
            return Acceptor(self.channel)
        return spnego.server(hostname="127.0.0.1", service="http", protocol="negotiate",
                             channel_bindings=self.channel and GssChannelBindings(application_data=self.channel))

    def cut_connections(self):
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def fault(self, action):
        planned = self.faults.get(action)
        return planned.pop(0) if planned else None

    def actions(self):
        return [action for action, _ in self.requests]

    def shell_of(self, root):
        for selector in root.iterfind("s:Header/w:SelectorSet/w:Selector", NS):
            if selector.get("Name") == "ShellId" and selector.text in self.shells:
                return self.shells[selector.text]
        raise Fault("no_shell")

    def command_of(self, root, element):
        found = self.shell_of(root).get(root.find(element, NS).get("CommandId"))
        if not found:
            raise Fault("no_shell")
        return found

    def on_get(self, _root):
        return (f'<cfg:Config xmlns:cfg="http://schemas.microsoft.com/wbem/wsman/1/config"><cfg:MaxEnvelopeSizekb>'
                f"{self.max_envelope // 1024}</cfg:MaxEnvelopeSizekb><cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms></cfg:Config>")

    def on_create(self, root):
        shell = str(uuid.uuid4()).upper()
        self.shells[shell] = {}
        return (f"<x:ResourceCreated><a:Address>http://{self.port}/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{CMD}"
                f'</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
                f"</a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>")

    def on_command(self, root):
        shell, line = self.shell_of(root), root.find("s:Body/rsp:CommandLine", NS)
        words = line.findtext("rsp:Command", "", NS) + " " + " ".join(part.text or "" for part in line.iterfind("rsp:Arguments", NS))
        options = {option.get("Name"): option.text for option in root.iterfind("s:Header/w:OptionSet/w:Option", NS)}
        plain = options.get("WINRS_SKIP_CMD_SHELL") == "TRUE"
        wanted = root.find("s:Body/rsp:CommandLine", NS).get("CommandId")
        name = wanted or str(uuid.uuid4()).upper()
        shell[name] = Command(shlex.split(words) if plain else ["sh", "-c", words],
                              {**os.environ, "HOME": str(self.home), "USERNAME": self.user, **self.environment})
        return f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"

    def on_send(self, root):
        command = self.command_of(root, "s:Body/rsp:Send/rsp:Stream")
        for stream in root.iterfind("s:Body/rsp:Send/rsp:Stream", NS):
            if stream.text:
                command.input.put(base64.b64decode(stream.text, validate=True))
            if stream.get("End", "").upper() == "TRUE":
                command.input.put(None)
        if self.hold_sends:
            command.told.wait()
        return "<rsp:SendResponse/>"

    def on_receive(self, root):
        command = self.command_of(root, "s:Body/rsp:Receive/rsp:DesiredStream")
        name = root.find("s:Body/rsp:Receive/rsp:DesiredStream", NS).get("CommandId")
        seconds = float(re.fullmatch(r"PT([\d.]+)S", root.findtext("s:Header/w:OperationTimeout", "PT60S", NS))[1])
        limit = int(root.findtext("s:Header/w:MaxEnvelopeSize", "153600", NS)) // 2
        taken, done = command.take(seconds, limit)
        text = "".join(f'<rsp:Stream Name="{stream}" CommandId="{name}">{base64.b64encode(piece).decode()}</rsp:Stream>'
                       for stream, piece in taken)
        if not done:
            return f'<rsp:ReceiveResponse>{text}<rsp:CommandState CommandId="{name}" State="{SHELL}/CommandState/Running"/></rsp:ReceiveResponse>'
        text += "".join(f'<rsp:Stream Name="{stream}" CommandId="{name}" End="true"/>' for stream in ("stdout", "stderr"))
        status = command.process.wait()
        command.told.set()
        return (f'<rsp:ReceiveResponse>{text}<rsp:CommandState CommandId="{name}" State="{SHELL}/CommandState/Done"><rsp:ExitCode>'
                f"{status if status >= 0 else 2 ** 32 + status}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>")

    def on_signal(self, root):
        command = self.command_of(root, "s:Body/rsp:Signal")
        if root.findtext("s:Body/rsp:Signal/rsp:Code", "", NS).endswith(("/terminate", "/ctrl_c")):
            if command.process.poll() is None:
                self.killed.append(command.process.pid)
            command.kill()
        return "<rsp:SignalResponse/>"

    def on_delete(self, root):
        self.shell_of(root)
        self.remove(root.find("s:Header/w:SelectorSet/w:Selector", NS).text)
        return ""

    def remove(self, shell):
        for command in self.shells.pop(shell, {}).values():
            command.kill()

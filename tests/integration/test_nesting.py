"""plugins/nesting: its calls against grpcio, which knows nothing of ours, against servers that mean harm, and
`flotilla plugin check` over it."""

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import threading

import grpc
import pytest

from nesting_daemon import TYPES, Daemon
from nesting_served import Served

OK, INVALID, QUOTA, UNAVAILABLE = 0, -10001, -10003, -10005
CANCELLED, TIMEOUT, INTERNAL = -10011, -10012, -10014
PATIENCE = 60


class Plugin:
    """The slots of the plugin, each call in a process of its own."""

    def __init__(self, build, host, **settings):
        self.words = [str(build / "tests" / "integration" / "call_isolation"),
                      str(build / "plugins" / "nesting" / "nesting.so"),
                      json.dumps({"nesting_host": host, **settings})]
        self.dialled = ""

    def start(self, *words, time_ms=PATIENCE * 1000):
        """Its standard input stays open: an end would be a cancel."""
        return subprocess.Popen([*self.words, str(time_ms), *map(str, words)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, child):
        output, self.dialled = child.stdout.read(), child.stderr.read().strip()
        child.stdin.close()
        assert child.wait(PATIENCE) == 0, self.dialled
        *vms, last = output.splitlines()
        code, _, reason = last.partition(" ")
        return int(code), reason, [tuple(line.removeprefix("vm ").split("|")) for line in vms]

    def __call__(self, *words, **options):
        return self.finish(self.start(*words, **options))


@pytest.fixture
def path(folder):
    """As the daemon has it on a Mac: with a blank."""
    (folder / "Application Support").mkdir()
    return folder / "Application Support" / "nesting.sock"


@pytest.fixture
def daemon(path):
    served = Daemon(f"unix:{path}")
    yield served
    served.close()


@pytest.fixture
def plugin(build, path):
    return Plugin(build, f"unix://{path}")


def fail(status, text):
    return lambda request, context: context.abort(status, text)


def test_the_daemon_is_initialised_when_it_asks_for_it_and_asked_once_more(daemon, plugin, path, build):
    """Vector N18: a daemon that was restarted between jobs is none the worse."""
    assert plugin("list") == (OK, "", [])
    assert plugin.dialled == f"unix:{path}"
    assert daemon.names() == ["List", "Init", "List"]
    assert daemon.config == b"null"
    daemon.initialised, daemon.calls[:] = False, []
    configured = Plugin(build, f"unix:{path}", nesting_config={"image_directory": "/a/b"})
    assert configured("create", "mac", 0)[0] == OK
    assert daemon.names() == ["Create", "Init", "Create"]
    assert daemon.config == b'{"image_directory":"/a/b"}'


def test_another_one_that_was_faster_with_init_is_as_good(daemon, plugin):
    """Vector N19."""
    def faster(_):
        daemon.initialised = True
    daemon.before["Init"] = faster
    assert plugin("list")[0] == OK
    assert daemon.names() == ["List", "Init", "List"]


def test_a_failed_init_is_told_and_nothing_is_asked_again(daemon, plugin):
    daemon.faults["Init"] = fail(grpc.StatusCode.UNKNOWN, "invalid config: bad\nthing")
    code, reason, _ = plugin("create", "mac", 0)
    assert code == INTERNAL
    assert reason.endswith("/nesting.sock: Init: invalid config: bad thing (gRPC status 2)")
    assert daemon.names() == ["Create", "Init"]


def test_a_daemon_that_is_never_initialised_is_asked_twice(daemon, plugin):
    daemon.faults["Init"] = lambda *_: TYPES["InitResponse"]()
    code, reason, _ = plugin("list")
    assert code == INTERNAL
    assert reason.endswith(": List: not initialized (gRPC status 9)")
    assert daemon.names() == ["List", "Init", "List"]


def test_vms_by_slot_are_made_stomped_listed_and_removed(daemon, plugin):
    """Vectors N06, N09 and N10."""
    assert plugin("create", "mac", 0) == (OK, "", [("nesting-00000001", "mac", "192.168.64.1", "NULL")])
    assert plugin("create", "mac", 0) == (OK, "", [("nesting-00000002", "mac", "192.168.64.2", "nesting-00000001")])
    assert plugin("create", "mac", -1) == (OK, "", [("nesting-00000003", "mac", "192.168.64.3", "NULL")])
    assert not daemon.calls[-1][1].HasField("slot")
    code, _, vms = plugin("list")
    assert (code, [vm[0] for vm in vms]) == (OK, ["nesting-00000002", "nesting-00000003"])
    assert plugin("remove", "nesting-00000002") == (OK, "", [])
    assert plugin("remove", "nesting-00000002") == (OK, "", [])  # it is gone already
    assert plugin("create", "mac", 0)[2][0][3] == "NULL"


def test_a_delete_that_fails_is_no_success(daemon, plugin):
    daemon.initialised = True
    daemon.faults["Delete"] = fail(grpc.StatusCode.UNKNOWN, "stopping vm (a): deleting image: delete a: exit status 1")
    code, reason, _ = plugin("remove", "a")
    assert code == INTERNAL
    assert reason.endswith(": Delete: stopping vm (a): deleting image: delete a: exit status 1 (gRPC status 2)")


def test_the_deadline_goes_to_the_daemon_and_that_of_a_delete_is_a_minute(daemon, plugin):
    plugin("list", time_ms=3000000)
    plugin("remove", "a", time_ms=3000000)
    left = {name: seconds for name, _, seconds, _ in daemon.calls}
    assert 60 < left["List"] <= 3000
    assert 0 < left["Delete"] <= 60


def test_a_call_that_has_no_time_left_ends_on_both_sides(daemon, plugin):
    ended = threading.Event()
    daemon.initialised = True

    def hang(context):
        context.add_callback(ended.set)
        ended.wait(PATIENCE)
    daemon.before["Create"] = hang
    code, reason, _ = plugin("create", "mac", 0, time_ms=4000)
    assert code == TIMEOUT
    assert reason.endswith(": Create: it has not answered in time")
    assert ended.wait(PATIENCE)


def test_a_cancel_ends_the_call_on_both_sides(daemon, plugin):
    began, ended = threading.Event(), threading.Event()
    daemon.initialised = True

    def hang(context):
        context.add_callback(ended.set)
        began.set()
        ended.wait(PATIENCE)
    daemon.before["Create"] = hang
    child = plugin.start("create", "mac", 0)
    assert began.wait(PATIENCE)
    child.stdin.close()
    code, reason, _ = plugin.finish(child)
    assert code == CANCELLED
    assert reason.endswith(": Create: the call was cancelled")
    assert ended.wait(PATIENCE)


@pytest.mark.parametrize("answer, why", [
    (b"\x0a\x7f", "it answered with bytes that are no ListResponse"),
    (b"\x0a\x05\x0a\x03a b", "it answered with an id of a VM that is none"),
    (TYPES["ListResponse"](vms=[{"id": "a"}, {"id": "a"}]).SerializeToString(), "it answered with one VM twice"),
    (TYPES["ListResponse"](vms=[{"id": f"a{i}"} for i in range(65)]).SerializeToString(),
     "it answered with more than 64 VMs"),
    (b"\x0a" + b"\xff" * (1 << 20), "it sent a message of more than 1 MiB"),
], ids=["protobuf", "id", "twice", "many", "long"])
def test_answers_that_are_none(daemon, plugin, answer, why):
    daemon.initialised = True
    daemon.faults["List"] = lambda *_: answer
    code, reason, vms = plugin("list")
    assert (code, vms) == (INTERNAL, [])
    assert reason.endswith(f": List: {why}")


def test_what_the_daemon_says_is_one_line_of_text(daemon, plugin):
    daemon.initialised = True
    daemon.faults["Create"] = fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room für VMs: 100%\n\x1b[31m")
    code, reason, _ = plugin("create", "mac", 0)
    assert code == QUOTA
    assert reason.endswith(": Create: no room für VMs: 100%  [31m (gRPC status 8)")


def test_long_messages_pass_both_ways(daemon, build, path):
    """Longer than what HTTP/2 lets through at first."""
    long = Plugin(build, f"unix:{path}", nesting_config={"comment": "x" * 100000})
    padding = b"\x7a" + bytes([0xa0, 0xf7, 0x36]) + b"y" * 900000  # a field that nobody knows
    daemon.faults["Create"] = lambda request, context: (
        daemon.create(request, context).SerializeToString() + padding if daemon.initialised
        else context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not initialized"))
    assert long("create", "mac", 0) == (OK, "", [("nesting-00000001", "mac", "192.168.64.1", "NULL")])
    assert json.loads(daemon.config) == {"comment": "x" * 100000}


def test_our_own_daemon_serves_it(folder, build):
    served = Served(build, folder)
    plugin = Plugin(build, f"unix:{served.path}", nesting_config={"cpus": 2})
    assert plugin("list") == (OK, "", [])
    _, _, [(first, *shown)] = plugin("create", "mac", 0)
    assert shown == ["mac", "192.168.64.1", "NULL"]
    _, _, [(second, *shown)] = plugin("create", "mac", 0)
    assert shown == ["mac", "192.168.64.2", first]
    assert plugin("list")[2] == [(second, "", "192.168.64.2", "NULL")]
    assert plugin("remove", second) == (OK, "", [])
    assert plugin("remove", second) == (OK, "", [])
    served.kill()
    assert plugin("list")[0] == UNAVAILABLE
    served.start()
    assert plugin("create", "mac", 0)[0] == OK  # vector N18
    served.close()


def test_it_is_no_provider(folder, binary, build):
    """Named as one, it is refused by what it is."""
    plugins = folder / "plugins"
    plugins.mkdir()
    shutil.copyfile(build / "plugins" / "nesting" / "nesting.so", plugins / "nesting.so")
    (plugins / "nesting.so").chmod(0o600)
    config = folder / "config.toml"
    config.write_text('[[runners]]\n  name = "a"\n  url = "http://localhost"\n  token = "glrt-a"\n  executor = "instance"\n'
                      '  [runners.autoscaler]\n    plugin = "nesting"\n')
    config.chmod(0o600)
    checked = subprocess.run([binary, "config", "check", config, "--plugin-dir", plugins], text=True,
                             capture_output=True, timeout=PATIENCE)
    assert "is a plugin of another kind: has flotilla_isolation_v1, wanted flotilla_provider_v1" in (
        checked.stdout + checked.stderr)


def test_a_port_will_do(build):
    served = Daemon("127.0.0.1:0")
    plugin = Plugin(build, f"tcp://127.0.0.1:{served.port}")
    assert plugin("list")[0] == OK
    assert plugin.dialled == f"tcp:127.0.0.1:{served.port}"
    served.close()
    assert plugin("list")[:2] == (UNAVAILABLE, "nobody listens there")


@pytest.mark.parametrize("settings, why", [
    ({"nesting_host": 7}, "vm_isolation.nesting_host must be a string"),
    ({"nesting_host": "unix:relative"},
     "vm_isolation.nesting_host needs an absolute path, as in unix:///run/nesting.sock"),
    ({"nesting_host": "unix:///a", "nesting_config": []}, "vm_isolation.nesting_config must be a table"),
])
def test_settings_that_are_wrong(build, settings, why):
    plugin = Plugin(build, "")
    plugin.words[2] = json.dumps(settings)
    assert plugin("list") == (INVALID, why, [])


def test_an_image_that_would_be_an_option_is_not_asked_for(daemon, plugin):
    for image in ("", "--insecure"):
        assert plugin("create", image, 0)[:2] == (INVALID, "the image of a VM is empty or begins with '-'")
    assert daemon.calls == []


def test_the_conformance_kit_passes(daemon, path, folder, binary, build):
    """A copy, because a build directory may be writable by others."""
    plugin = folder / "nesting.so"
    shutil.copyfile(build / "plugins" / "nesting" / "nesting.so", plugin)
    plugin.chmod(0o600)
    (folder / "check.json").write_text(json.dumps({"nesting_host": f"unix://{path}", "image": "mac"}))
    daemon.vms["nesting-other"] = TYPES["VirtualMachine"](id="nesting-other")
    output = subprocess.run([binary, "plugin", "check", plugin, "--config", folder / "check.json"], text=True,
                            capture_output=True, timeout=300).stdout
    assert output.endswith("18 passed, 0 failed, 0 skipped\n"), output
    assert list(daemon.vms) == ["nesting-other"]


def test_the_conformance_kit_passes_with_our_own_daemon(folder, binary, build):
    served = Served(build, folder)
    plugin = folder / "nesting.so"
    shutil.copyfile(build / "plugins" / "nesting" / "nesting.so", plugin)
    plugin.chmod(0o600)
    (folder / "check.json").write_text(json.dumps({"nesting_host": f"unix://{served.path}", "image": "mac"}))
    output = subprocess.run([binary, "plugin", "check", plugin, "--config", folder / "check.json"], text=True,
                            capture_output=True, timeout=300).stdout
    assert output.endswith("18 passed, 0 failed, 0 skipped\n"), output
    assert served.vms() == []
    served.close()


# Servers that mean harm, frame by frame.

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value):
    """Of HPACK, behind a prefix of seven bits."""
    if value < 127:
        return bytes([value])
    coded, value = b"\x7f", value - 127
    while value > 127:
        coded, value = coded + bytes([value & 127 | 128]), value >> 7
    return coded + bytes([value])


def fields(**values):
    """As literals that nobody keeps."""
    coded = b""
    for name, value in values.items():
        name = {"status": ":status"}.get(name, name.replace("_", "-"))
        coded += b"\0" + integer(len(name)) + name.encode() + integer(len(value)) + value.encode()
    return coded


HELLO = frame(SETTINGS, 0, 0)
HEAD = frame(HEADERS, END_HEADERS, 1, fields(status="200", content_type="application/grpc"))
EMPTY = frame(DATA, 0, 1, bytes(5))
TRAILERS = frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(grpc_status="0", grpc_message=""))


class Raw:
    """Takes one connection, keeps the frames that come, sends `answer` when a call is there, and `then` when a PING is
    acknowledged; closes when the client does, or with `hang_up` at once."""

    def __init__(self, path, answer, hang_up=False, then=b""):
        self.answer, self.hang_up, self.then, self.frames = answer, hang_up, then, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        peer, _ = self.listener.accept()
        with peer, peer.makefile("rb") as stream, contextlib.suppress(ConnectionError):
            assert stream.read(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            while len(head := stream.read(9)) == 9:
                payload = stream.read(int.from_bytes(head[:3], "big"))
                self.frames.append((head[3], head[4], payload))
                if head[3] == DATA and head[4] & END_STREAM:
                    peer.sendall(self.answer)
                    if self.hang_up:
                        return
                if (head[3], head[4]) == (PING, ACK):
                    peer.sendall(self.then)

    def close(self):
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.listener.close()


@pytest.mark.parametrize("answer, code, why", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", INTERNAL, "it does not speak HTTP/2 as it should"),
    (HELLO + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 11) + b"too_many_pings"), UNAVAILABLE,
     "it ends the connection (HTTP/2 error 11, too_many_pings)"),
    (HELLO + frame(RESET, 0, 1, struct.pack(">I", 2)), INTERNAL, "it ended the call (HTTP/2 error 2)"),
    (HELLO + frame(RESET, 0, 1, struct.pack(">I", 7)), UNAVAILABLE, "it refuses the call"),
    (HELLO + HEAD + EMPTY + frame(HEADERS, 5, 1, fields(other="0")), INTERNAL,
     "it ended its answer without grpc-status"),
    (HELLO + frame(HEADERS, 5, 1, fields(status="404", content_type="text/html")), INTERNAL,
     "it answered with the HTTP status 404, which is no gRPC"),
    (HELLO + frame(HEADERS, 5, 1, fields(status="200", content_type="text/html", grpc_status="9")), INTERNAL,
     "it answered with another content-type than application/grpc"),
    (HELLO + HEAD + TRAILERS, INTERNAL, "it answered without a whole message"),
    (HELLO + HEAD + frame(DATA, 0, 1, bytes(4)) + TRAILERS, INTERNAL, "it answered without a whole message"),
    (HELLO + HEAD + frame(DATA, 0, 1, bytes(10)) + TRAILERS, INTERNAL, "it sent more than one message"),
    (HELLO + HEAD + frame(DATA, 0, 1, b"\1" + bytes(4)) + TRAILERS, INTERNAL,
     "it sent a message that is compressed, which nobody asked for"),
    (HELLO + HEAD + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff"), INTERNAL, "it sent a message of more than 1 MiB"),
    (HELLO + frame(HEADERS, 0, 1, fields(status="200", long="x" * 16000)) + frame(CONTINUATION, 4, 1, fields(
        more="x" * 400)), INTERNAL, "it sent headers of more than 16 KiB"),
    (HELLO + frame(HEADERS, 0, 1, fields(status="200")) + frame(CONTINUATION, 0, 1, fields(a="b")) * 9, INTERNAL,
     "it does not speak HTTP/2 as it should"),
    (HELLO + frame(PING, 0, 0, b"12345678") * 1000, INTERNAL, "it sent more than 1000 control frames in a minute"),
    (HELLO + frame(RESET, 0, 1, struct.pack(">I", 0)), INTERNAL, "it ended the call without an answer"),
    (frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 4096) * 33), INTERNAL, "it does not speak HTTP/2 as it should"),
    (HELLO + frame(DATA, 0, 1, b"early"), INTERNAL, "it does not speak HTTP/2 as it should"),
], ids=["http1", "goaway", "reset", "refused", "no_status", "404", "html", "no_message", "half", "two", "compressed",
        "long", "headers", "continuations", "pings", "ended", "settings", "early"])
def test_servers_that_mean_harm(path, plugin, answer, code, why):
    server = Raw(path, answer)
    got, reason, vms = plugin("list")
    assert (got, vms) == (code, [])
    assert f"/nesting.sock: List: {why}" in reason
    server.close()


def test_a_server_that_hangs_up(path, plugin):
    server = Raw(path, b"", hang_up=True)
    code, reason, _ = plugin("list")
    assert code == UNAVAILABLE
    assert reason.endswith(": List: it closed the connection")
    server.close()


def test_a_ping_is_acknowledged_and_none_is_sent(path, plugin):
    server = Raw(path, HELLO + frame(PING, 0, 0, b"abcdefgh"), then=HEAD + EMPTY + TRAILERS)
    assert plugin("list") == (OK, "", [])
    server.close()
    assert [kept for kept in server.frames if kept[0] == PING] == [(PING, ACK, b"abcdefgh")]


def test_a_server_that_says_nothing_hears_that_the_call_is_cancelled(path, plugin):
    server = Raw(path, HELLO)
    assert plugin("list", time_ms=4000)[0] == TIMEOUT
    server.close()
    assert (RESET, 0, struct.pack(">I", 8)) in server.frames


def test_the_call_has_the_bytes_of_the_reference(path, plugin):
    server = Raw(path, HELLO + HEAD + EMPTY + TRAILERS)
    assert plugin("list")[0] == OK
    server.close()
    assert [payload for kind, _, payload in server.frames if kind == DATA] == [bytes(5)]

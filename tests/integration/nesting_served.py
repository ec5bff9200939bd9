"""Our nesting daemon over the back end of tests (tests/fakes/backend_fake.c), and grpcio as its client."""

import json
import os
import signal
import subprocess

import grpc

from checker.run import wait_for
from nesting_daemon import TYPES

PATIENCE = 60


class Client:
    """A connection of its own."""

    def __init__(self, path):
        self.channel = grpc.insecure_channel(f"unix:{path}", options=[("grpc.use_local_subchannel_pool", 1)])

    def begin(self, method, timeout=PATIENCE, **fields):
        """Of Create, `image` is the name."""
        if "image" in fields:
            fields["name"] = fields.pop("image")
        made = TYPES[method + "Request"](**fields)
        call = self.channel.unary_unary(f"/nesting.Nesting/{method}", TYPES[method + "Request"].SerializeToString,
                                        TYPES[method + "Response"].FromString)
        return call.future(made, timeout=timeout)

    def __call__(self, method, **fields):
        return self.begin(method, **fields).result()

    def raw(self, method, data):
        """Bytes in and out."""
        return self.channel.unary_unary(f"/nesting.Nesting/{method}")(data, timeout=PATIENCE)

    def error(self, method, **fields):
        return failure(self.begin(method, **fields))

    def create(self, *slot, image="mac", **options):
        return self("Create", image=image, **dict(zip(["slot"], slot)), **options)

    def ids(self):
        return sorted(vm.id for vm in self("List").vms)

    def close(self):
        self.channel.close()


def failure(future):
    """(status, text) of a call that must fail."""
    error = future.exception(timeout=PATIENCE)
    assert error is not None
    return error.code().value[0], error.details()


class Served:
    """The daemon's process; what it keeps stays when it is started again."""

    def __init__(self, build, folder, place=None, config=None):
        self.program, self.folder = build / "tests" / "fakes" / "fake-nesting", folder
        self.path, self.state = folder / "Application Support" / "nesting.sock", (place or folder) / "state"
        self.fake, self.log = self.state / "fake", folder / "log"
        self.words = ["serve", "-state", self.state, *(["-config", config] if config else [])]
        self.child, self.clients = None, []
        self.start()

    def environment(self):
        """On a slow machine a call may need longer to finish than the daemon gives it when it stops."""
        return {"FLOTILLA_LIMITS": "nesting_finish=600000", **os.environ, "NESTING_SOCKET": str(self.path)}

    def start(self):
        begin = self.logged().count("listens at")
        with self.log.open("a") as log:
            self.child = subprocess.Popen([self.program, *map(str, self.words)], env=self.environment(), stderr=log,
                                          stdin=subprocess.DEVNULL)
        assert wait_for(lambda: self.logged().count("listens at") > begin, PATIENCE), self.logged()

    def logged(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_logged(self, text, times=1):
        assert wait_for(lambda: self.logged().count(text) >= times, PATIENCE), (text, self.logged())

    def client(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def initialised(self, **config):
        client = self.client()
        client("Init", config=json.dumps(config).encode())
        return client

    def run(self, *words):
        """A command of the same program."""
        return subprocess.run([self.program, *words], env=self.environment(), capture_output=True, text=True,
                              timeout=PATIENCE)

    def order(self, name, text=""):
        (self.fake / name).write_text(text)

    def lift(self, name):
        (self.fake / name).unlink()

    def journal(self):
        """[(what, id)]. A line that is just being written may be there in part."""
        path = self.fake / "journal"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [tuple(line.split(" ")) for line in whole.splitlines()]

    def noted(self, what):
        return [vm for kind, vm in self.journal() if kind == what]

    def wait_noted(self, what, times=1):
        assert wait_for(lambda: len(self.noted(what)) >= times, PATIENCE), (what, self.journal())

    def vms(self):
        return sorted(os.listdir(self.fake / "vms"))

    def kept(self):
        """What vms.json says: {id: slot}"""
        path = self.state / "vms.json"
        return {vm["id"]: vm.get("slot") for vm in json.loads(path.read_text())["vms"]} if path.exists() else {}

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self):
        return self.child.wait(PATIENCE)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self):
        for client in self.clients:
            client.close()
        if self.child.poll() is None:
            self.kill()

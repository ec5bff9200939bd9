"""`flotilla doctor`: each of its checks finds what is broken for it, and nothing where all is well."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from checker.run import PATIENCE
from machines import Machine

ENTRY = """concurrent = 2
[[runners]]
  name = "only"
  url = "{url}"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
{runner}  [runners.autoscaler]
    plugin = "{plugin}"
    max_instances = 2
    [runners.autoscaler.plugin_config]
{plugin_config}
"""


@contextlib.contextmanager
def gitlab(verify=200, ahead_s=0, context=None):
    """A GitLab that says whether it knows a runner, and what the time is."""
    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return formatdate(time.time() + ahead_s, usegmt=True)

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(302, b"")

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(verify, b'{"id": 7}')

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def doctor(folder, binary, build):
    def ask(url, *prefix, plugin="local", runner="", plugin_config='      name = "doctor"', state_mode=0o700, dirs=None, status=1,
            loopback=None, settings=""):
        config, state = folder / "config.toml", folder / "state"
        config.write_text(settings + ENTRY.format(url=url, plugin=plugin, runner=runner, plugin_config=plugin_config))
        config.chmod(0o600)
        state.mkdir(exist_ok=True)
        state.chmod(state_mode)
        dirs = dirs or f"{build / 'plugins' / 'local'}:{build / 'plugins' / 'static'}"
        result = subprocess.run([*prefix, binary, "doctor", "--config", config, "--state-dir", state, "--plugin-dir", dirs],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                                env={**os.environ, **({"FLOTILLA_LOOPBACK": str(loopback)} if loopback else {})})
        assert (result.returncode, result.stderr) == (status, ""), result.stdout
        return {line.split(": ")[0]: line for line in result.stdout.splitlines()}
    return ask


def test_all_is_well(doctor, folder, binary):
    with gitlab() as url:
        lines = doctor(url, status=0)
        assert lines["OK    gitlab"] == f"OK    gitlab: {url} answers"
        assert lines["OK    token"] == f"OK    token: runner 'only' is known to {url}"
        assert lines["OK    clock"] == f"OK    clock: as that of {url}"
        assert {"OK    configuration", "OK    state directory", "OK    descriptors", "OK    plugin", "OK    open",
                "OK    list"} <= set(lines)
        assert lines["OK    list"].endswith(": its instances are those that the manager makes on this machine; they are not "
                                            "looked at here")
        # No manager runs; the machine may have little room and an old kernel.
        assert {line for line in lines if not line.startswith("OK")} - {"WARN  sandbox", "WARN  disk"} == {"WARN  manager"}
        result = subprocess.run([binary, "doctor", "--config", folder / "config.toml", "--state-dir", folder / "state",
                                 "--json"], capture_output=True, text=True, timeout=PATIENCE)
    findings = json.loads(result.stdout)["findings"]
    assert result.returncode == 1  # no --plugin-dir, and so no plugin
    assert [f["level"] for f in findings if f["subject"] == "plugin"] == ["FAIL"]
    assert all(set(f) <= {"level", "subject", "sentence", "fix"} for f in findings)
    assert not (folder / ".runner_system_id").exists()


def test_a_gitlab_that_cannot_be_reached(doctor):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lines = doctor(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert "look whether it runs, and at firewalls and proxies" in lines["FAIL  gitlab"]
    assert "look at the url's spelling" in doctor("http://gitlab.invalid")["FAIL  gitlab"]
    assert not any("token" in line for line in lines)


def test_a_token_that_gitlab_does_not_know(doctor):
    with gitlab(verify=403) as url:
        assert f"runner 'only' is not known to {url}: it was removed" in doctor(url)["FAIL  token"]


def test_a_clock_that_is_wrong(doctor):
    with gitlab(ahead_s=3600) as url:
        assert "s before that of http" not in doctor(url, status=0)["WARN  clock"]
    with gitlab(ahead_s=-3600) as url:
        assert "s before that of http" in doctor(url, status=0)["WARN  clock"]


@pytest.mark.parametrize("days,level", [(5, "WARN"), (90, "OK  ")])
def test_certificates_that_expire_or_prove_nothing(days, level, doctor, folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", str(days), "-keyout",
                    folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with gitlab(context=context) as url:
        lines = doctor(url, runner=f'  tls-ca-file = "{folder / "cert.pem"}"\n', status=0)
        assert f"{level}  certificate" in lines, lines
        assert "put the certificate of who signed it into tls-ca-file" in doctor(url)["FAIL  gitlab"]


def test_this_machine(doctor):
    with gitlab() as url:
        assert "chmod 700 it" in doctor(url, state_mode=0o755)["FAIL  state directory"]
        lines = doctor(url, "prlimit", "--nofile=200:200")
        assert "a process may have 200, 2 jobs need 264; raise the hard limit" in lines["FAIL  descriptors"]


def test_too_few_processes(doctor):
    """Which mean nothing to root: in a namespace of its own this user is another."""
    def allowed(n):
        return ["unshare", "--user", "--map-user=1000", "prlimit", f"--nproc={n}:{n}"]

    with gitlab() as url:
        assert (doctor(url, *allowed(67))["FAIL  processes"]
                == "FAIL  processes: this user may have 67, 2 jobs need up to 68; raise it (LimitNPROC= of the unit, or "
                   "limits.conf), or lower concurrent")
        assert not any("processes" in line for line in doctor(url, *allowed(68), status=0))


# A kernel that does not know the call: runs the rest of its arguments with it refused.
WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
LANDLOCK_CREATE_RULESET = 444  # on each architecture
program = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
libc = ctypes.CDLL(None, use_errno=True)
filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter_, 0, 0):
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_sandbox_that_is_not_whole(doctor):
    with gitlab() as url:
        told = doctor(url, sys.executable, "-c", WITHOUT_LANDLOCK, status=0)["WARN  sandbox"]
        if "in a build with sanitizers" in told:
            pytest.skip(told)
        assert ", files and ports not limited: this kernel has no Landlock; a kernel from 5.13 on" in told
        told = doctor(url, settings="worker_seccomp = false\n", status=0)["WARN  sandbox"]
        assert "system calls are not filtered (worker_seccomp is off)" in told
        assert told.endswith("; set worker_seccomp = true, or leave it out")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_root_looks_at_the_directory_of_the_service(doctor, folder):
    (folder / "state").mkdir(mode=0o700)
    os.chown(folder / "state", 65534, -1)
    with gitlab() as url:
        assert doctor(url, status=0)["OK    state directory"].endswith("is user 65534's alone, as whom the manager has to run")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full(doctor, folder):
    (folder / "state").mkdir(mode=0o700)
    small = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=4m,mode=700 tmpfs {folder}/state && exec "$@"', "sh"]
    with gitlab() as url:
        assert "below 8 no job is asked for" in doctor(url, *small)["FAIL  disk"]


def test_plugins_and_what_their_clouds_refuse(doctor, folder, build):
    with gitlab() as url:
        assert "`flotilla plugin list` shows" in doctor(url, plugin="nothing")["FAIL  plugin"]
        lines = doctor(url, plugin_config='      name = "doctor"\n      state_dir = "relative"')
        assert "state_dir must be an absolute path; look at plugin_config" in lines["FAIL  open"]
        (folder / "plugins").mkdir()
        copy = folder / "plugins" / "local.so"
        copy.write_bytes((build / "plugins" / "local" / "local.so").read_bytes())
        copy.chmod(0o777)
        lines = doctor(url, dirs=str(folder / "plugins"))
        assert any(line.startswith("FAIL") and "chmod" in line for line in lines.values()), lines


def test_an_instance_that_runs_is_greeted(doctor, folder, build):
    """Wherever its provider says that it is."""
    machine, cloud = Machine(folder, "east"), folder / "cloud"
    cloud.mkdir()
    (cloud / "list").write_text("east 1\n")
    (cloud / "addresses").write_text("10.0.0.1\n")

    def look(url, port, **options):
        return doctor(url, plugin=build / "tests" / "fakes" / "scripted_provider.so",
                      plugin_config=f'      dir = "{cloud}"', loopback=port, **options)

    with gitlab() as url:
        lines = look(url, machine.port, status=0)
        assert f"instance east answers at 127.0.0.1 port {machine.port} as SSH-2.0-OpenSSH" in lines["OK    ssh"]
        machine.close()
        assert "Connection refused; look at the instance's sshd" in look(url, machine.port)["FAIL  ssh"]
        with socket.create_server(("127.0.0.1", 0)) as other:
            threading.Thread(target=lambda: other.accept()[0].sendall(b"220 mail\r\n"), daemon=True).start()
            lines = look(url, other.getsockname()[1])
            assert "what answers there is no SSH server" in lines["FAIL  ssh"]

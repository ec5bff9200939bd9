"""GitLab's web terminal: a person's shell on a job's instance, over the manager's session server, by an independent
websocket client that knows what GitLab was told with the request for the job."""

import base64
import re
import ssl
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import lie, lying_run
from test_logs import refusing_finals
from test_metrics import free_port
from test_restart import BOOTS, states
from test_run import assert_nothing_lost, wait_for_trace
from vm_run import VmRun

RAW, BASE64 = "terminal.gitlab.com", "base64.terminal.gitlab.com"
FLOOD = 32 << 20


class Person:
    """Somebody at the terminal of a session, as GitLab's workhorse connects them."""

    def __init__(self, session, protocol=RAW, token=None, path="/exec"):
        self.seen = b""
        self.encoded = protocol == BASE64
        self.socket = connect(session["url"].replace("https:", "wss:") + path,
                              ssl=ssl.create_default_context(cadata=session["certificate"]),
                              additional_headers={"Authorization": token or session["authorization"]},
                              subprotocols=protocol and [protocol], compression=None, max_size=None,
                              open_timeout=PATIENCE, close_timeout=PATIENCE, max_queue=4, proxy=None).__enter__()

    def type(self, text):
        data = text.encode()
        self.socket.send(base64.b64encode(data).decode() if self.encoded else data)

    def read(self) -> bytes:
        message = self.socket.recv(timeout=PATIENCE)
        assert isinstance(message, str) == self.encoded
        return base64.b64decode(message) if self.encoded else message

    def see(self, text):
        """Until that was printed; what came before it is in `seen`, too."""
        while text.encode() not in self.seen:
            self.seen += self.read()

    def see_end(self) -> int:
        """Until it has ended; returns the code."""
        while True:
            try:
                self.seen += self.read()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    def ask(self, command) -> str:
        """What the shell prints."""
        self.seen = b""
        self.type(f"{command}; echo that is $((6 * 7))\n")
        self.see("that is 42")
        return self.seen.decode()

    def leave(self):
        self.socket.close()


def status_of(session, **options) -> int:
    """With which an attempt to sit down is refused."""
    with pytest.raises(InvalidStatus) as refused:
        Person(session, **options)
    return refused.value.response.status_code


def plain_status(session, path="/exec") -> int:
    """Of a request that is none for a websocket."""
    request = urllib.request.Request(session["url"] + path, headers={"Authorization": session["authorization"]})
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=session["certificate"])))
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(request, timeout=PATIENCE)
    return refused.value.code


def with_sessions(run, settings="", port=0) -> Run:
    run.config.write_text(run.config.read_text() + f'[session_server]\n  listen_address = "127.0.0.1:{port}"\n{settings}')
    return run


def begin(run, job, line="line 0020") -> dict:
    """Starts it; the session that GitLab was offered with the request which brought the job, once that runs."""
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, job.id, line.encode())
    return run.coordinator.jobs[job.id].request["session"]


def told(run, job_id, line) -> bool:
    return line.encode() in bytes(run.coordinator.jobs[job_id].trace)


def come(session, **options) -> Person:
    """As soon as whoever was there before has been missed."""
    people = []

    def try_it():
        try:
            people.append(Person(session, **options))
        except InvalidStatus as refused:
            assert refused.response.status_code == 423
        return people

    assert wait_for(try_it)
    return people[0]


def test_a_person_works_beside_the_job(folder, binary, plugin_dir):
    run = with_sessions(Run(folder, binary, plugin_dir, shell="bash"))
    job = run.held_job(1)
    session = begin(run, job)
    features = run.coordinator.jobs[1].request["info"]["features"]
    assert (features["session"], features["terminal"], features["proxy"]) == (True, True, False)
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+/session/[0-9a-f]{64}", session["url"])
    assert re.fullmatch(r"[0-9a-f]{64}", session["authorization"])

    person = Person(session)
    shown = person.ask("stty size; tty; pwd; echo $0 $TERM")
    assert "24 80\r\n" in shown and re.search(r"^/dev/pts/\d+\r$", shown, re.M)
    assert re.search(r"^/\S+/g/p\r$", shown, re.M) and "bash xterm-256color\r\n" in shown
    hidden = job.secrets[0]
    shown = person.ask(f"printf '<%s%s>\\n' {hidden[:10]} {hidden[10:]}")
    assert "<[MASKED]>" in shown and hidden not in shown

    assert status_of(session) == 423
    assert status_of(session, token="0" * 64) == 401
    assert status_of(session, token=session["authorization"] + "0") == 401
    assert status_of(session, path="/proxy/service/80/") == 404
    assert status_of(session, path="/else") == 404
    assert status_of({**session, "url": session["url"][:-64] + "0" * 64}) == 404
    assert status_of(session, protocol=None) == 400
    assert (plain_status(session), plain_status(session, "/else")) == (405, 404)

    person.leave()
    person = come(session, protocol=BASE64)
    assert "24 80\r\n" in person.ask("stty size")
    person.type("exit\n")
    assert person.see_end() == 1000
    person = come(session)
    person.socket.send("text where bytes are awaited")
    assert person.see_end() == 1003
    person = come(session)
    person.socket.socket.close()  # cut off
    person = come(session)
    person.type("exit\n")
    assert person.see_end() == 1000  # so the worker knows, too, that nobody is there any more
    run.release(1)
    assert_nothing_lost(run, run.finish())
    assert not told(run, 1, "Terminal is connected")


def test_a_secret_is_hidden_however_slowly_it_is_printed(folder, binary, plugin_dir):
    run = with_sessions(Run(folder, binary, plugin_dir, shell="bash"))
    job = run.held_job(1)
    person, hidden = Person(begin(run, job)), job.secrets[0]
    shown = person.ask(f"printf '<'; for c in {' '.join(hidden)}; do printf %s $c; sleep 0.1; done; echo '>'")
    assert shown.count("<[MASKED]>\r\n") == 1
    # Of what a person types the beginning is seen at once, and the rest is hidden.
    person.type(hidden[:4])
    person.see(hidden[:4])
    for letter in hidden[4:]:
        person.type(letter)
    person.see("[MASKED]")
    person.type("\x15")  # the shell forgets the line
    person.ask("true")
    person.leave()
    assert hidden[:8] not in person.seen.decode()
    run.release(1)
    assert_nothing_lost(run, run.finish())


def test_a_job_that_has_ended_stays_for_who_is_connected(folder, binary, plugin_dir):
    run = with_sessions(Run(folder, binary, plugin_dir))
    person = Person(begin(run, run.held_job(1)))
    person.ask("true")
    run.release(1)
    assert wait_for(lambda: told(run, 1, "Terminal is connected, will time out in 9m")), run.log_tail()
    assert "/g/p\r\n" in person.ask("pwd")
    assert not run.coordinator.jobs[1].ended
    person.type("exit\n")
    assert person.see_end() == 1000
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    assert told(run, 1, "Terminal disconnected")
    assert_nothing_lost(run, run.finish())


def test_who_stays_too_long_is_told(folder, binary, plugin_dir):
    run = with_sessions(Run(folder, binary, plugin_dir), "  session_timeout = 1\n")
    person = Person(begin(run, run.held_job(1)))
    person.ask("true")
    run.release(1)
    assert person.see_end() == 1000
    assert b"\r\nThe job has ended.\r\n" in person.seen
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    assert told(run, 1, "Terminal is connected, will time out in 1s...")
    assert told(run, 1, "terminal session timed out (maximum time allowed - 1s)")
    assert_nothing_lost(run, run.finish())


def test_a_cancel_ends_the_terminal(folder, binary, plugin_dir):
    run = with_sessions(Run(folder, binary, plugin_dir))
    # GitLab tells of a cancel when it is sent something, and this one prints a line each second, until it is canceled.
    job = make_job(1, str(run.marks), lines=300, seconds=300)
    job.lost_as = "job_canceled"
    person = Person(begin(run, job, "line 0001"))
    person.ask("true")
    run.coordinator.cancel(1)
    assert person.see_end() == 1000
    assert b"\r\nThe job was canceled.\r\n" in person.seen
    assert_nothing_lost(run, run.finish())


def test_a_terminal_is_there_again_after_a_kill_and_not_after_the_job(folder, binary, plugin_dir):
    """What GitLab was told with the request holds as long as the job: address, certificate, token."""
    refusing = [True]
    run = with_sessions(Run(folder, binary, plugin_dir, coordinator=refusing_finals(refusing)), port=free_port())
    session = begin(run, run.held_job(1))
    person = Person(session)
    person.ask("true")
    run.kill()
    assert person.see_end() == 1006
    run.start()
    assert run.wait_up()
    person = come(session)
    assert "no instance yet" not in person.ask("true")
    person.type("exit\n")
    assert person.see_end() == 1000
    assert status_of(session, token="0" * 64) == 401
    run.release(1)
    assert wait_for(lambda: states(run) == {1: "finished"}), run.log_tail()
    assert status_of(session) == 404
    run.kill()
    run.start()
    assert run.wait_up()
    assert status_of(session) == 404
    refusing.clear()
    assert_nothing_lost(run, run.finish())
    assert not told(run, 1, "Terminal is connected")


def test_a_person_may_come_before_the_instance(folder, binary, plugin_dir, fakes):
    run = with_sessions(lying_run(folder, binary, plugin_dir, fakes, BOOTS, max_instances=1))
    run.prefix = []
    run.coordinator.add(run.held_job(1))
    run.start()
    assert wait_for(lambda: states(run) == {1: "acknowledged"}), run.log_tail()
    person = Person(run.coordinator.jobs[1].request["session"])
    person.see("The job has no instance yet; its shell comes with it.\r\n")
    lie(run)
    assert "/g/p\r\n" in person.ask("pwd")
    person.leave()
    run.release(1)
    assert_nothing_lost(run, run.finish())


def test_the_shell_of_a_job_in_a_vm_is_in_the_vm(folder, binary, build, plugin_dir):
    run = with_sessions(VmRun(folder, binary, build, plugin_dir))
    try:
        person = Person(begin(run, run.held_job(1)))
        vm, = run.daemon.machines
        assert f"vm:{vm}\r\n" in person.ask("echo $FLOTILLA_LOCAL_INSTANCE")
        run.release(1)
        assert wait_for(lambda: told(run, 1, "Terminal is connected")), run.log_tail()
        assert run.daemon.deleted() == []
        person.type("exit\n")
        assert person.see_end() == 1000
        assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
        assert wait_for(lambda: run.daemon.deleted() == [vm])
        assert_nothing_lost(run, run.finish())
    finally:
        run.daemon.close()


def memory_of(process) -> int:
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) << 10


def test_a_slow_person_stops_the_terminal_and_nothing_else(folder, binary, plugin_dir, sanitized):
    run = with_sessions(Run(folder, binary, plugin_dir, capacity=2))
    person = Person(begin(run, run.held_job(1)))
    person.ask("true")
    before = memory_of(run.process)
    person.type(f"head -c {FLOOD} /dev/zero | tr '\\000' 0; echo; echo that is $((6 * 7))\n")
    person.seen = b""
    person.see("000000")
    run.coordinator.add(make_job(2, str(run.marks)))
    assert run.coordinator.wait_ended(2, PATIENCE), run.log_tail()
    assert sanitized or memory_of(run.process) - before < FLOOD // 4
    zeros = person.seen.count(b"0")
    while b"that is 42" not in person.seen:
        piece = person.read()
        zeros += piece.count(b"0")
        person.seen = person.seen[-100:] + piece
    assert zeros >= FLOOD
    person.leave()
    run.release(1)
    assert_nothing_lost(run, run.finish())

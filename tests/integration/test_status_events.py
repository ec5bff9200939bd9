"""What a manager tells its status page: events, samples, sentences and the end of a log, of real jobs."""

import http.client
import json
import socket
from contextlib import contextmanager

import pytest

from browser import CHROMIUM
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from scripted import CREATING
from test_run import assert_nothing_lost, wait_for_trace
from test_status_page import EVIL, Page


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listen(manager, more=""):
    """The manager of a Run or a Scripted shows its status page; `more` is configuration."""
    port = free_port()
    manager.config.write_text(f'listen_address = "127.0.0.1:{port}"\n' + manager.config.read_text() + more)
    return Shown(port)


class Shown:
    def __init__(self, port):
        self.port = port

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()

    def ask(self, path):
        answer = self.get(path)
        assert answer.status == 200, answer.read()
        return json.load(answer)

    @contextmanager
    def events(self, path, **headers):
        """(id, kind, data) of each, as they come."""
        with self.get(path, **headers) as answer:
            assert answer.status == 200 and answer.getheader("content-type") == "text/event-stream", answer.read()
            yield read_events(answer)


def read_events(answer):
    fields = {}
    for line in iter(answer.readline, b""):
        line = line.decode().rstrip("\r\n")
        if line and not line.startswith(":"):
            name, value = line.split(": ", 1)
            fields[name] = value
        elif not line and fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


class Model:
    """What a page knows after these events."""

    def __init__(self):
        self.things, self.kinds, self.last = {}, [], ""

    def take(self, event):
        self.last, kind, data = event
        self.kinds.append(kind)
        if kind == "snapshot":
            self.things = {}
        for key in data["gone"]:
            del self.things[key]  # only what is there can go
        self.things.update(data["set"])

    def follow(self, events, condition):
        while not condition():
            self.take(next(events))

    def of(self, kind):
        return [thing for key, thing in self.things.items() if key.startswith(kind)]


@pytest.fixture
def run(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1, idle_count=1, idle_time="1h")
    run.web = listen(run)
    return run


def begin(run, **options):
    """A job runs and is held; the page's model, which knows it, and the job's seq."""
    job = run.held_job(1, **options)
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, job.lines[-1][:9].encode())
    model = Model()
    with run.web.events("/status/events") as events:
        model.follow(events, lambda: model.of("job/"))
    return model, model.of("job/")[0]["seq"]


def test_it_tells_a_snapshot_and_then_what_changes(run):
    _, seq = begin(run, name=EVIL[3])
    model = Model()
    with run.web.events("/status/events") as events:
        model.follow(events, lambda: model.of("job/"))
        [job], [instance], [group] = model.of("job/"), model.of("instance/"), model.of("group/")
        assert (job["phase"], job["stage"], job["id"]) == ("running", "step_script", 1)
        assert job["name"] == "lint \\xe2\\x80\\xaegnp.exe"  # the mark is shown, not heeded
        assert (instance["condition"], instance["slots"], instance["id"]) == ("busy", [seq], job["instance"])
        assert (group["name"], group["max"]) == ("checker", 1) and group["why"]
        run.release(1)
        model.follow(events, lambda: not model.of("job/"))
        assert model.kinds[0] == "snapshot" and "snapshot" not in model.kinds[1:]
        instance = model.of("instance/")[0]
        assert instance["uses"] == 1 and instance["slots"] == [0]
    assert_nothing_lost(run, run.finish())


def test_it_says_why_a_job_waits(scripted):
    manager = scripted()
    web = listen(manager)
    manager.show()
    manager.start()
    manager.wait_lists(2)
    manager.coordinator.add(make_job(1, str(manager.folder / "marks")))
    manager.wait(lambda: manager.told("increased"), "an instance is ordered")
    manager.show("i-1", state=CREATING)
    model = Model()
    with web.events("/status/events") as events:
        model.follow(events, lambda: model.of("job/") and model.of("instance/"))
        [job], [instance] = model.of("job/"), model.of("instance/")
        assert (job["phase"], job["instance"], instance["condition"]) == ("waiting", "", "creating")
        model.follow(events, lambda: model.of("group/")[0]["waiting"] == 1)
        [line] = web.ask(f"/status/explain?seq={job['seq']}")["lines"]
        assert "number 1 of 1 that wait for a slot" in line
        # What is told of another is told alone: nothing else changes only because time goes on.
        manager.show("i-1", "i-2", state=CREATING)
        told = []
        while "instance/scripted/i-2" not in told:
            told += next(events)[2]["set"]
        assert f"job/{job['seq']}" not in told and "instance/scripted/i-1" not in told
    assert web.ask("/status/explain?seq=99999") == {"lines": []}


def test_who_comes_back_gets_what_was_missed_and_others_a_snapshot(run):
    model, _ = begin(run)
    run.release(1)
    assert wait_for(lambda: run.coordinator.jobs[1].ended), run.log_tail()
    with run.web.events("/status/events", Last_Event_ID=model.last) as events:
        model.follow(events, lambda: not model.of("job/"))
    assert model.kinds.count("snapshot") == 1
    for known in [f"{model.last.split('-')[0]}-999999", "nonsense"]:
        with run.web.events(f"/status/events?after={known}") as events:
            assert next(events)[1] == "snapshot"
    history = run.web.ask("/status/history")
    assert history["columns"][0] == "at" and len(history["rows"]) >= 1
    assert all(len(row) == len(history["columns"]) for row in history["rows"])
    assert run.web.ask(f"/status/history?after={history['rows'][-1][0] + 3600000}")["rows"] == []
    assert_nothing_lost(run, run.finish())


def test_samples_go_on_over_a_restart(scripted):
    manager = scripted()
    web = listen(manager)
    manager.show()
    manager.start()
    manager.wait(lambda: socket_is_open(web.port) and web.ask("/status/history")["rows"], "a sample is taken")
    before = web.ask("/status/history")
    manager.kill()
    manager.start()
    manager.wait(lambda: socket_is_open(web.port), "it listens")
    assert web.ask("/status/history")["rows"][:len(before["rows"])] == before["rows"]
    manager.kill()
    (manager.state_dir / "history").write_bytes(b"of another version")
    manager.start()
    manager.wait(lambda: socket_is_open(web.port), "it listens")
    manager.wait(lambda: len(web.ask("/status/history")["rows"]) >= 1, "samples begin anew")


def read_log(events, condition):
    text = ""
    while not condition(text):
        text += next(events)[2]["text"]
    return text


@pytest.mark.sample
def test_a_log_is_shown_as_it_grows_masked_and_to_its_end(run):
    _, seq = begin(run)
    with run.web.events(f"/status/log?seq={seq}") as events:
        text = read_log(events, lambda text: "line 0020" in text)
        run.release(1)
        end = None
        for _, kind, data in events:
            if kind == "end":
                end = data["sentence"]
                break
            text += data["text"]
        assert end == "The job has ended; GitLab has its whole log."
    assert wait_for(lambda: run.coordinator.jobs[1].ended)
    assert text.encode() == bytes(run.coordinator.jobs[1].trace)
    assert run.coordinator.jobs[1].job.secrets[0] not in text and "[MASKED]" in text
    assert run.web.get(f"/status/log?seq={seq}").status == 404
    assert run.web.get("/status/log?seq=x").status == 404
    assert_nothing_lost(run, run.finish())


def test_of_a_long_log_only_the_end_is_shown(run):
    _, seq = begin(run, lines=3000)
    with run.web.events(f"/status/log?seq={seq}") as events:
        number, _, first = next(events)
        text = first["text"] + read_log(events, lambda text: "line 3000" in text and text.endswith("\n"))
    assert first["skipped"] > 0 and len(text.encode()) <= 65536
    assert wait_for(lambda: bytes(run.coordinator.jobs[1].trace).endswith(text.encode()))
    whole = bytes(run.coordinator.jobs[1].trace).decode()
    assert whole[:-len(text)].endswith("\n")
    assert len(whole) - len(text) == first["skipped"]
    # Who lost the connection goes on behind what it has.
    with run.web.events(f"/status/log?seq={seq}", Last_Event_ID=number) as events:
        assert text.removeprefix(first["text"]).startswith(next(events)[2]["text"])
    run.release(1)
    assert_nothing_lost(run, run.finish())


def test_a_watcher_that_does_not_read_holds_nobody_up(run):
    """It is still there when all is over, and the others have seen everything."""
    begin(run)
    deaf = socket.create_connection(("127.0.0.1", run.web.port))
    deaf.sendall(f"GET /status/events HTTP/1.1\r\nHost: 127.0.0.1:{run.web.port}\r\n\r\n".encode())
    model = Model()
    with run.web.events("/status/events") as events:
        model.follow(events, lambda: model.of("job/"))
        run.release(1)
        model.follow(events, lambda: not model.of("job/"))
    deaf.close()
    assert_nothing_lost(run, run.finish())


def test_the_log_of_a_job_that_may_show_secrets_is_not_shown(run):
    job = run.held_job(1)
    job.payload["variables"].append({"key": "CI_DEBUG_TRACE", "value": "true", "public": True, "masked": False})
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    model = Model()
    with run.web.events("/status/events") as events:
        model.follow(events, lambda: model.of("job/"))
    seq = model.of("job/")[0]["seq"]
    with run.web.events(f"/status/log?seq={seq}") as events:
        assert next(events)[1:] == ("end", {"sentence": "This job's log may show what is hidden otherwise (CI_DEBUG_TRACE): "
                                                        "GitLab shows it to those who may read it."})
    run.release(1)
    run.finish()


def test_a_browser_shows_a_manager_and_its_jobs(run, build, tmp_path):
    if not CHROMIUM:
        pytest.skip("chromium is not installed: nothing opens the status page")
    run.coordinator.add(run.held_job(1, name=EVIL[0]))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    page = Page(tmp_path / "profile", build / "screenshots")
    try:
        page.open(f"http://127.0.0.1:{run.web.port}/")
        page.until("document.querySelector('#job-table').textContent.includes('running the script')")
        assert page.rows()[0][:2] == ["1", EVIL[0]]
        page.until("document.querySelector('.layer.busy')?.getAttribute('d') !== null && document.querySelector('#plots strong').textContent !== '–'")
        page.keep("manager")
        page.evaluate("document.querySelector('#job-table .rows .row').click()")
        page.until("document.querySelector('#job-log').textContent.includes('line 0020')")
        page.keep("manager-log")
        run.release(1)
        page.until("document.getElementById('job-note').textContent === 'The job has ended; GitLab has its whole log.'")
        page.until("document.querySelector('#jobs .none').textContent === 'No job is here now.'")
        assert page.browser.complaints() == []
    finally:
        page.browser.close()
    assert_nothing_lost(run, run.finish())


def test_it_can_be_switched_off_and_on_again(scripted):
    manager = scripted()
    web = listen(manager, "[web]\nstatus_page = false\n")
    manager.show()
    manager.start()
    manager.wait(lambda: socket_is_open(web.port), "it listens")
    assert web.get("/status/").status == 404 and web.get("/health/live").status == 200
    manager.config.write_text(manager.config.read_text().replace("status_page = false", "status_page = true"))
    assert manager.ask("reload").returncode == 0
    with web.events("/status/events") as events:
        assert next(events)[1] == "snapshot"
        # Watchers of a former server end with it.
        manager.config.write_text(manager.config.read_text().replace("status_page = true", "status_page = false"))
        assert manager.ask("reload").returncode == 0
        for _ in events:
            pass
    assert web.get("/status/").status == 404


def socket_is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

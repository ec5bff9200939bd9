"""What a manager says of itself on listen_address: health, and how a reload changes where and how it is served."""

import re
import signal
import socket

import pytest

from checker.certificates import make_certificate
from checker.run import Run, wait_for
from integration.test_run import wait_for_trace
from integration.web_client import Raw


def served_at(run, count=1):
    """The address that the manager tells for the count-th time."""
    pattern = re.compile(r"metrics are served on (\S+)")

    def told():
        return pattern.findall(run.daemon_log.read_text()) if run.daemon_log.exists() else []

    assert wait_for(lambda: len(told()) >= count), run.log_tail()
    return told()[count - 1]


def get(address, path, tls=None, **headers):
    with Raw(address, tls) as connection:
        connection.ask(path, **headers)
        status, _, text = connection.answer()
        return status, text


def set_top(run, *lines):
    """These lines replace those that stood at the file's top."""
    text = run.config.read_text()
    kept = text.split("# --\n", 1)[-1]
    run.config.write_text("".join(f"{line}\n" for line in lines) + "# --\n" + kept)


@pytest.fixture
def run(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.environment["FLOTILLA_LIMITS"] = "config_look=100,web_again=100"
    set_top(run, 'listen_address = "127.0.0.1:0"')
    yield run
    if run.process and run.process.poll() is None:
        run.kill()
    run.coordinator.close()


def test_a_manager_says_whether_it_is_ready(run):
    run.start()
    address = served_at(run)
    assert get(address, "/health/live") == (200, "live\n")
    assert wait_for(lambda: get(address, "/health/ready") == (200, "ready\n"))
    assert get(address, "/debug/process/state") == (200, "running\n")
    run.coordinator.add(run.held_job(1))
    wait_for_trace(run, 1, b"line 0002")
    run.process.send_signal(signal.SIGQUIT)  # it drains, as long as the job runs
    assert wait_for(lambda: get(address, "/health/ready")[0] == 503)  # until the job is released
    assert get(address, "/health/ready")[1] == \
        "the manager takes no new jobs and stops once those that run have ended\n"
    assert get(address, "/debug/process/state") == (200, "graceful-shutdown\n")
    run.release(1)
    assert run.finish() == []


def test_a_reload_moves_it_and_puts_it_behind_tls(run, folder):
    certificate, key = make_certificate(folder)
    run.start()
    first = served_at(run)
    set_top(run, 'listen_address = "localhost:0"', "[web]", f'certificate_file = "{certificate}"', f'key_file = "{key}"')
    second = served_at(run, 2)
    assert get(second, "/health/live", certificate) == (200, "live\n")
    with pytest.raises(ConnectionRefusedError):
        Raw(first)
    assert "holds from the next start" not in run.daemon_log.read_text()
    set_top(run)
    assert wait_for(lambda: refuses(second))
    assert run.stop() == 0


def refuses(address):
    try:
        Raw(address).close()
        return False
    except ConnectionRefusedError:
        return True


def test_an_address_that_is_taken_is_tried_again(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run.options = ["--listen-address", f"127.0.0.1:{port}"]
        run.start()
        assert wait_for(lambda: f"127.0.0.1:{port} can't be listened on: Address already in use, retrying each 10 s"
                        in run.log_tail(100))
    assert served_at(run) == f"127.0.0.1:{port}"
    assert run.stop() == 0


def test_off_loopback_without_tls_is_warned_of(run):
    set_top(run, 'listen_address = ":0"')
    run.start()
    address = served_at(run)
    assert address.startswith("[::]:")
    assert run.daemon_log.read_text().count("can read the metrics there, without TLS") == 1
    assert run.stop() == 0

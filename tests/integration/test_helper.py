"""flotilla-helper as a program: its names, options and manual, the form of what it says (job-execution.md 8.5), and its
small commands. The others: test_helper_artifacts.py, test_helper_caches.py and test_helper_stream.py; how much they
carry: test_helper_size.py."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
from helper_program import credentials, helper, static_helper  # noqa: F401
from recorder import Answer, Recorder


def test_it_names_itself(helper, static_helper):
    for it in helper, static_helper:
        for word in "--version", "-v":
            done = it.run(word)
            assert (done.status, done.err) == (0, "") and done.out.startswith(b"flotilla-helper ")


def test_it_goes_by_another_name(helper, folder):
    """Images have it as gitlab-runner."""
    link = folder / "gitlab-runner"
    link.symlink_to(helper.binary)
    helper.binary = link
    helper.write(a="1")
    assert helper.run("--version").status == 0
    assert helper.run("--debug", "--log-level=debug", "--log-format", "json", "cache-archiver", "--file", "../c.zip",
                      "--path", "a").status == 0


@pytest.mark.parametrize("words, sentence", [
    (["nonsense"], "FATAL: there is no command 'nonsense'; `flotilla-helper --help` lists them"),
    (["--nonsense"], "there is no option --nonsense"),
    (["cache-extractor", "--fil", "x"], "FATAL: cache-extractor: there is no option --fil; did you mean --file?"),
    (["cache-extractor", "--file"], "FATAL: cache-extractor: option --file needs a value"),
    (["cache-extractor", "--file", "x", "--timeout", "soon"],
     "FATAL: cache-extractor: option --timeout takes a number, not 'soon'"),
    (["cache-archiver", "--file", "x", "--concurrency", "-1"],
     "FATAL: --concurrency must not be negative; 0 is the default"),
    (["cache-archiver"], "FATAL: Missing --file"),
    (["cache-archiver", "--file", "x", "--metadata", "[]"], "FATAL: --metadata must be a JSON object"),
    (["cache-extractor"], "WARNING: Missing cache file"),
    (["cache-init"], "FATAL: No arguments passed, at least one path is required."),
    (["artifacts-uploader"], "FATAL: Missing runner credentials"),
    (["artifacts-uploader", "--url", "http://h", "--token", "t"], "FATAL: Missing build ID"),
    (["artifacts-downloader", "--token", "t"], "FATAL: Incomplete arguments"),
    (["artifacts-uploader", "--url", "http://h", "--id", "1", "--token-stdin"],
     "FATAL: --token-stdin: there is no token on stdin"),
    (["stream"], "FATAL: stream: there is no line of JSON on stdin"),
])
def test_exit_status_1_and_one_sentence_for_a_bad_call(helper, words, sentence):
    done = helper.run(*words)
    assert done.status == 1
    assert sentence in done.lines[-1]


def test_help_lists_every_option_with_its_variable(helper):
    assert b"artifacts-uploader" in helper.run("--help").out
    out = helper.run("artifacts-uploader", "--help").out.decode()
    assert "--compression-level" in out and "[$ARTIFACT_COMPRESSION_LEVEL]" in out


def test_the_manual_has_each_option_of_each_command(helper):
    page = (Path(__file__).parents[2] / "docs" / "flotilla-helper.1").read_text().split(".Sh DESCRIPTION\n")[1]
    for command in re.findall(r"^  ([a-z-]+)  ", helper.run("--help").out.decode(), re.M):
        part = re.search(rf"^\.Ss {command}$.*?(?=^\.S[sh] )", page, re.M | re.S)
        assert part, command
        options = set(re.findall(r"^  --([a-z-]+)", helper.run(command, "--help").out.decode(), re.M))
        assert options == set(re.findall(r"Fl -([a-z-]+)", part.group(0))), command


def test_job_execution_8_5_the_form_of_a_line(helper):
    """Colour, prefix, message padded to 50, reset, space, sorted fields; what is not printable is escaped."""
    helper.write(a="1")
    with Recorder(Answer(500, headers={"X-Request-Id": "rid\x1b[1m"})) as gitlab:
        err = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", "--path", "\x1bb").err
    lines = err.split("\n")
    found = "a: found 1 matching artifact files and directories"
    assert lines[0] == found.ljust(50) + "\x1b[0;m "
    assert lines[1].startswith("\x1b[0;33mWARNING: \\x1bb: no matching files.")
    assert lines[2] == ("\x1b[0;33mWARNING: Uploading artifacts to coordinator... 500 Internal Server Error\x1b[0;m "
                        " correlation_id=rid\\x1b[1m id=7 responseStatus=500 Internal Server Error token=64_exampl")
    assert lines[3] == ("\x1b[0;33m" + "WARNING: Retrying...".ljust(50) + "\x1b[0;m  context=artifacts-uploader"
                        " error=received: 500 Internal Server Error")
    assert lines[-2] == "\x1b[31;1m" + "FATAL: received: 500 Internal Server Error".ljust(50) + "\x1b[0;m "


def test_cache_init(helper):
    helper.write(a="1", b="1")
    done = helper.run("cache-init", "a", "nope", "b")
    assert done.status == 0 and done.lines[0].startswith("ERROR: failed to chmod path: 'nope'")
    assert [(helper.project / name).stat().st_mode & 0o777 for name in "ab"] == [0o777] * 2


def test_health_check(helper):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [str(server.getsockname()[1]) for server in (one, two)]
        assert helper.run("health-check", "--port", ports[0], "-p", ports[1]).status == 0
        links = {"X_TCP_ADDR": "127.0.0.1", "X_TCP_PORT": "1", "Y_TCP_ADDR": "127.0.0.1", "Y_TCP_PORT": ports[0]}
        assert helper.run("health-check", environment=links).status == 0
    assert helper.run("health-check").lines == ["FATAL: No HOST or PORT found"]
    assert helper.run("health-check", "--port", "x").status == 1


def test_health_check_waits(helper):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # holds the port; nobody listens yet
        child = subprocess.Popen([helper.binary, "health-check", "--port", str(server.getsockname()[1])],
                                 stdout=subprocess.PIPE, env=helper.environment({"FLOTILLA_LIMITS": "helper_pause=10"}))
        assert child.stdout.readline().startswith(b"waiting for TCP connection to localhost on ")
        server.listen()
        child.communicate(timeout=120)
    assert child.returncode == 0


def test_read_logs(helper):
    log = helper.project / "log"
    log.write_bytes(b"0123456789one\ntwo\n" + b"x" * 20000 + b"\n")
    child = subprocess.Popen([helper.binary, "read-logs", "--path", log, "--offset", "10"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=helper.environment({"FLOTILLA_LIMITS": "helper_pause=10"}))
    assert [child.stdout.readline() for _ in range(4)] == [
        b"14 one\n", b"18 two\n", b"16402 " + b"x" * 16384 + b"\n", b"20019 " + b"x" * 3616 + b"\n"]
    with log.open("ab") as file:
        file.write(b"more\n")
    assert child.stdout.readline() == b"20024 more\n"
    log.unlink()
    child.communicate(timeout=120)
    assert child.returncode == 100
    assert helper.run("read-logs", "--path", log, "--wait-file-timeout", "0s").status == 100
    assert helper.run("read-logs", "--path", helper.project).status == 1

"""tests/lint/test_run_tests.py - what scripts/run-tests reads out of the programs that it runs."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "run-tests"


def load():
    loader = importlib.machinery.SourceFileLoader("run_tests", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


RUN_TESTS = load()


def test_skipped_cases_are_told_once_and_with_their_own_reason():
    output = """[==========] Running 3 test(s).
[ RUN      ] test_one
SKIP: there is no sshd
[  SKIPPED ] test_one
[ RUN      ] test_two
[       OK ] test_two
[ RUN      ] test_three
[  SKIPPED ] test_three
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 2 test(s), listed below:
[  SKIPPED ] test_one
[  SKIPPED ] test_three
"""
    assert list(load().skipped_cases(output)) == [("test_one", "there is no sshd"), ("test_three", "")]
    assert list(load().skipped_cases("no test at all\n")) == []


def test_what_ended_counts_when_the_rest_hangs(tmp_path, monkeypatch):
    script = load()
    (tmp_path / "meson-logs").mkdir()
    (tmp_path / "build").symlink_to(tmp_path)
    tool = tmp_path / "meson"
    tool.write_text("""#!/bin/sh
echo '{"name": "quick", "result": "OK", "stdout": ""}' > build/meson-logs/testlog.json
exec sleep 1000
""")
    tool.chmod(0o755)
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tally = script.Tally()
    script.meson_test(tally, "build", "unit: ", [], timeout=5)
    assert tally.passed == ["unit: quick"]
    assert tally.failed == [("unit: meson test", "meson took more than 5 s")]


def meson_in(tmp_path, monkeypatch, first, again):
    """A meson whose tests end with these results, and alone with those; returns the tally of a run with it."""
    def lines(results):
        return "".join(json.dumps({"name": f"flotilla:unit / {name}", "result": result, "stdout": output}) + "\n"
                       for name, result, output in results)

    (tmp_path / "meson-logs").mkdir()
    (tmp_path / "build").symlink_to(tmp_path)
    (tmp_path / "first").write_text(lines(first))
    (tmp_path / "again").write_text(lines(again))
    tool = tmp_path / "meson"
    tool.write_text("""#!/bin/sh
case "$*" in
*'--logbase again'*) cp again build/meson-logs/again.json; echo "$*" >asked ;;
*) cp first build/meson-logs/testlog.json ;;
esac
""")
    tool.chmod(0o755)
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tally = script.Tally()
    script.meson_test(tally, "build", "", [])
    return tally


FAILED = "[  FAILED  ] test_x\n"


def test_a_unit_test_that_fails_and_then_passes_alone_is_unstable(tmp_path, monkeypatch):
    tally = meson_in(tmp_path, monkeypatch, [("a", "FAIL", FAILED), ("b/c", "FAIL", FAILED), ("d", "OK", "")],
                     [("a", "OK", ""), ("b/c", "FAIL", FAILED)])
    assert tally.unstable == [("flotilla:unit / a", "[  FAILED  ] test_x")]
    assert tally.failed == [("flotilla:unit / b/c", "fail")] and tally.passed == ["flotilla:unit / d"]
    assert (tmp_path / "asked").read_text().endswith(" a b/c\n")


@pytest.mark.parametrize("result, output", [
    ("FAIL", "Test failed with exception: Segmentation fault(11)\n" + FAILED), ("TIMEOUT", FAILED), ("ERROR", FAILED),
    ("FAIL", "x.c:1: runtime error: signed integer overflow\n" + FAILED), ("FAIL", "AddressSanitizer\n" + FAILED),
    ("FAIL", "a program that is no test of cmocka's\n"),
])
def test_what_is_worse_than_a_failed_case_is_not_asked_again(tmp_path, monkeypatch, result, output):
    tally = meson_in(tmp_path, monkeypatch, [("a", result, output)], [("a", "OK", "")])
    assert not tally.unstable and len(tally.failed) == 1 and not (tmp_path / "asked").exists()


def test_more_than_three_unit_tests_are_not_asked_again(tmp_path, monkeypatch):
    tally = meson_in(tmp_path, monkeypatch, [(name, "FAIL", FAILED) for name in "abcd"], [])
    assert not tally.unstable and len(tally.failed) == 4 and not (tmp_path / "asked").exists()


def made_case(name, result, file="tests/integration/test_x.py", fault=""):
    return RUN_TESTS.Case(file, name, result, f"why {name}" if result == "failed" else "", fault)


def results(cases, passes_alone, unstable_before=0):
    """What counts in the end, by test, where those named pass when they are asked again."""
    asked = RUN_TESTS.to_ask_again(cases, unstable_before)
    answers = [case._replace(result="passed" if case.name in passes_alone else "failed") for case in asked]
    return {case.name: result for case, result, _ in RUN_TESTS.settle(cases, asked, answers)}


def test_who_fails_and_then_passes_alone_is_unstable():
    cases = [made_case("a", "passed"), made_case("b", "failed"), made_case("c", "failed"), made_case("d", "skipped")]
    assert results(cases, {"b"}) == {"a": "passed", "b": "unstable", "c": "failed", "d": "skipped"}
    told = list(RUN_TESTS.settle(cases[1:2], cases[1:2], [made_case("b", "passed")]))
    assert told == [(cases[1], "unstable", "why b")]


def test_faults_of_the_product_and_failures_elsewhere_are_never_forgiven():
    cases = [made_case("a", "failed", fault="the checker found a breach"), made_case("b", "failed", "tests/lint/test_x.py")]
    assert results(cases, {"a", "b"}) == {"a": "failed", "b": "failed"}
    assert [reason for *_, reason in RUN_TESTS.settle(cases, [], [])] == ["why a (the checker found a breach)", "why b"]


def test_more_than_three_are_not_forgiven_in_one_run():
    cases = [made_case(name, "failed") for name in "abc"]
    assert set(results(cases, set("abc")).values()) == {"unstable"}
    assert set(results(cases, set("abc"), unstable_before=1).values()) == {"failed"}
    assert set(results([*cases, made_case("d", "failed")], set("abcd")).values()) == {"failed"}


def test_a_test_without_an_answer_stays_failed():
    case = made_case("a", "failed")
    assert list(RUN_TESTS.settle([case], [case], [])) == [(case, "failed", "why a")]
    # One that passes and whose teardown fails is told twice.
    assert [result for _, result, _ in RUN_TESTS.settle([case], [case], [made_case("a", "passed"), case])] == ["failed"]


def test_the_last_line_counts_the_unstable_apart(capsys):
    tally = RUN_TESTS.Tally()
    tally.add("a", "passed")
    assert tally.report() == 0 and capsys.readouterr().out.endswith("\n1 passed, 0 failed, 0 skipped\n")
    tally.add("b", "unstable", "why b")
    assert tally.report() == 0
    assert capsys.readouterr().out.endswith("\nUNSTABLE: b: why b\n1 passed, 0 failed, 1 unstable, 0 skipped\n")
    tally.add("c", "failed", "why c")
    assert tally.report() == 1


SUITE = """
import pytest, subprocess
from checker.faults import Breach

@pytest.fixture
def folder(tmp_path):
    return tmp_path

def test_good():
    pass

def test_plain():
    assert 1 == 2, "plain\\nand more"

def test_breach():
    raise Breach("one_final_state: job 1 has 2")

def test_crash():
    subprocess.run(["sh", "-c", "kill -SEGV $$"])
    raise TimeoutError("it never answered")

def test_told_crash(folder):
    (folder / "daemon.log").write_text("the provider worker was killed by signal 11")
    assert False

def test_killed(folder):
    subprocess.run(["sh", "-c", "kill -KILL $$"])
    (folder / "daemon.log").write_text("the worker was killed by signal 9")
    assert False

def test_skipped():
    pytest.skip("no reason")
"""


def test_what_a_failure_says_of_the_product_is_read_from_a_real_report(tmp_path):
    (tmp_path / "test_it.py").write_text(SUITE)
    report = tmp_path / "report.xml"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "checker.faults", "-p", "no:cacheprovider", "-o",
                    "junit_family=xunit1", f"--rootdir={tmp_path}", f"--junitxml={report}", "test_it.py"],
                   cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1] / "tests")}, capture_output=True)
    cases = {case.name: case for case in map(RUN_TESTS.read_case, xml.etree.ElementTree.parse(report).iter("testcase"))}
    assert cases["test_plain"].node == "test_it.py::test_plain"
    assert (cases["test_plain"].result, cases["test_plain"].reason) == ("failed", "AssertionError: plain")
    assert {name: case.fault for name, case in cases.items() if case.result == "failed"} == {
        "test_plain": "", "test_killed": "", "test_breach": "the checker found a breach",
        "test_crash": "a program of the test was ended by signal 11",
        "test_told_crash": "a process of the manager was ended by signal 11"}
    assert (cases["test_good"].result, cases["test_skipped"].result) == ("passed", "skipped")


def test_vectors_are_read_from_the_names_of_tests():
    names = {"test_coordinator_V07_x": {"coordinator_V7"}, "test_job_execution_10_5_18_and_more": {"job_execution_10_5_18"},
             "test_job_execution_10_1_2_expansion": {"job_execution_10_1"}, "test_job_execution_10_6_calls": {"job_execution_10_6"},
             "test_x[hardening_26]": {"hardening_26"}, "test_plain": set()}
    for name, vectors in names.items():
        assert RUN_TESTS.vectors_in(name) == vectors, name
    text = "# told\nautoscaler_V 1-3\njob_execution_10_6 # whole\nhardening_ 7-8: later\n"
    assert list(RUN_TESTS.read_vectors(text)) == [
        ("autoscaler_V1", ""), ("autoscaler_V2", ""), ("autoscaler_V3", ""), ("job_execution_10_6", ""),
        ("hardening_7", "later"), ("hardening_8", "later")]


def test_vectors_are_read_from_the_rows_of_tests_too():
    text = ('/* hardening_18: names come from the file. */\nstatic void test_one(void **unused)\n{\n    { "coordinator_V9 zero", 1 },\n'
            '}\n\nstatic void test_two(void **unused)\n{\n}\n')
    assert {name: RUN_TESTS.vectors_in(text) for name, text in RUN_TESTS.tests_in("a.c", text)} == {
        "test_one": {"hardening_18", "coordinator_V9"}, "test_two": set()}
    text = '@mark("x", [\n    "hardening_3",\n])\ndef test_one():\n    """hardening_4"""\n\n\ndef test_two():\n    pass\n'
    assert {name: RUN_TESTS.vectors_in(text) for name, text in RUN_TESTS.tests_in("a.py", text)} == {
        "test_one": {"hardening_3", "hardening_4"}, "test_two": set()}


def test_a_vector_without_a_test_that_passed_fails(tmp_path, monkeypatch, capsys):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "vectors").write_text("coordinator_V 1-2\nhardening_ 7: with part 8\n")
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    tally = script.Tally()
    tally.cases = ["coordinator/rules test_coordinator_V1_waits"]
    tally.add("tests/x.py test_coordinator_V2", "failed")
    script.step_vectors(tally, type("Options", (), {"only": None}))
    assert [name for name, _ in tally.failed] == ["tests/x.py test_coordinator_V2", "vector coordinator_V2"]
    assert ("vector hardening_7", "with part 8") in tally.skipped
    assert "coordinator_V1" in capsys.readouterr().out


def test_a_file_that_is_compiled_twice_is_looked_at_once(tmp_path):
    commands = [{"directory": str(tmp_path), "file": "../a.c", "command": f"cc -D{name}"} for name in ("X", "Y")]
    commands.append({"directory": str(tmp_path), "file": "../b.c", "command": "cc"})
    (tmp_path / "compile_commands.json").write_text(json.dumps(commands))
    assert [entry["file"] for entry in RUN_TESTS.once_a_file(tmp_path)] == ["../a.c", "../b.c"]
    kept = json.loads((tmp_path / "once" / "compile_commands.json").read_text())
    assert sorted(entry["file"] for entry in kept) == ["../a.c", "../b.c"]


def made_tool(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_what_a_step_leaves_for_later_is_done_behind_all_others(monkeypatch, capsys):
    script, order = load(), []

    def first(tally, _):
        """begins"""
        order.append("first")
        return lambda: [order.append("left"), tally.add("left", "failed", "told late")]

    def second(*_):
        """goes on"""
        order.append("second")

    monkeypatch.setattr(script, "STEPS", {"first": first, "second": second})
    monkeypatch.setattr(sys, "argv", ["run-tests"])
    assert script.main() == 1 and order == ["first", "second", "left"]
    assert capsys.readouterr().out.endswith("\nFAILED: left: told late\n0 passed, 1 failed, 0 skipped\n")


def test_the_hour_runs_beside_what_comes_behind_it(tmp_path, monkeypatch, capsys):
    python = made_tool(tmp_path / "python", """
until test -e "$FLOTILLA_BUILD/over"; do sleep 0.05; done
for what; do :; done
echo "$FLOTILLA_STORM_SECONDS seconds of $what"
echo '<testsuite><testcase file="a.py" name="b"><failure message="it lost a job"/></testcase></testsuite>' \\
    >"$FLOTILLA_BUILD/storm.xml"
""")
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    monkeypatch.setattr(script, "build", lambda folder: (tmp_path / folder).mkdir())
    monkeypatch.setattr(script, "python_environment", lambda: python)
    tally = script.Tally()
    settled = script.step_storm(tally, type("Options", (), {"full": True}))
    assert not tally.failed
    (tmp_path / "build-test" / "over").touch()
    settled()
    assert tally.failed == [("storm: a.py b", "it lost a job")]
    assert "3600 seconds of tests/integration/test_storm.py\n" in capsys.readouterr().out


# Stands for pytest: interrupted, it ends as pytest does then and notes whether its folder was there then.
INTERRUPTED = f"""exec {sys.executable} - "$@" <<'END'
import os, pathlib, signal, sys, time
folder = next(pathlib.Path(word.partition("=")[2]).parent for word in sys.argv if word.startswith("--basetemp="))
build = pathlib.Path(os.environ["FLOTILLA_BUILD"])

def end(*_):
    time.sleep(0.5)
    (build / "ended").write_text(str(folder.exists()))
    (build / "storm.xml").write_text("<testsuite/>")
    os._exit(2)

signal.signal(signal.SIGINT, end)
(build / "begun").touch()
while True:
    signal.pause()
END
"""


def begin_storm(tmp_path, monkeypatch):
    python = made_tool(tmp_path / "python", INTERRUPTED)
    script, left = load(), []
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    monkeypatch.setattr(script, "build", lambda folder: (tmp_path / folder).mkdir())
    monkeypatch.setattr(script, "python_environment", lambda: python)
    monkeypatch.setattr(script.atexit, "register", left.append)
    settled = script.step_storm(script.Tally(), type("Options", (), {"full": True}))
    while not (tmp_path / "build-test" / "begun").exists():
        time.sleep(0.02)
    return script, settled, *left


def test_an_hour_that_is_interrupted_ends_before_its_folder_goes_and_has_not_passed(tmp_path, monkeypatch):
    """Its report is there, and tells of no failure."""
    script, settled, at_exit = begin_storm(tmp_path, monkeypatch)
    at_exit()
    assert (tmp_path / "build-test" / "ended").read_text() == "True"
    at_exit()  # does nothing where it has ended
    with pytest.raises(script.Broken, match="it ended with 2"):
        settled()


def test_what_a_command_said_before_it_hung_is_told(monkeypatch, capsys, tmp_path):
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    with pytest.raises(script.Broken, match="took more than 1 s"):
        script.run(["sh", "-c", "echo it waits; exec sleep 1000"], timeout=1, capture=True)
    assert "it waits\n" in capsys.readouterr().out


def test_a_command_does_not_outlive_an_interrupt(monkeypatch, tmp_path):
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    child = script.begin(["sleep", "1000"])

    def interrupted(timeout=None):
        del child.communicate
        raise KeyboardInterrupt

    child.communicate = interrupted
    with pytest.raises(KeyboardInterrupt):
        script.end(child)
    assert child.returncode == -signal.SIGKILL


def test_fuzz_targets_run_beside_each_other(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "build-fuzz" / "tests" / "fuzz"
    for name, other, status in (("one", "two", 0), ("two", "one", 1)):  # each ends only when the other has begun
        made_tool(folder / f"fuzz_{name}",
                  f"echo said by {name} >&2; touch {name}; until test -e {other}; do sleep 0.05; done; exit {status}\n")
    script = load()
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    monkeypatch.setattr(script, "build", lambda *_: None)
    monkeypatch.setattr(script, "PROCESSORS", 2)
    tally = script.Tally()
    script.step_fuzz(tally, type("Options", (), {"full": True}))
    assert tally.passed == ["fuzz fuzz_one"] and [name for name, _ in tally.failed] == ["fuzz fuzz_two"]
    assert "said by one\nsaid by two\n" in capsys.readouterr().out

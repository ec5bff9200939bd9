"""tests/lint/test_run_tests.py - what scripts/run-tests reads out of the programs that it runs."""
import importlib.machinery
import importlib.util
import pathlib

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "run-tests"


def load():
    loader = importlib.machinery.SourceFileLoader("run_tests", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


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

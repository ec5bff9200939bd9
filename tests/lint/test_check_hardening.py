"""tests/lint/test_check_hardening.py - scripts/check-hardening knows the seams of test builds, and finds them."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / "scripts" / "check-hardening"
BUILD = ROOT / os.environ.get("FLOTILLA_BUILD", "build-test")
OPERATORS = {"FLOTILLA_PLUGIN_PATH"}  # read by release builds too


def test_every_seam_has_its_name_in_the_list():
    read = {name for path in (ROOT / "core").rglob("*.c")
            for name in re.findall(r'getenv\("(FLOTILLA_\w+)"\)', path.read_text())}
    listed = set(re.findall(r'"(FLOTILLA_\w+)"', CHECK.read_text()))
    assert read - OPERATORS == listed


def test_a_build_with_seams_does_not_pass():
    found = subprocess.run([sys.executable, CHECK, BUILD / "core" / "flotilla"], capture_output=True, text=True)
    assert found.returncode == 1 and ": no-seams failed" in found.stdout

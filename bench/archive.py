#!/usr/bin/env python3
"""bench/archive.py - how fast the helper archives, against `zip -r` on the same data, as one JSON object.

Usage: bench/archive.py [--build DIR]
DIR is a build tree (default: build; its program bench/archive is built by `ninja -C DIR bench/archive`). The data is
  small    20,000 files of 100 to 8,000 bytes of C text, in 100 folders
  text     one file of 256 MiB of C text
  binary   one file of 256 MiB of this machine's programs
  noise    one file of 256 MiB that does not shrink
Of each, for every format at its default level and for `zip -r`, written to nowhere: MB (10^6 bytes of input) a second by
the clock and by the processor, the archive's part of the input, and the most memory. `extract` is ours of the zip.
Then the static helper: its size, and the milliseconds from its start to its end with --version (the best and the middle
of 200).
"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGE = 256 * 1024 * 1024
FORMATS = ("zip", "zipzstd", "tarzstd")


def source_text():
    """C text that is not all the same: headers of this machine, else our own files."""
    files = sorted(Path("/usr/include").rglob("*.h")) + sorted(ROOT.glob("*/**/*.[ch]"))
    return b"".join(path.read_bytes() for path in files[:4000] if path.is_file())


def programs():
    files = [path for path in sorted(Path("/usr/lib").rglob("*.so*")) if path.is_file() and not path.is_symlink()]
    data = bytearray()
    for path in sorted(files, key=lambda path: -path.stat().st_size):
        data += path.read_bytes()
        if len(data) >= LARGE:
            break
    return bytes(data)


def write_large(path, data):
    with open(path, "wb") as file:
        while file.tell() < LARGE:
            file.write(data[:LARGE - file.tell()])


def write_small(folder, text):
    rng = random.Random(1)
    for i in range(20000):
        if i % 200 == 0:
            (folder / f"{i // 200}").mkdir(parents=True)
        begin, size = rng.randrange(len(text) - 8000), rng.randrange(100, 8000)
        (folder / f"{i // 200}" / f"file{i}.c").write_bytes(text[begin:begin + size])


def make_data(folder):
    text = source_text()
    (folder / "small").mkdir()
    write_small(folder / "small", text)
    for name, data in (("text", text), ("binary", programs()), ("noise", random.Random(2).randbytes(LARGE // 8))):
        (folder / name).mkdir()
        write_large(folder / name / "file", data)


def timed(command, out):
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
    said = child.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command[0]} failed: {said}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, said


def figures(size, wall, processor, said):
    peak = re.search(r"VmHWM:\s+(\d+)", said)
    return {"mb_s": round(size / 1e6 / wall), "mb_processor_s": round(size / 1e6 / processor),
            **({"peak_mib": round(int(peak.group(1)) / 1024, 1)} if peak else {})}


def pack(tool, form, source, size, archive):
    with open("/dev/null", "wb") as null:
        result = figures(size, *timed([tool, "pack", form, "default", source, "."], null))
    with open(archive, "wb") as out:
        timed([tool, "pack", form, "default", source, "."], out)
    return {**result, "part": round(archive.stat().st_size / size, 4)}


def info_zip(source, size):
    os.chdir(source)
    with tempfile.TemporaryFile() as out:
        timed(["zip", "-qr", "-", "."], out)
        part = out.tell() or os.fstat(out.fileno()).st_size
    with open("/dev/null", "wb") as null:
        return {**figures(size, *timed(["zip", "-qr", "-", "."], null)), "part": round(part / size, 4)}


def measure(tool, source, scratch):
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    result = {form: pack(tool, form, source, size, scratch / f"a.{form}") for form in FORMATS}
    (scratch / "out").mkdir()
    result["extract"] = figures(size, *timed([tool, "unpack", scratch / "a.zip", scratch / "out"], subprocess.DEVNULL))
    subprocess.run(["rm", "-rf", scratch / "out"], check=True)
    result["zip -r"] = info_zip(source, size)
    return result


def start_up(helper):
    times = []
    for _ in range(200):
        began = time.monotonic()
        subprocess.run([helper, "--version"], stdout=subprocess.DEVNULL, check=True, close_fds=False)
        times.append((time.monotonic() - began) * 1000)
    return {"bytes": helper.stat().st_size, "start_ms_best": round(min(times), 2),
            "start_ms_middle": round(statistics.median(times), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    build = parser.parse_args().build.resolve()
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        data, scratch = Path(folder) / "data", Path(folder) / "scratch"
        data.mkdir()
        scratch.mkdir()
        make_data(data)
        result = {source.name: measure(build / "bench" / "archive", source, scratch) for source in sorted(data.iterdir())}
    result["helper"] = {path.name: start_up(path) for path in (build / "helper" / "static").glob("flotilla-helper-static-x86_64")}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""The helper's archives before other programs: Info-ZIP, Python's zipfile, GNU tar and zstd read what it writes and it
reads what they write; many files and large ones; the build for 64-bit Arm, run by qemu."""

import hashlib
import io
import os
import random
import re
import shutil
import stat
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

MEMORY_MAX_KIB = 64 * 1024
FULL = bool(os.environ.get("FLOTILLA_TEST_FULL"))
BLOCK = 1024 * 1024


@pytest.fixture(name="tool")
def fixture_tool(build) -> Path:
    return build / "bench" / "archive"


@pytest.fixture(name="many_path")
def fixture_many_path(tmp_path):
    """Where tens of thousands of files cost no disk, if there is such a place; what takes gigabytes goes to the disk."""
    if FULL or not os.access("/dev/shm", os.W_OK) or shutil.disk_usage("/dev/shm").free < 2 * 1024 * BLOCK:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="flotilla-archives-", dir="/dev/shm") as folder:
        yield Path(folder)


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.decode()} {done.stdout[:2000]}"
    return done


def pack(tool, form, folder, archive, *paths, level="default", prefix=()):
    """Returns what was said."""
    with open(archive, "wb") as out:
        done = subprocess.run([*prefix, str(tool), "pack", form, level, str(folder), *(paths or ["."])], stdout=out,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode(errors="replace")


def unpack(tool, archive, folder, prefix=()):
    folder.mkdir()
    return run(*prefix, tool, "unpack", archive, folder).stderr.decode(errors="replace")


def peak_kib(said):
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", said, re.M).group(1))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def tree_of(folder, times=True):
    """What two trees must have alike: relative path → kind, mode, time, contents."""
    found = {}
    for base, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(base, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                what = ("link", os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                what = ("folder", stat.S_IMODE(info.st_mode))
            else:
                what = ("file", stat.S_IMODE(info.st_mode), digest(path))
            found[os.path.relpath(path, os.fsencode(folder))] = (*what, int(info.st_mtime) if times else 0)
    return found


def fill(folder, seed=1):
    """A tree with all that archives have trouble with."""
    rng = random.Random(seed)
    folder.mkdir()
    (folder / "empty").mkdir()
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "nothing").write_bytes(b"")
    (folder / "text").write_text("".join(f"line {i % 97} of it\n" for i in range(20000)))
    (folder / "noise").write_bytes(rng.randbytes(300000))
    (folder / "sub" / "large").write_bytes(b"".join(rng.choice([b"some words ", b"others here "]) for _ in range(250000)))
    (folder / "sub" / "large noise").write_bytes(rng.randbytes(3 * BLOCK + 5))
    (folder / "sub" / "deep" / "über ☃.txt").write_text("snow")
    (folder / "sub" / "deep" / ("long" * 55)).write_text("long")
    (folder / "script").write_text("#!/bin/sh\n")
    (folder / "script").chmod(0o750)
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    (folder / "link").symlink_to("sub/deep")
    (folder / "sub" / "dangling").symlink_to("../none")
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (1700000000, 1700000000 + len(path.name) * 2), follow_symlinks=False)
    return folder


def test_unzip_reads_ours(tool, tmp_path):
    source = fill(tmp_path / "source")
    pack(tool, "zip", source, tmp_path / "a.zip")
    run("unzip", "-q", tmp_path / "a.zip", "-d", tmp_path / "out", env={**os.environ, "LC_ALL": "C.UTF-8"})
    got, want = tree_of(tmp_path / "out"), tree_of(source)
    for path, entry in want.items():  # unzip does not set the time of links
        assert (got[path][:-1] == entry[:-1]) if entry[0] == "link" else (got[path] == entry), path
    assert got.keys() == want.keys()


def test_zipfile_reads_ours(tool, tmp_path):
    source = fill(tmp_path / "source")
    pack(tool, "zip", source, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names, key=lambda name: name.rstrip("/").encode())
        assert "sub/deep/über ☃.txt" in names and "empty/" in names
        for name in ("text", "noise", "sub/large", "sub/large noise"):
            assert archive.read(name) == (source / name).read_bytes()
        assert archive.read("link") == b"sub/deep"
        assert archive.getinfo("text").date_time == (2023, 11, 14, 22, 13, 28)
        assert archive.getinfo("noise").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("text").compress_type == zipfile.ZIP_DEFLATED


def test_zstd_reads_the_entries_of_ours(tool, tmp_path):
    source = fill(tmp_path / "source")
    pack(tool, "zipzstd", source, tmp_path / "a.zip")
    data = (tmp_path / "a.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for name in ("text", "sub/large"):
            info = archive.getinfo(name)
            assert info.compress_type == 93
            local = info.header_offset
            begin = local + 30 + sum(int.from_bytes(data[local + at:local + at + 2], "little") for at in (26, 28))
            raw = run("zstd", "-dcq", input=data[begin:begin + info.compress_size]).stdout
            assert raw == (source / name).read_bytes()


def test_tar_reads_ours(tool, tmp_path):
    source = fill(tmp_path / "source")
    pack(tool, "tarzstd", source, tmp_path / "a.tar.zst")
    (tmp_path / "out").mkdir()
    run("tar", "--zstd", "-xpf", tmp_path / "a.tar.zst", "-C", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(source)


def test_gzip_reads_ours(tool, tmp_path):
    source = fill(tmp_path / "source")
    pack(tool, "gzip", source, tmp_path / "a.gz", "text", "sub/large")
    want = (source / "sub" / "large").read_bytes() + (source / "text").read_bytes()
    assert run("gzip", "-dc", tmp_path / "a.gz").stdout == want


def test_we_read_info_zips(tool, tmp_path):
    source = fill(tmp_path / "source")
    run("zip", "-qry", tmp_path / "a.zip", ".", cwd=source)
    unpack(tool, tmp_path / "a.zip", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(source)
    # As a stream, sizes stand behind the data. zip gives no link to a pipe.
    for path in list(source.rglob("*")):
        if path.is_symlink():
            path.unlink()
    (tmp_path / "s.zip").write_bytes(run("zip", "-qry", "-", ".", cwd=source).stdout)
    unpack(tool, tmp_path / "s.zip", tmp_path / "streamed")
    assert tree_of(tmp_path / "streamed") == tree_of(source)


class Stream(io.RawIOBase):
    """A file that cannot go back."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


def test_we_read_zipfiles(tool, tmp_path):
    source = fill(tmp_path / "source")
    with open(tmp_path / "a.zip", "wb") as file, zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_symlink():
                continue
            name = str(path.relative_to(source))
            if path.is_dir():
                archive.write(path, name)
                continue
            with archive.open(zipfile.ZipInfo.from_file(path, name), "w", force_zip64=True) as entry:
                entry.write(path.read_bytes())
    unpack(tool, tmp_path / "a.zip", tmp_path / "out")
    got, want = tree_of(tmp_path / "out", times=False), tree_of(source, times=False)
    assert got == {path: entry for path, entry in want.items() if entry[0] != "link"}


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_we_read_gnu_tars(tool, tmp_path, form):
    source = fill(tmp_path / "source")
    os.link(source / "text", source / "z-hard-link")
    with open(source / "sparse", "wb") as file:
        file.seek(900000)
        file.write(b"end")
    run("tar", "--zstd", "--sparse", f"--format={form}", "-cf", tmp_path / "a.tar.zst", "-C", source, ".")
    unpack(tool, tmp_path / "a.tar.zst", tmp_path / "out")
    assert tree_of(tmp_path / "out", times=False) == tree_of(source, times=False)
    assert (tmp_path / "out" / "text").stat().st_nlink == 2


def many_files(folder, count):
    rng = random.Random(7)
    for i in range(count):
        if i % 200 == 0:
            (folder / f"d{i // 200}").mkdir(parents=True)
        (folder / f"d{i // 200}" / f"f{i}").write_bytes(rng.randbytes(40) + b"text " * (i % 100))


def one_file(path, size):
    """Half of it shrinks."""
    rng = random.Random(8)
    noise = rng.randbytes(BLOCK // 2)
    with open(path, "wb") as file:
        for i in range(size // BLOCK):
            file.write(noise[i % 999:] + noise[:i % 999] + f"{i:08d}".encode() * (BLOCK // 16))


def test_many_files_and_a_large_one(tool, sanitized, many_path):
    """Issue 6: 20,000 small files and one of 64 MiB (2 GiB with --full), byte for byte, within 64 MiB of memory."""
    source = many_path / "source"
    many_files(source, 20000)
    one_file(source / "large", (2048 if FULL else 64) * BLOCK)
    for form in ("zip", "tarzstd"):
        packed = pack(tool, form, source, many_path / "archive")
        unpacked = unpack(tool, many_path / "archive", many_path / "out")
        assert run("diff", "-rq", "--no-dereference", source, many_path / "out").stdout == b""
        if not sanitized:
            assert peak_kib(packed) <= MEMORY_MAX_KIB
            assert peak_kib(unpacked) <= MEMORY_MAX_KIB
        shutil.rmtree(many_path / "out")


def test_more_entries_than_a_plain_zip_has_room_for(tool, many_path):
    source = many_path / "source"
    source.mkdir()
    for i in range(65600):
        if i % 30000 == 0:  # as many links as every file system allows
            (source / f"{i}").write_bytes(b"x")
            first = source / f"{i}"
        else:
            os.link(first, source / f"{i}")
    pack(tool, "zip", source, many_path / "a.zip")
    with zipfile.ZipFile(many_path / "a.zip") as archive:
        assert len(archive.namelist()) == 65600
        assert archive.read("65599") == b"x"
    if FULL:
        unpack(tool, many_path / "a.zip", many_path / "out")
        assert len(os.listdir(many_path / "out")) == 65600


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not FULL, reason="runs with --full only: a file of more than 4 GiB")
def test_a_file_longer_than_a_plain_zip_has_room_for(tool, sanitized, tmp_path):
    if sanitized:
        pytest.skip("so many bytes take too long with sanitizers")
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "a large", "wb") as file:
        file.truncate(4400 * BLOCK)
    (source / "b behind").write_bytes(b"behind")
    for level in ("default", "fastest"):  # the latter stores: offsets are beyond 4 GiB, too
        pack(tool, "zip", source, tmp_path / "a.zip", level=level)
        run("unzip", "-tq", tmp_path / "a.zip")
        unpack(tool, tmp_path / "a.zip", tmp_path / "out")
        run("cmp", source / "a large", tmp_path / "out" / "a large")
        assert (tmp_path / "out" / "b behind").read_bytes() == b"behind"
        shutil.rmtree(tmp_path / "out")


@pytest.fixture(name="arm")
def fixture_arm(build, sanitized) -> Path:
    path = build / "bench" / "archive-aarch64"
    if sanitized:
        pytest.skip("a static program has no sanitizer")
    assert path.exists(), "the build has no helper for arm64; scripts/install-packages test names what it needs"
    return path


@pytest.mark.parametrize("form", ["zip", "zipzstd", "tarzstd"])
def test_arm64_writes_and_reads_the_same(tool, arm, tmp_path, form):
    """qemu's old version has no openat2(): the way without it is run, too."""
    qemu = ["qemu-aarch64-static"]
    source = fill(tmp_path / "source")
    pack(arm, form, source, tmp_path / "arm", prefix=qemu)
    pack(tool, form, source, tmp_path / "own")
    assert (tmp_path / "arm").read_bytes() == (tmp_path / "own").read_bytes()
    unpack(arm, tmp_path / "own", tmp_path / "out", prefix=qemu)
    assert tree_of(tmp_path / "out") == tree_of(source)


def elf(path, *options):
    return run("readelf", "-W", *options, path).stdout.decode()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_helper_that_is_brought_needs_nothing(build, sanitized, machine):
    if sanitized:
        pytest.skip("a static program has no sanitizer")
    path = build / "helper" / "static" / f"flotilla-helper-static-{machine}"
    assert path.stat().st_size <= 3_000_000
    header, dynamic = elf(path, "-h", "-l"), elf(path, "-d")
    assert "DYN" in header and "INTERP" not in header and "GNU_RELRO" in header
    assert "NEEDED" not in dynamic and "PIE" in dynamic and "BIND_NOW" in dynamic
    runner = ["qemu-aarch64-static"] if machine == "aarch64" else []
    assert run(*runner, path, "--version").stdout.startswith(b"flotilla-helper ")

"""flotilla-helper's command `stream`: archives through stdin and stdout, for an instance without a way to GitLab and
the stores. The static program has no other way."""

import json

import pytest
from helper_program import (NO_UPLOAD, archiver, credentials, extractor, names_in, static_helper,  # noqa: F401
                            stream_helper, zip_of)
from recorder import Answer, Recorder


def order(helper, *words, **more):
    return json.dumps({"directory": str(helper.project), "environment": [], "arguments": [*map(str, words)],
                       **more}).encode() + b"\n"


@pytest.mark.sample
def test_stream_artifacts(stream_helper):
    helper = stream_helper
    helper.write(out__a="1")
    done = helper.run("stream", stdin=order(helper, "artifacts-uploader", "--path", "$DIR", "--name", "n",
                                            "--artifact-format", "zip", environment=[["DIR", "out"]]), cwd="/")
    assert done.status == 0, done.err
    line, archive = done.out.split(b"\n", 1)
    assert json.loads(line) == {"file_name": "n.zip"}
    assert names_in(archive) == ["out/", "out/a"]
    done = helper.run("stream", stdin=order(helper, "artifacts-uploader", "--path", "nope"))
    assert (done.status, done.out) == (0, b"")
    done = helper.run("stream", stdin=order(helper, "artifacts-downloader") + zip_of(b="2" * 100000))
    assert (done.status, done.out) == (0, b""), done.err
    assert (helper.project / "b").read_text() == "2" * 100000


@pytest.mark.sample
def test_stream_caches(stream_helper, folder):
    helper = stream_helper
    helper.write(a="1")
    file = folder / "cache/k/cache.zip"
    words = ["cache-archiver", "--file", "../cache/k/cache.zip", "--alternate-file", "../old.zip", "--path", "a"]
    for made in True, False:
        done = helper.run("stream", stdin=order(helper, *words))
        line, archive = done.out.split(b"\n", 1)
        assert json.loads(line) == {"size": file.stat().st_size, "modified": int(file.stat().st_mtime), "made": made}
        assert archive == file.read_bytes()
    done = helper.run("stream", stdin=order(helper, *words, store=False))
    assert (done.status, done.out, done.lines[-1]) == (0, b"", NO_UPLOAD)
    done = helper.run("stream", stdin=order(helper, *words, "--max-uploaded-archive-size", "1"))
    assert (done.status, done.out) == (0, b"")
    (helper.project / "a").unlink()
    extract = order(helper, "cache-extractor", "--file", "../cache/k/cache.zip")
    assert helper.run("stream", stdin=extract).status == 0
    assert (helper.project / "a").read_text() == "1"
    assert helper.run("stream", stdin=extract + zip_of(a="3")).status == 0
    assert (helper.project / "a").read_text() == "3"
    file.unlink()
    assert helper.run("stream", stdin=extract).lines[-1] == "WARNING: Cache file does not exist"
    assert sorted(path.name for path in file.parent.iterdir()) == ["metadata.json"]


def test_stream_takes_what_the_jobs_scripts_have_left(stream_helper, folder):
    helper = stream_helper
    helper.write(x="1")
    (folder / "env").write_text("NAME=of the scripts\n")
    stdin = order(helper, "artifacts-uploader", "--path", "x", "--name", "$NAME", env_file=str(folder / "env"),
                  environment=[["NAME", "of the job"]])
    assert json.loads(helper.run("stream", stdin=stdin).out.split(b"\n", 1)[0]) == {"file_name": "of the scripts.zip"}
    (folder / "env").write_text("\n")
    done = helper.run("stream", stdin=stdin)
    assert done.status == 1 and "line 1 names no variable" in done.lines[-1]


@pytest.mark.parametrize("line, sentence", [
    (b"{}\n", "directory"), (b"nonsense\n", "stream: "), (b'{"directory":"/"}\n', "arguments"),
    (b'{"directory":"/nowhere","arguments":["cache-init"]}\n', "/nowhere"),
    (b'{"directory":"/","arguments":["stream"]}\n', "there is no command 'stream' to run"),
    (b'{"directory":"/","arguments":["cache-init"]}\n', "there is no command 'cache-init' to run"),
    (b'{"directory":"/","arguments":["x"],"environment":[["A"]]}\n', "environment: entry 1"),
])
def test_stream_refuses_a_bad_line(stream_helper, line, sentence):
    done = stream_helper.run("stream", stdin=line)
    assert done.status == 1 and sentence in done.lines[-1] and done.out == b""


def test_the_static_helper_has_no_http(static_helper):
    static_helper.write(a="1")
    with Recorder(Answer(200)) as store:
        for done in (static_helper.run("artifacts-uploader", *credentials(store), "--path", "a"),
                     static_helper.run("artifacts-downloader", *credentials(store)),
                     archiver(static_helper, "--path", "a", "--url", store.url), extractor(static_helper, "--url", store.url)):
            assert done.status == 1 and "has no HTTP" in done.lines[-1]
    assert not store.requests

"""flotilla-helper's commands cache-archiver and cache-extractor (job-execution.md 5.4 to 5.6, 7 and 10.6): with no store,
with one that keeps what it was asked, and with S3 and Azure by their own protocols."""

import json
import os
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from checker.certificates import make_certificate
from helper_program import NO_DOWNLOAD, NO_UPLOAD, archiver, extractor, helper, zip_of  # noqa: F401
from recorder import Answer, Recorder
from stores import s3_store  # noqa: F401


def test_job_execution_10_6_the_calls_of_a_cache_without_a_store(helper, folder):
    helper.write(v__a="1")
    deep = Path("../../../../../cache/ns/p/k/cache.zip")
    cwd = folder / "b" / "x" / "0" / "ns" / "p"
    cwd.mkdir(parents=True)
    (cwd / "v").mkdir()
    (cwd / "v" / "a").write_text("1")
    done = helper.run("cache-extractor", "--file", deep, "--timeout", "10", cwd=cwd)
    assert (done.status, done.lines) == (1, [NO_DOWNLOAD, "WARNING: Cache file does not exist"])
    (folder / "env").write_text("")
    words = ["cache-archiver", "--file", deep, "--alternate-file", "../../../../../cache/ns/p/0123/cache.zip",
             "--timeout", "10", "--path", "v", "--env-file", folder / "env"]
    done = helper.run(*words, cwd=cwd)
    assert (done.status, done.lines[-1]) == (0, NO_UPLOAD)
    (cwd / "v" / "a").unlink()
    done = helper.run("cache-extractor", "--file", deep, "--timeout", "10", cwd=cwd)
    assert (done.status, done.lines) == (0, [NO_DOWNLOAD])
    assert (cwd / "v" / "a").read_text() == "1"
    assert ((folder / "cache/ns/p").stat().st_mode & 0o777) == 0o700
    assert sorted(path.name for path in (folder / "cache/ns/p/k").iterdir()) == ["cache.zip", "metadata.json"]
    assert (folder / "cache/ns/p/k/metadata.json").read_text() == "{}"


def test_job_execution_5_6_nothing_to_cache(helper):
    done = archiver(helper, "--path", "nope")
    assert (done.status, done.lines[-1]) == (0, "WARNING: No files to cache.")
    assert not (helper.project.parent / "cache").exists()


def test_job_execution_5_6_an_archive_is_made_anew_when_a_file_is_newer(helper, folder):
    helper.write(a="1")
    file = folder / "cache/k/cache.zip"
    assert archiver(helper, "--path", "a").status == 0
    first = file.stat().st_ino
    assert archiver(helper, "--path", "a").lines[-1] == "Archive is up to date!"
    assert file.stat().st_ino == first
    os.utime(helper.project / "a", (time.time() + 10, time.time() + 10))
    assert archiver(helper, "--path", "a").lines[-1] == NO_UPLOAD
    assert file.stat().st_ino != first


def test_job_execution_5_6_the_alternate_file_takes_the_name(helper, folder):
    helper.write(a="1")
    assert archiver(helper, "--path", "a").status == 0
    (folder / "cache/k/cache.zip").rename(folder / "cache/old.zip")
    done = archiver(helper, "--path", "a", "--alternate-file", "../cache/old.zip")
    assert done.lines[-2:] == ["Archive is up to date!", NO_UPLOAD]
    assert (folder / "cache/k/cache.zip").exists() and not (folder / "cache/old.zip").exists()


@pytest.mark.sample
def test_an_upload_to_a_store(helper, folder):
    helper.write(a="1")
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url + "/b/o?X-Amz-Signature=secret", "--header", "Host: x",
                        "--header", "x-amz-meta-cachekey: k")
    assert done.status == 0, done.err
    assert done.lines[-1] == f"Uploading cache.zip to {store.url}/b/o"
    [request] = store.requests
    file = folder / "cache/k/cache.zip"
    assert (request.method, request.body) == ("PUT", file.read_bytes())
    assert request.headers["x-amz-meta-cachekey"] == "k"
    assert request.headers["last-modified"] == formatdate(int(file.stat().st_mtime), usegmt=True)
    assert request.headers["host"] == f"127.0.0.1:{store.port}"


def test_signed_urls_by_stdin(helper, folder):
    """No other process sees them there."""
    helper.write(a="1")
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--options-stdin",
                        stdin=f"--url={store.url}/b/o?sig=1=2\n--header=x-a: b=c\n--header=x-d: e".encode())
    assert done.status == 0, done.err
    [request] = store.requests
    assert (request.path, request.headers["x-a"], request.headers["x-d"]) == ("/b/o?sig=1=2", "b=c", "e")
    assert archiver(helper, "--path", "a", "--options-stdin").lines[-1] == "Archive is up to date!"
    for text, sentence in ((b"--urk=x", "there is no option --urk"), (b"--timeout=x", "takes a number, not 'x'"),
                           (b"--url", "option --url needs a value"),
                           (b"--url=" + bytes(65536), "--options-stdin: stdin cannot be read, or is too long")):
        for command in (archiver, extractor):
            done = command(helper, "--options-stdin", stdin=text)
            assert done.status == 1 and sentence in done.lines[-1], done.err


@pytest.mark.parametrize("check, methods, last", [
    (200, ["HEAD"], "Primary cache already exists remotely, skipping upload"),
    (404, ["HEAD", "PUT"], "Uploading cache.zip to {}/put"),
    (500, ["HEAD", "PUT"], "Uploading cache.zip to {}/put"),
    (None, ["PUT"], "Uploading cache.zip to {}/put"),
])
def test_job_execution_5_6_what_is_up_to_date_is_looked_for_in_the_store(helper, check, methods, last):
    helper.write(a="1")
    assert archiver(helper, "--path", "a").status == 0
    with Recorder(lambda request: Answer(check if request.method == "HEAD" else 200)) as store:
        words = ["--path", "a", "--url", store.url + "/put", "--alternate-file", "../cache/other.zip"]
        done = archiver(helper, *words, *(["--check-url", store.url + "/head"] if check else []))
        assert (done.status, done.lines[-1]) == (0, last.format(store.url))
        assert [request.method for request in store.requests] == methods


def test_job_execution_5_6_a_cache_that_is_too_big_stays_here(helper, folder):
    (helper.project / "a").write_bytes(os.urandom(5000))
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url, "--max-uploaded-archive-size", "5000")
        size = (folder / "cache/k/cache.zip").stat().st_size
        assert done.status == 0 and not store.requests
        assert done.lines[-1] == (f"Cache archive size ({size}) is too big (Limit is set to 5000). "
                                  "Cache will be stored only locally.")
        os.utime(helper.project / "a", (time.time() + 10, time.time() + 10))
        assert archiver(helper, "--path", "a", "--url", store.url,
                        environment={"CACHE_MAX_UPLOADED_ARCHIVE_SIZE": str(size)}).status == 0
    assert len(store.requests) == 1


@pytest.mark.parametrize("status, tries, last", [
    (500, 3, "FATAL: received: 500 Internal Server Error"), (403, 1, "FATAL: received: 403 Forbidden"),
])
def test_job_execution_5_5_how_often_a_store_is_tried(helper, status, tries, last):
    helper.write(a="1")
    with Recorder(Answer(status)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url)
        assert (done.status, done.lines[-1], len(store.requests)) == (1, last, tries)
        store.requests.clear()
        done = extractor(helper, "--url", store.url)
        assert (done.status, done.lines[-1], len(store.requests)) == (1, last.replace("FATAL", "WARNING"), tries)
        store.requests.clear()
        assert extractor(helper, "--url", store.url, "--retry", "0").status == 1
        assert len(store.requests) == 1


def test_job_execution_5_5_a_miss_is_a_warning(helper):
    with Recorder(Answer(404)) as store:
        done = extractor(helper, "--url", store.url)
    assert (done.status, done.lines) == (1, ["WARNING: file does not exist"])
    assert len(store.requests) == 1


@pytest.mark.sample
def test_job_execution_5_5_a_newer_archive_is_fetched_and_keeps_its_time(helper, folder):
    file = folder / "cache/k/cache.zip"
    with Recorder(Answer(200, zip_of(a="1"), {"Last-Modified": formatdate(1700000000, usegmt=True)})) as store:
        done = extractor(helper, "--url", store.url + "/o?sig=1")
        assert (done.status, done.lines) == (0, [f"Downloading cache from {store.url}/o"])
        assert file.stat().st_mtime == 1700000000 and (helper.project / "a").read_text() == "1"
        assert list(file.parent.iterdir()) == [file]
        (helper.project / "a").unlink()
        done = extractor(helper, "--url", store.url + "/o?sig=1")
        assert (done.status, done.lines) == (0, ["cache.zip is up to date"])
        assert (helper.project / "a").read_text() == "1"
        store.answers = [Answer(200, zip_of(a="2"), {"Last-Modified": formatdate(1700000001, usegmt=True)})]
        assert extractor(helper, "--url", store.url).status == 0
    assert (helper.project / "a").read_text() == "2"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("primary, alternate, taken", [
    (5, 6, "/b"), (6, 5, "/a"), (5, 5, "/a"), (None, 5, "/b"), (5, None, "/a"), (None, None, "/a"), (500, 5, "/a"),
])
def test_job_execution_5_5_the_newer_of_two_objects(helper, primary, alternate, taken):
    times = {"/a": primary, "/b": alternate}

    def answer(request):
        modified = times[request.path]
        if modified is None or modified == 500:
            return Answer(modified or 404)
        return Answer(200, zip_of(a=request.path), {"Last-Modified": formatdate(1700000000 + modified, usegmt=True)})

    with Recorder(answer) as store:
        done = extractor(helper, "--url", store.url + "/a", "--head-url", store.url + "/a", "--alternate-url",
                         store.url + "/b", "--alternate-head-url", store.url + "/b", "--retry", "0")
        got = [request.path for request in store.requests if request.method == "GET"]
    assert got == [taken]
    assert (done.status == 0) == isinstance(times[taken], int) or times[taken] == 500


@pytest.mark.parametrize("form, magic", [("zip", b"PK"), ("zipzstd", b"PK"), ("tarzstd", b"\x28\xb5\x2f\xfd"),
                                         ("nonsense", b"PK"), ("raw", b"PK")])
def test_job_execution_5_6_formats_keep_the_name(helper, folder, form, magic):
    helper.write(dir__a="1")
    assert archiver(helper, "--path", "dir", environment={"CACHE_COMPRESSION_FORMAT": form}).status == 0
    assert (folder / "cache/k/cache.zip").read_bytes().startswith(magic)
    (helper.project / "dir" / "a").unlink()
    assert extractor(helper).status == 0
    assert (helper.project / "dir" / "a").read_text() == "1"


def test_a_cache_in_s3_from_job_to_job(helper, folder, s3_store):
    helper.write(dir__a="1")
    bucket, key = s3_store.bucket("caches"), "project/1/k"
    words = ["--path", "dir", "--alternate-file", "../old.zip",
             "--url", s3_store.signed("put_object", bucket, key, Metadata={"cachekey": "k"}),
             "--header", "x-amz-meta-cachekey: k", "--check-url", s3_store.signed("head_object", bucket, key)]
    assert archiver(helper, *words).status == 0
    assert s3_store.content(bucket, key) == (folder / "cache/k/cache.zip").read_bytes()
    assert s3_store.client.head_object(Bucket=bucket, Key=key)["Metadata"] == {"cachekey": "k"}
    assert archiver(helper, *words).lines[-1] == "Primary cache already exists remotely, skipping upload"
    (folder / "cache/k/cache.zip").unlink()
    (helper.project / "dir" / "a").unlink()
    done = extractor(helper, "--url", s3_store.signed("get_object", bucket, key))
    assert done.status == 0, done.err
    assert done.lines == [f"Downloading cache from {s3_store.url}/caches/project/1/k"]
    assert (helper.project / "dir" / "a").read_text() == "1"
    assert extractor(helper, "--url", s3_store.signed("get_object", bucket, key)).lines == ["cache.zip is up to date"]
    done = extractor(helper, "--url", s3_store.signed("get_object", bucket, "project/1/other"))
    assert (done.status, done.lines) == (1, ["WARNING: file does not exist"])


# Azure: its service is not here; what goes over the wire is (bench and docs name the real one).

def azure_environment(folder, store, certificate, **more):
    (folder / "env").write_text("".join(f'{key}="{value}"\n' for key, value in {
        "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_STORAGE_DOMAIN": f"localhost:{store.port}",
        "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=secret", **more}.items()))
    return {"SSL_CERT_FILE": str(certificate[0])}


def test_job_execution_5_4_azure_by_its_token(helper, folder):
    helper.write(a="1")
    certificate = make_certificate(folder, "DNS:acct.localhost")
    with Recorder(Answer(201), certificate=certificate) as store:
        environment = azure_environment(folder, store, certificate, CACHE_METADATA='{\\"cachekey\\":\\"k\\"}')
        words = ["--gocloud-url", "azblob://c/project/1/k", "--env-file", folder / "env"]
        done = archiver(helper, "--path", "a", *words, environment=environment)
        assert done.status == 0, done.err
        assert done.lines[-1] == "Uploading cache.zip to azblob://c/project/1/k"
        [request] = store.requests
        assert (request.method, request.path) == ("PUT", "/c/project/1/k?sv=1&sig=secret")
        assert request.headers["x-ms-blob-type"] == "BlockBlob" and request.headers["x-ms-meta-cachekey"] == "k"
        assert json.loads((folder / "cache/k/metadata.json").read_text()) == {"cachekey": "k"}
        # A miss leaves what is here.
        store.answers = [Answer(404)]
        assert extractor(helper, *words, environment=environment).status == 0
        (folder / "cache/k/cache.zip").unlink()
        done = extractor(helper, *words, environment=environment)
        assert (done.status, done.lines) == (1, ["WARNING: Cache file does not exist"])
        store.answers = [Answer(200, zip_of(b="2"))]
        assert extractor(helper, *words, environment=environment).status == 0
    assert (helper.project / "b").read_text() == "2"
    assert "secret" not in done.err


def test_job_execution_5_4_s3_by_temporary_credentials(helper, folder, s3_store):
    helper.write(a="1")
    bucket = s3_store.bucket("temporary")
    (folder / "env").write_text('AWS_ACCESS_KEY_ID="id"\nAWS_SECRET_ACCESS_KEY="s"\nAWS_SESSION_TOKEN="t"\n'
                                'CACHE_METADATA="{\\"cachekey\\":\\"k\\"}"\n')
    words = ["--gocloud-url", f"s3://{bucket}/project/1/k?awssdk=v2&region=us-east-1&use_path_style=true&endpoint="
             + s3_store.url.replace(":", "%3A").replace("/", "%2F"), "--env-file", folder / "env"]
    done = archiver(helper, "--path", "a", *words)
    assert (done.status, done.lines[-1]) == (0, f"Uploading cache.zip to s3://{bucket}/project/1/k"), done.err
    file = folder / "cache/k/cache.zip"
    assert s3_store.content(bucket, "project/1/k") == file.read_bytes()
    assert s3_store.client.head_object(Bucket=bucket, Key="project/1/k")["Metadata"] == {"cachekey": "k"}
    file.unlink()
    (helper.project / "a").unlink()
    assert extractor(helper, *words).status == 0
    assert (helper.project / "a").read_text() == "1"


def test_an_unknown_store_is_refused(helper):
    helper.write(a="1")
    done = archiver(helper, "--path", "a", "--gocloud-url", "gs://bucket/o")
    assert (done.status, done.lines[-1]) == (1, "FATAL: gs: no such store is known; there are azblob and s3")

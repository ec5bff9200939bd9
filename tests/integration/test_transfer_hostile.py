"""The transfer process and an instance that lies: what its stream brings is stored whole or not at all, under a name that
is one. The process is started as the supervisor does it, and nothing but the word `commit` makes an upload complete."""

import json
import socket
import struct
import subprocess

import pytest
from recorder import Answer, Recorder


def frame_of(value):
    text = json.dumps(value).encode()
    return struct.pack(">I", len(text)) + text


def end_of(link):
    """What the process told last."""
    data = b""
    while piece := link.recv(65536):
        data += piece
    (length,) = struct.unpack(">I", data[:4])
    return json.loads(data[4:4 + length])


@pytest.fixture
def transfer(binary):
    """Its end, for what came by the stream; `whole` is the worker's word about it, or None for none at all."""
    def run(start, sent, whole):
        link, link_theirs = socket.socketpair()
        stream, stream_theirs = socket.socketpair()
        command = ["bash", "-c", f"exec \"$0\" transfer 3<&{link_theirs.fileno()} 4<&{stream_theirs.fileno()}", binary]
        process = subprocess.Popen(command, pass_fds=[link_theirs.fileno(), stream_theirs.fileno()], env={})
        link_theirs.close()
        stream_theirs.close()
        stream.sendall(sent)  # before there is a start, and with it an end
        stream.shutdown(socket.SHUT_WR)
        word = b"" if whole is None else frame_of({"type": "commit", "whole": whole})
        link.sendall(frame_of({"type": "start", **start}) + word)
        if whole is None:
            link.shutdown(socket.SHUT_WR)
        end = end_of(link) if whole is not None else None
        assert process.wait(120) == (1 if whole is None else 0)
        link.close()
        stream.close()
        return end

    return run


CACHE_LINE = b'{"size":5,"modified":7}\n'


@pytest.mark.parametrize("sent, whole, message", [
    (b'{"size":0}\n', True, "the archive from the instance has no size"),
    (b'{"size":-5}\n12345', True, "the archive from the instance has no size"),
    (b'{"modified":7}\n12345', True, "the archive from the instance has no size"),
    (b"12345\n", True, "the stream from the instance begins with no line of a helper"),
    (b'{"size":20}\n' + b"x" * 20, True, "the archive has 20 bytes, the limit is 10"),
    (CACHE_LINE + b"123", True, "the archive is shorter than its helper said"),
    (CACHE_LINE + b"123456", True, "the archive is longer than its helper said"),
    (CACHE_LINE + b"12345", False, "the archive broke off on the instance"),
    (CACHE_LINE + b"12345", None, None),
])
def test_no_cache_is_stored_that_is_not_whole(transfer, sent, whole, message):
    with Recorder(Answer(200)) as store:
        end = transfer({"kind": "cache_upload", "url": store.url + "/k", "headers": [], "max_bytes": 10}, sent, whole)
    assert not any(request.whole for request in store.requests)
    assert end is None or end["message"] == message and end["result"] in ("failed", "too_large")


def test_a_cache_that_is_whole_is_stored(transfer):
    with Recorder(Answer(200)) as store:
        end = transfer({"kind": "cache_upload", "url": store.url + "/k", "headers": []}, CACHE_LINE + b"12345", True)
    assert (end["result"], store.requests[-1].body) == ("ok", b"12345")


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a\nb", "a\x7fb", "x" * 256, None, 5])
def test_no_artifact_is_stored_without_a_sound_name(transfer, name):
    line = json.dumps({"file_name": name}).encode()
    with Recorder(Answer(201)) as gitlab:
        end = transfer({"kind": "artifact_upload", "url": gitlab.url, "token": "t", "job": 1}, line + b"\ndata", True)
    assert gitlab.requests == [] and end["result"] == "failed"
    assert end["message"] == "the archive from the instance has no sound file name"

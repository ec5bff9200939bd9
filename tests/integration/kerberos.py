"""A realm of Kerberos for tests: MIT's KDC on a port of its own, and the accepting side of GSSAPI for winrm_service.py, with
the interface of pyspnego's contexts, whose own would need a compiler."""

import ctypes
import os
import socket
import subprocess
from collections import namedtuple

from checker.run import wait_for

REALM = "EXAMPLE.TEST"
Sealed = namedtuple("Sealed", "header data padding_length")
HEADER, DATA, PADDING, ALLOCATE = 2, 1, 9, 0x10000


class Realm:
    """`user` and `password`, and services of this machine whose keys are in a file that this process finds."""

    def __init__(self, folder, user="ci", password="Pa$$w0rd;<>&", services=("HTTP/localhost",)):
        self.folder, self.user, self.password = folder, f"{user}@{REALM}", password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\ndns_canonicalize_hostname = false\nrdns = false\ndns_lookup_kdc = false\n"
            f"[realms]\n{REALM} = {{\nkdc = 127.0.0.1:{self.port}\n}}\n[domain_realm]\nlocalhost = {REALM}\n")
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\nkdc_listen = 127.0.0.1:{self.port}\nkdc_tcp_listen = 127.0.0.1:{self.port}\n[realms]\n{REALM} = {{\n"
            f"database_name = {folder}/principal\nkey_stash_file = {folder}/stash\nacl_file = {folder}/acl\n}}\n")
        self.environment = {"KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5_KDC_PROFILE": f"{folder}/kdc.conf",
                            "KRB5_KTNAME": f"FILE:{folder}/keytab"}
        os.environ.update(self.environment)
        self.run("/usr/sbin/kdb5_util", "create", "-s", "-P", "master")
        self.admin(f'addprinc -pw "{password}" {self.user}')
        for service in services:
            self.admin(f"addprinc -randkey {service}")
            self.admin(f"ktadd -k {folder}/keytab {service}")
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "/usr/sbin/krb5kdc", "-n"], env=os.environ,
                                        stderr=open(folder / "kdc.log", "wb"), stdout=subprocess.DEVNULL)
        assert wait_for(self.answers), (folder / "kdc.log").read_text()

    def run(self, *words):
        subprocess.run(words, check=True, capture_output=True, env=os.environ)

    def admin(self, query):
        self.run("/usr/sbin/kadmin.local", "-q", query)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait()
        for name in self.environment:
            os.environ.pop(name)


class Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]

    @classmethod
    def of(cls, data):
        buffer = cls(len(data), ctypes.cast(ctypes.create_string_buffer(data, len(data)), ctypes.c_void_p))
        return buffer

    def data(self):
        return ctypes.string_at(self.value, self.length) if self.length else b""


class Piece(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("buffer", Buffer)]


class Channel(ctypes.Structure):
    _fields_ = [("initiator_type", ctypes.c_uint32), ("initiator", Buffer), ("acceptor_type", ctypes.c_uint32),
                ("acceptor", Buffer), ("application_data", Buffer)]


class Acceptor:
    negotiated_protocol = "kerberos"

    def __init__(self, channel=None):
        self.channel = ctypes.byref(Channel(application_data=Buffer.of(channel))) if channel else None
        self.library, self.context, self.complete = ctypes.CDLL("libgssapi_krb5.so.2"), ctypes.c_void_p(), False

    def call(self, name, *arguments):
        minor = ctypes.c_uint32()
        function = getattr(self.library, name)
        function.restype = ctypes.c_uint32
        major = function(ctypes.byref(minor), *arguments)
        assert not major & 0xffff0000, f"{name}: {major:#x}, {minor.value}"
        return major

    def step(self, token):
        said, answer = Buffer.of(token), Buffer()
        major = self.call("gss_accept_sec_context", ctypes.byref(self.context), None, ctypes.byref(said), self.channel, None, None,
                          ctypes.byref(answer), None, None, None)
        self.complete = major == 0
        return answer.data()

    def wrap_winrm(self, data):
        pieces = (Piece * 3)(Piece(HEADER | ALLOCATE), Piece(DATA, Buffer.of(data)), Piece(PADDING | ALLOCATE))
        self.call("gss_wrap_iov", self.context, 1, 0, None, pieces, 3)
        return Sealed(pieces[0].buffer.data(), pieces[1].buffer.data() + pieces[2].buffer.data(), pieces[2].buffer.length)

    def unwrap_winrm(self, header, data):
        pieces = (Piece * 3)(Piece(HEADER, Buffer.of(header)), Piece(DATA, Buffer.of(data)), Piece(DATA))
        encrypted = ctypes.c_int()
        self.call("gss_unwrap_iov", self.context, ctypes.byref(encrypted), None, pieces, 3)
        assert encrypted.value
        return pieces[1].buffer.data()

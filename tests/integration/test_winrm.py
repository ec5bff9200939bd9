"""Commands by WinRM (core/job/connect/winrm.h) against a service that runs them, which pywinrm and pypsrp accept, too."""

import hashlib
import os
import subprocess
import threading

import pytest
import winrm
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from checker.run import PATIENCE, wait_for
from kerberos import Realm
from winrm_service import Cut, Service


def make_certificate(folder, name="127.0.0.1", digest="sha256"):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", f"-{digest}",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def new_service(folder):
    made = []

    def make(**settings):
        made.append(Service(folder, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def call(build):
    """Runs a command; returns what it printed and the last line of what is said of it."""
    def run(service, command, *settings, data=b"", user=r"WORKGROUP\Administrator", password=None, address="127.0.0.1"):
        done = subprocess.run([build / "tests" / "integration" / "call_winrm", "winrm+https" if service.tls else "winrm", address,
                               str(service.port), user, service.password if password is None else password, command, *settings],
                              input=data, capture_output=True, timeout=PATIENCE * 4)
        return done.stdout, done.stderr, done.stderr.decode().splitlines()[-1]

    return run


# The service is a fair one.

def test_pywinrm_accepts_the_service(new_service):
    service = new_service()
    session = winrm.Session(f"http://127.0.0.1:{service.port}/wsman", auth=(r"WORKGROUP\Administrator", service.password),
                            transport="ntlm", message_encryption="always")
    answer = session.run_cmd("echo out; echo err >&2; exit 7")
    assert (answer.status_code, answer.std_out, answer.std_err) == (7, b"out\n", b"err\n")


def test_pypsrp_accepts_the_service(new_service):
    service = new_service()
    with WSMan("127.0.0.1", port=service.port, ssl=False, auth="negotiate", username=r"WORKGROUP\Administrator",
               password=service.password, encryption="always") as wsman, WinRS(wsman) as shell:
        assert wsman.max_envelope_size != service.max_envelope
        wsman.update_max_payload_size()
        assert wsman.max_envelope_size == service.max_envelope
        process = Process(shell, "cat; exit 3")
        process.begin_invoke()
        process.send(b"hello\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.CTRL_C)
        assert (process.rc, process.stdout) == (3, b"hello\n")


# What goes well

def test_a_command_has_input_two_outputs_and_a_status(new_service, call):
    service = new_service()
    out, err, result = call(service, "sh", data="echo \u00e9\u2019; echo no >&2; exit 7\n".encode())
    assert (out.decode(), err[:3], result) == ("\u00e9\u2019\n", b"no\n", "RESULT 7")
    assert service.logins == ["ntlm", "ntlm"], "one for each connection, for all that is said on it"
    assert service.actions().count("Delete") == 2 and not service.shells


def test_a_user_without_a_domain_is_the_machines_own(new_service, call):
    assert call(new_service(), "exit 0", user="Administrator")[2] == "RESULT 0"


def test_commands_follow_each_other_on_the_same_connections(new_service, call):
    service = new_service()
    out, _, result = call(service, "cat", "again=5", data=b"x")
    assert (out, result, len(service.logins)) == (b"xxxxx", "RESULT 0", 2)


def test_a_command_may_end_before_its_input_is_acknowledged(new_service, call):
    """Its connection has an answer in it then, which is not the next command's."""
    service = new_service()
    service.hold_sends = True
    out, _, result = call(service, "sh", "again=3", data=b"echo done")
    assert (out, result) == (b"done\n" * 3, "RESULT 0")


def test_a_connection_whose_end_is_announced_is_made_anew(new_service, call):
    service = new_service()
    service.close_after = 3
    out, _, result = call(service, "cat", "again=5", data=b"x")
    assert (out, result) == (b"xxxxx", "RESULT 0")
    assert len(service.logins) > 2


def test_a_connection_that_was_closed_between_two_commands_is_made_anew(new_service, call, folder):
    """As Windows closes one that has been idle for two minutes."""
    service, waiting, go_on = new_service(), folder / "go-on.waiting", folder / "go-on"
    done = []
    runner = threading.Thread(target=lambda: done.append(call(service, "cat", "again=2", f"between={go_on}", data=b"x")))
    runner.start()
    assert wait_for(waiting.exists)
    service.cut_connections()
    go_on.touch()
    runner.join()
    assert done[0][0::2] == (b"xx", "RESULT 0")
    assert len(service.logins) == 4


def test_100000_lines_arrive(new_service, call):
    out, _, result = call(new_service(), "sh", data=b"seq 100000")
    assert result == "RESULT 0"
    assert out == b"".join(b"%d\n" % i for i in range(1, 100001))


@pytest.mark.parametrize("streamed", [False, True])
def test_large_input_goes_in_pieces_while_output_comes(new_service, call, streamed):
    data = os.urandom(2_000_000)
    out, _, result = call(new_service(), "cat", *["stream=1"] * streamed, data=data)
    assert (hashlib.sha256(out).digest(), result) == (hashlib.sha256(data).digest(), "RESULT 0")


def test_input_that_the_command_does_not_want_is_no_failure(new_service, call):
    assert call(new_service(), "exec <&-; exit 5", data=b"x" * 1_000_000)[2] == "RESULT 5"


@pytest.mark.parametrize("says_why", [True, False])
def test_a_server_that_takes_less_is_sent_less(new_service, call, says_why):
    """Who may run commands need not be one who may read the limit."""
    service = new_service()
    service.faults["Get"] = ["denied"]
    service.says_why = says_why
    service.max_envelope = 40_000
    data = os.urandom(300_000)
    out, _, result = call(service, "cat", data=data)
    assert (out == data, result) == (True, "RESULT 0")
    assert "TooLarge" in service.actions()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_says_how_much_it_takes_is_sent_no_more(new_service, call, streamed):
    service = new_service()
    service.max_envelope = 40_000
    data = os.urandom(300_000)
    out, _, result = call(service, "cat", "again=2", *["stream=1"] * streamed, data=data)
    assert (out == data * (1 if streamed else 2), result) == (True, "RESULT 0")
    assert "TooLarge" not in service.actions() and service.actions().count("Get") == 1


def test_what_each_server_takes_is_sent_without_a_question(new_service, call):
    service = new_service()
    assert call(service, "cat", data=b"x" * 16_000)[2] == "RESULT 0"
    assert "Get" not in service.actions()


def test_a_command_that_is_silent_for_long_is_waited_for(new_service, call):
    """And is not asked without a pause, though the server has its answer at once."""
    service = new_service()
    service.faults["Receive"] = ["timed_out"] * 3
    assert call(service, "echo late")[0::2] == (b"late\n", "RESULT 0")
    told = [moment for action, moment in service.told if action == "Receive"]
    heard = [moment for action, moment in service.heard if action == "Receive"]
    assert len(told) == 3 and len(heard) >= 4
    assert all(then - answered > 0.4 for answered, then in zip(told, heard[1:]))


# Who may come

@pytest.mark.parametrize("user, password, sentence", [
    (r"WORKGROUP\Administrator", "wrong", r"WinRM authentication as 'WORKGROUP\Administrator' was refused; check username and password"),
    ("nobody", None, "WinRM authentication as 'nobody' was refused; check username and password"),
    ("Administrator", "", "WinRM authentication as 'Administrator' was refused with no password configured; check username and password")])
def test_a_wrong_login_is_refused(new_service, call, user, password, sentence):
    service = new_service()
    assert call(service, "exit 0", user=user, password=password)[2] == f"RESULT EACCES {sentence}"
    assert not service.requests


def test_a_password_is_not_told_without_tls(new_service, call):
    service = new_service(schemes=("Basic",))
    assert call(service, "exit 0")[2] == (
        "RESULT EACCES WinRM on 127.0.0.1 takes passwords in the clear alone (Basic), which are not sent without TLS: allow "
        'Negotiate on the instance, or use protocol = "winrm+https"')
    assert not service.logins


def test_a_password_is_not_told_to_a_stranger(new_service, call, folder):
    service = new_service(schemes=("Basic",), tls=make_certificate(folder), user="Administrator")
    assert call(service, "exit 0", "own=accept", user="Administrator")[2] == (
        "RESULT EACCES WinRM on 127.0.0.1 takes passwords in the clear alone (Basic), which are not sent where nobody vouches for "
        "the certificate: allow Negotiate on the instance, or use tls_ca_file in place of accept_self_signed")
    assert not service.logins


def test_what_is_not_encrypted_is_not_believed(new_service, call):
    service = new_service()

    def tell_plain(root, on_receive=service.on_receive):
        service.next_is_plain = True
        return on_receive(root)

    service.on_receive = tell_plain
    out, _, result = call(service, "echo forged")
    assert (out, result) == (b"", "RESULT EPROTO the instance's answer is not encrypted")


@pytest.mark.parametrize("tls", [False, True])
def test_nobody_is_sent_elsewhere(new_service, call, folder, tls):
    certificate, key = make_certificate(folder)
    other = new_service(schemes=("Basic",))
    service = new_service(tls=(certificate, key) if tls else None, schemes=("Basic",) if tls else ("Negotiate",))

    def redirect(root, on_receive=service.on_receive):
        service.next_leads_to = f"http://127.0.0.1:{other.port}/wsman"
        return on_receive(root)

    service.on_receive = redirect
    # A command that has not ended: there is a request behind the one that armed the service.
    result = call(service, "echo out; exec sleep 600", f"ca={certificate}", user="Administrator")[2]
    assert result.startswith(f"RESULT EPROTO WinRM on 127.0.0.1 port {service.port} answers HTTP status 307: "), result
    assert not other.connections


def test_a_service_without_a_login_that_we_know(new_service, call):
    assert "takes neither Negotiate: allow Negotiate on the instance" in call(new_service(schemes=("CredSSP",)), "exit 0")[2]


# Kerberos

@pytest.fixture
def realm(folder):
    made = Realm(folder)
    yield made
    made.close()


def test_kerberos_logs_in_and_encrypts(new_service, call, realm):
    service = new_service(kerberos=True)
    data = os.urandom(300_000)
    out, _, result = call(service, "cat", user=realm.user, address="localhost", data=data)
    assert (out == data, result) == (True, "RESULT 0")
    assert service.logins == ["kerberos", "kerberos"]


def test_what_kerberos_refuses_is_said_in_its_words(new_service, call, realm):
    service = new_service(kerberos=True)
    for settings, sentence in [
            ({"password": "wrong"}, "Kerberos does not let the user in: Decrypt integrity check failed"),
            ({"user": "nobody@EXAMPLE.TEST"}, "Kerberos does not let the user in: Client 'nobody@EXAMPLE.TEST' not found in Kerberos "
             "database"),
            ({"address": "127.0.0.1"}, "Kerberos gives no ticket for the instance's WinRM: ")]:
        result = call(service, "exit 0", **{"user": realm.user, "address": "localhost", **settings})[2]
        assert result.startswith("RESULT EACCES " + sentence), result
    assert not service.requests


# Certificates

@pytest.mark.parametrize("schemes, logins", [(("Negotiate", "Basic"), ["ntlm", "ntlm"]), (("Basic",), None)])
def test_tls_with_an_authority_that_is_named(new_service, call, folder, schemes, logins):
    certificate, key = make_certificate(folder)
    service = new_service(schemes=schemes, tls=(certificate, key), user="Administrator")
    user = "Administrator" if logins is None else r"WORKGROUP\Administrator"
    out, _, result = call(service, "cat", f"ca={certificate}", data=b"x" * 300_000, user=user)
    assert (len(out), result) == (300_000, "RESULT 0")
    assert logins is None or service.logins == logins


def channel_of(certificate, digest):
    """RFC 5929's tls-server-end-point."""
    der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True, capture_output=True).stdout
    return b"tls-server-end-point:" + hashlib.new(digest, der).digest()


@pytest.mark.parametrize("kerberos, signed, digest", [(False, "sha256", "sha256"), (False, "sha384", "sha384"),
                                                      (False, "sha1", "sha256"), (True, "sha256", "sha256")])
def test_a_login_is_bound_to_the_certificate(new_service, call, folder, request, kerberos, signed, digest):
    """What Windows asks for where CbtHardeningLevel is Strict: who passes a login on shows another certificate."""
    user = request.getfixturevalue("realm").user if kerberos else r"WORKGROUP\Administrator"
    certificate, key = make_certificate(folder, "localhost", signed)
    service = new_service(tls=(certificate, key), kerberos=kerberos)

    def result(channel):
        service.channel = channel
        return call(service, "exit 0", "own=accept", user=user, address="localhost")[2]

    assert result(channel_of(certificate, digest)) == "RESULT 0"
    logins = len(service.logins)
    assert result(channel_of(certificate, digest)[:-1] + b"?").startswith("RESULT EACCES WinRM authentication as ")
    assert len(service.logins) == logins


@pytest.mark.parametrize("known, name", [(False, "127.0.0.1"), (True, "localhost")])
def test_a_certificate_that_is_not_vouched_for_ends_the_connection(new_service, call, folder, known, name):
    certificate, key = make_certificate(folder, name)
    service = new_service(tls=(certificate, key))
    result = call(service, "exit 0", *[f"ca={certificate}"] * known)[2]
    assert result.startswith("RESULT EKEYREJECTED the certificate that 127.0.0.1 shows is not one of a known authority, or not for "
                             "that name; nothing was sent. Set connector_config.tls_ca_file, or accept_self_signed = true")
    assert not service.requests and not service.logins


@pytest.mark.parametrize("verdict, result", [("accept", "RESULT 0"), ("refuse", "RESULT EKEYREJECTED that key is refused")])
def test_the_key_of_a_certificate_counts_where_that_is_wanted(new_service, call, folder, verdict, result):
    certificate, key = make_certificate(folder, "somewhere")
    service = new_service(tls=(certificate, key))
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    _, err, got = call(service, "exit 0", f"own={verdict}")
    shown = subprocess.run(["openssl", "base64"], input=hashlib.sha256(public).digest(), capture_output=True).stdout.decode().strip()
    assert f"KEY x509-sha256 {shown}" in err.decode()
    assert got == result
    assert bool(service.requests) == (verdict == "accept")


# What goes wrong

@pytest.mark.parametrize("action, fault, sentence", [
    ("Create", "quota", "EAGAIN making a shell: WinRM says: The WS-Management service cannot process the request. This user is "
     "allowed a maximum number of 5 concurrent shells, which has been exceeded.; raise MaxShellsPerUser"),
    ("Create", "denied", "EACCES making a shell: WinRM says: Access is denied.; the account must be an administrator"),
    ("Command", "not_found", "ENOENT starting the shell's program: WinRM says: The system cannot find the file specified."),
    ("Command", "no_shell", "EPIPE starting the shell's program: WinRM says: The request for the Windows Remote Shell failed because "
     "the shell was not found on the server.; its shell has expired, or WinRM was restarted"),
    ("Receive", "no_shell", "EPIPE reading the output: WinRM says: The request for the Windows Remote Shell failed because the shell "
     "was not found on the server.; its shell has expired, or WinRM was restarted")])
def test_what_windows_refuses_is_said_in_words(new_service, call, action, fault, sentence):
    service = new_service()
    service.faults[action] = [fault] * 4
    assert call(service, "cat")[2].startswith("RESULT " + sentence)


def test_input_that_is_refused_while_the_command_waits_for_it(new_service, call, monkeypatch):
    service = new_service()
    service.faults["Send"] = ["quota"]
    monkeypatch.setenv("FLOTILLA_LIMITS", "winrm_refused=200")
    result = call(service, "cat", data=b"x")[2]
    assert result.startswith("RESULT EAGAIN sending the input: WinRM says: The WS-Management service cannot process the request.")
    assert not service.shells, "it does not wait on"


def test_input_that_is_refused_by_a_command_which_ends(new_service, call, monkeypatch):
    """Whatever the refusal says: Windows' words for it are not all known."""
    service = new_service()
    service.faults["Send"] = ["quota"]
    monkeypatch.setenv("FLOTILLA_LIMITS", "winrm_refused=600000")
    assert call(service, "exec <&-; exit 5", data=b"x")[2] == "RESULT 5"


def test_input_that_nobody_reads_ends_no_command(new_service, call, monkeypatch, folder):
    service, go_on = new_service(), folder / "go-on"
    service.faults["Send"], service.faults["Receive"] = ["closed"], ["timed_out"] * 4
    monkeypatch.setenv("FLOTILLA_LIMITS", "winrm_refused=1")
    done = []
    runner = threading.Thread(target=lambda: done.append(call(service, f"exec <&-; while ! test -e {go_on}; do sleep 0.05; done; exit 5",
                                                              data=b"x")))
    runner.start()
    wait_for(lambda: done or len(service.told) == 5 and service.heard[-1][1] > service.told[-1][1])
    go_on.touch()
    runner.join()
    assert done[0][2] == "RESULT 5"


def test_a_shell_that_comes_after_a_cancel_is_removed(new_service, call, folder):
    """It would be among those that the instance allows the user."""
    service, stop = new_service(), folder / "stop"

    def make_late(root, on_create=service.on_create):
        if service.actions().count("Create") > 1:  # which is the connection's own
            stop.touch()
            assert wait_for(lambda: not stop.exists()), "who cancels?"
        return on_create(root)

    service.on_create = make_late
    assert call(service, "cat", f"cancel={stop}")[2] == "RESULT ECANCELED stopped: Operation canceled"
    assert service.actions()[-2:] == ["Create", "Delete"] and not service.shells


@pytest.mark.parametrize("action", ["Command", "Send", "Receive"])
def test_a_connection_that_is_cut_is_lost(new_service, call, action):
    """Nobody knows whether the request was taken, so it is not sent again."""
    service = new_service()
    service.faults[action] = [Cut()]
    result = call(service, "cat", data=b"x")[2]
    assert result.startswith("RESULT EPIPE the connection to WinRM on 127.0.0.1 is lost: ") or \
        result.startswith("RESULT EPIPE asking the instance: the connection to the instance is lost"), result
    assert service.actions().count(action) == 1


def test_a_session_that_is_lost_does_not_run_on(new_service, call, monkeypatch):
    """Its next connection has no answer to its login, which is not the command's time that is over."""
    service = new_service()
    service.close_after = 3  # that is behind the command's start on the one connection, and the shell's end on the other

    def start(root, on_command=service.on_command):
        service.may_log_in.clear()
        return on_command(root)

    service.on_command = start
    monkeypatch.setenv("FLOTILLA_LIMITS", "winrm_login=3000")
    assert call(service, "sleep 600", "deadline=300000")[2].startswith("RESULT EPIPE WinRM on 127.0.0.1: connected, but no answer in time")
    assert service.actions()[-1] == "Delete" and not service.shells


@pytest.mark.parametrize("login", ["has no answer", "is cut"])
def test_a_session_that_is_lost_for_good_is_given_up(new_service, call, monkeypatch, login):
    service = new_service()

    def lose(root):
        if login == "is cut":
            service.cut_logins = True
        else:
            service.may_log_in.clear()
        service.cut_connections()
        raise Cut

    service.on_receive = lose
    monkeypatch.setenv("FLOTILLA_LIMITS", "winrm_login=3000")
    assert call(service, "sleep 600")[2].startswith("RESULT EPIPE ")
    assert service.shells, "who would have ended it?"


def test_a_command_has_its_time(new_service, call):
    service = new_service()
    assert call(service, "sleep 600", "deadline=500")[2] == "RESULT ETIMEDOUT "
    assert not service.shells


def test_what_is_stopped_does_not_run_on(new_service, call, folder):
    """The command has children that it does not wait for."""
    service, stop, pid = new_service(), folder / "stop", folder / "pid"
    script = f"sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; sleep 600"
    done = []
    runner = threading.Thread(target=lambda: done.append(call(service, "sh", f"cancel={stop}", data=script.encode())))
    runner.start()
    assert wait_for(pid.exists)
    stop.touch()
    runner.join()
    assert done[0][2] == "RESULT ECANCELED stopped: Operation canceled"
    assert not service.shells and len(service.killed) == 1
    assert wait_for(lambda: not alive(int(pid.read_text()))), "a child of the command lives"


def alive(pid):
    """A zombie whose parent does not look has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

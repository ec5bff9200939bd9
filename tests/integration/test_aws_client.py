"""The client of AWS in sdk/lib: against moto, and against a server that answers as AWS documents its failures."""

import datetime
import email.utils
import json
import os
import socket
import time

import pytest
from aws.moto import Moto
from aws_library import (  # noqa: F401
    AUTH, CANCELLED, INVALID, NOT_FOUND, OK, QUOTA, THROTTLED, UNAVAILABLE, Library, http, library, serve)

KEYS = [{"access": "AKIAFIRST", "secret": "the first secret", "token": "the first token"},
        {"access": "AKIASECOND", "secret": "the second secret"}]
GROUPS = {"service": "autoscaling", "action": "DescribeAutoScalingGroups", "version": "2011-01-01"}
SUCCESS = http(200, '<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"/>')


def call(library, endpoint, **more):  # noqa: F811
    return library.ask("call", **{"region": "eu-west-1", "endpoint": endpoint, "keys": KEYS, **GROUPS, **more})


def error(code, message="Some sentence.", status=400, *headers):
    """As the query protocol writes it."""
    return http(status, '<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type>'
                        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>", *headers)


def ec2_error(code, message, status=400, *headers):
    return http(status, '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>' + code + "</Code><Message>" +
                message + "</Message></Error></Errors><RequestID>1</RequestID></Response>", *headers)


def one_after_another(*answers):
    """The last stays."""
    return lambda request, n: answers[min(n, len(answers) - 1)]


def who(request):
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """With a group of two instances. `runner` has the keys of a user who may do what is done here, but for one thing."""
    made = Moto(tmp_path_factory.mktemp("moto"), None)
    made.make_group("group&more/+", DesiredCapacity=2)
    rights = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity", "ec2:DescribeInstances",
              "ec2-instance-connect:SendSSHPublicKey"]
    keys = made.make_user("runner", {"Statement": [{"Effect": "Allow", "Action": rights}]})
    made.enforce()
    made.runner = {"access": keys["aws_access_key_id"], "secret": keys["aws_secret_access_key"]}
    yield made
    made.close()


@pytest.fixture
def ask_moto(library, moto):  # noqa: F811
    return lambda **more: call(library, f"http://127.0.0.1:{moto.port}",
                               **{"region": "us-east-1", "keys": [moto.runner], **more})


DESCRIBE = {"service": "ec2", "action": "DescribeInstances", "version": "2016-11-15"}


def test_services_of_three_kinds_answer(ask_moto, moto):
    found = ask_moto(params=[["AutoScalingGroupNames.member.1", "group&more/+"]])
    instance = moto.group("group&more/+")["Instances"][0]["InstanceId"]
    assert found["result"] == OK, found["text"]
    assert f"<InstanceId>{instance}</InstanceId>" in found["answer"]
    found = ask_moto(**DESCRIBE, params=[["InstanceId.1", instance]])
    assert found["result"] == OK and f"<instanceId>{instance}</instanceId>" in found["answer"]
    found = ask_moto(service="ec2-instance-connect", target="AWSEC2InstanceConnectService.SendSSHPublicKey",
                     body={"InstanceId": instance, "InstanceOSUser": "ec2-user", "SSHPublicKey": "ssh-ed25519 AAAA/+"})
    assert found["result"] == OK and found["answer"]["Success"] is True


def test_a_changed_group_is_seen_at_the_service(ask_moto, moto):
    found = ask_moto(action="SetDesiredCapacity", repeatable=0, params=[
        ["AutoScalingGroupName", "group&more/+"], ["DesiredCapacity", "3"], ["HonorCooldown", "false"]])
    assert found["result"] == OK and found["maybe_done"] == 0
    assert moto.group("group&more/+")["DesiredCapacity"] == 3


def test_an_unknown_instance_is_not_found(ask_moto):
    found = ask_moto(**DESCRIBE, params=[["InstanceId.1", "i-0123456789abcdef0"]])
    assert (found["result"], found["status"], found["code"]) == (NOT_FOUND, 400, "InvalidInstanceID.NotFound")
    assert found["text"].startswith("ec2 DescribeInstances in us-east-1: InvalidInstanceID.NotFound: The instance ID")


@pytest.mark.parametrize("service,action,version", [
    ("ec2", "TerminateInstances", "2016-11-15"), ("autoscaling", "DeleteAutoScalingGroup", "2011-01-01")])
def test_a_right_that_is_missing_is_named(ask_moto, service, action, version):
    found = ask_moto(service=service, action=action, version=version, repeatable=0,
                     params=[["InstanceId.1", "i-0123456789abcdef0"], ["AutoScalingGroupName", "x"]])
    assert (found["result"], found["code"], found["maybe_done"]) == (AUTH, "AccessDenied", 0)
    assert f"grant the right {service}:{action} to whose keys these are: the test" in found["text"]


@pytest.mark.parametrize("wrong", [{"secret": "another secret key"}, {"access": "AKIAIOSFODNN7EXAMPLE"}], ids=str)
@pytest.mark.parametrize("about", [{}, DESCRIBE], ids=["autoscaling", "ec2"])
def test_wrong_keys_are_refused(ask_moto, moto, about, wrong):
    found = ask_moto(**about, keys=[{**moto.runner, **wrong}])
    assert found["result"] == AUTH and "; check the " in found["text"]
    assert moto.runner["secret"] not in found["text"] and "another secret key" not in found["text"]


FAILURES = [
    (error("ValidationError", "New SetDesiredCapacity value 11 is above max value 10 for the AutoScalingGroup."), QUOTA,
     "ValidationError", "is above max value 10 for the AutoScalingGroup. (HTTP 400); raise the maximum size"),
    (error("ValidationError", "Instance Id not found - No managed instance found for instance ID: i-1"), NOT_FOUND,
     "ValidationError", "No managed instance found"),
    (error("ValidationError", "2 validation errors detected"), INVALID, "ValidationError", "2 validation errors"),
    (error("AccessDenied", "User: arn:aws:iam::1:user/ci is not authorized to perform: x", 403), AUTH, "AccessDenied",
     "User: arn:aws:iam::1:user/ci is not authorized to perform: x (HTTP 403); grant the right "
     "autoscaling:DescribeAutoScalingGroups to whose keys these are: the test"),
    (ec2_error("UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: kV9a", 403), AUTH,
     "UnauthorizedOperation", "UnauthorizedOperation: You are not authorized. (HTTP 403); grant the right"),
    (error("OptInRequired", "You are not subscribed", 403), AUTH, "OptInRequired", "enable the service or the region"),
    (ec2_error("VcpuLimitExceeded", "You have requested more vCPU", 400), QUOTA, "VcpuLimitExceeded", "ask AWS for a higher quota"),
    (http(400, '{"__type":"com.amazon.x#EC2InstanceNotFoundException","Message":"no such"}'), NOT_FOUND,
     "EC2InstanceNotFoundException", "EC2InstanceNotFoundException: no such (HTTP 400)"),
    (http(400, '{"message":"no"}', "x-amzn-ErrorType: AccessDeniedException:http://internal.amazon.com/x"), AUTH,
     "AccessDeniedException", "AccessDeniedException: no (HTTP 400); grant the right"),
    (http(403), AUTH, "", "in eu-west-1: no code (HTTP 403)"),
    (http(404, "<html><body>nothing</body></html>"), NOT_FOUND, "", "no code (HTTP 404)"),
    (http(302, "", "Location: http://127.0.0.1:1/"), INVALID, "", "no code (HTTP 302)"),
    (http(400, "<a><b>"), INVALID, "", "no code (HTTP 400)"),
    (http(400, '{"__type": 5'), INVALID, "", "no code (HTTP 400)"),
]


@pytest.mark.parametrize("answer,result,code,text", FAILURES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_failure_says_what_the_service_says_and_what_to_do(library, serve, answer, result, code, text):  # noqa: F811
    server = serve(lambda request, n: answer)
    found = call(library, server.url)
    assert (found["result"], found["code"]) == (result, code)
    assert found["text"].startswith("autoscaling DescribeAutoScalingGroups in eu-west-1: ") and text in found["text"]
    assert (found["maybe_done"], found["retry_after_ms"], found["log"]) == (0, 0, [])
    assert len(server.requests) == 1


def test_keys_that_have_expired_are_asked_for_anew_once(library, serve):  # noqa: F811
    server = serve(one_after_another(error("ExpiredToken", "The security token included in the request is expired", 403), SUCCESS))
    found = call(library, server.url, repeatable=0)
    assert found["result"] == OK and [who(request) for request in server.requests] == ["AKIAFIRST", "AKIASECOND"]
    assert [request.headers.get("x-amz-security-token") for request in server.requests] == ["the first token", None]
    assert "ExpiredToken" in found["log"][0] and "asking for new credentials" in found["log"][0]
    server = serve(lambda request, n: error("ExpiredToken", "expired", 403))
    found = call(library, server.url, repeatable=0)
    assert (found["result"], found["maybe_done"]) == (AUTH, 0) and "renew the credentials" in found["text"]
    assert [who(request) for request in server.requests] == ["AKIAFIRST", "AKIASECOND"]


def refuse_wrong_times(service):
    """As AWS does with what is five minutes off; the Date is that of the service."""
    def answer(request, n):
        told = datetime.datetime.strptime(request.headers["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        if abs(told - time.time()) < 300:
            return SUCCESS
        date = "Date: " + email.utils.formatdate(usegmt=True)
        if service == "ec2":
            return ec2_error("RequestExpired", "Request has expired.", 400, date)
        return error("SignatureDoesNotMatch", "Signature not yet current: or expired", 403, date)

    return answer


@pytest.mark.parametrize("service", ["ec2", "autoscaling"])
@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_wrong_clock_is_noticed_and_corrected(library, serve, service, ahead):  # noqa: F811
    server = serve(refuse_wrong_times(service))
    found = call(library, server.url, service=service, clock_ahead=ahead, calls=3, repeatable=0)
    assert found["result"] == OK
    assert len(server.requests) == 4, "only the first call is refused"
    assert len(found["log"]) == 1 and ("ahead of" if ahead > 0 else "behind") in found["log"][0]
    assert {who(request) for request in server.requests} == {"AKIAFIRST"}


def test_a_service_without_the_right_time_is_not_believed_twice(library, serve):  # noqa: F811
    dates = iter(range(1, 10))
    server = serve(lambda request, n: error("RequestTimeTooSkewed", "The difference", 403,
                                            "Date: " + email.utils.formatdate(next(dates) * 10 ** 6, usegmt=True)))
    found = call(library, server.url)
    assert found["result"] == AUTH and "set this machine's clock" in found["text"]
    assert len(server.requests) == 3, "once for the clock, once for new keys"


def test_no_secret_is_repeated(library, serve):  # noqa: F811
    def repeat(request, n):
        token = request.headers.get("x-amz-security-token", "")
        return error("SignatureDoesNotMatch", f"It does not match: the first secret {token}.\n\nThe Canonical String was\n"
                     f"x-amz-security-token:{token}", 403, "Date: " + email.utils.formatdate(usegmt=True))

    server = serve(repeat)
    found = call(library, server.url, keys=KEYS[:1])
    assert found["result"] == AUTH and len(server.requests) == 2
    assert "SignatureDoesNotMatch: It does not match: **************** ***************. (HTTP 403); check the secret key" in found["text"]
    assert "Canonical" not in json.dumps(found) and "the first" not in json.dumps(found)


def test_throttling_is_waited_for_whatever_the_call(library, serve):  # noqa: F811
    server = serve(one_after_another(error("Throttling", "Rate exceeded"), http(429), SUCCESS))
    found = call(library, server.url, repeatable=0)
    assert found["result"] == OK and len(server.requests) == 3 and found["maybe_done"] == 0
    assert found["log"] == [
        "autoscaling DescribeAutoScalingGroups in eu-west-1: Throttling: Rate exceeded (HTTP 400); all callers of the account in this "
        "region share the limit; ask less often; trying again in 0.5 s",
        "autoscaling DescribeAutoScalingGroups in eu-west-1: no code (HTTP 429); all callers of the account in this region share the "
        "limit; ask less often; trying again in 1.0 s"]


def test_a_wait_that_is_longer_than_the_call_is_told_instead(library, serve):  # noqa: F811
    server = serve(lambda request, n: error("Throttling", "Rate exceeded", 400, "Retry-After: 500"))
    found = call(library, server.url)
    assert (found["result"], found["code"], found["retry_after_ms"]) == (THROTTLED, "Throttling", 500000)
    assert len(server.requests) == 1


def test_failures_of_the_service_are_repeated_where_that_does_no_harm(library, serve):  # noqa: F811
    answers = one_after_another(http(500), error("ServiceUnavailable", "later", 503), SUCCESS)
    server = serve(answers)
    found = call(library, server.url, repeatable=1)
    assert found["result"] == OK and len(server.requests) == 3
    server = serve(answers)
    found = call(library, server.url, repeatable=0)
    assert (found["result"], found["status"], found["maybe_done"]) == (UNAVAILABLE, 500, 1) and found["retry_after_ms"] > 0
    assert len(server.requests) == 1


def cut(request, n):
    request.connection.sendall(SUCCESS[:-10])
    request.connection.shutdown(socket.SHUT_RDWR)


def test_a_lost_answer_is_asked_for_again_or_told(library, serve):  # noqa: F811
    server = serve(lambda request, n: SUCCESS if n > 0 else cut(request, n))
    assert call(library, server.url, repeatable=1)["result"] == OK and len(server.requests) == 2
    server = serve(cut)
    found = call(library, server.url, repeatable=0)
    assert (found["result"], found["status"], found["maybe_done"]) == (UNAVAILABLE, 0, 1)
    assert len(server.requests) == 1 and f"POST {server.url}/: " in found["text"]


def test_what_may_not_be_repeated_is_not_lost_in_a_kept_connection(library, serve):  # noqa: F811
    """Where a server ends one that was kept, libcurl asks again by itself."""
    def answer(request, n):
        if n == 0:
            return SUCCESS
        request.connection.shutdown(socket.SHUT_RDWR)

    server = serve(answer)
    found = call(library, server.url, repeatable=0, calls=2)
    assert (found["result"], found["maybe_done"]) == (UNAVAILABLE, 1) and len(server.requests) == 2


def test_what_was_lost_once_stays_unsure(library, serve):  # noqa: F811
    server = serve(lambda request, n: error("ValidationError", "wrong") if n > 0 else cut(request, n))
    found = call(library, server.url, repeatable=1)
    assert (found["result"], found["maybe_done"]) == (INVALID, 1) and len(server.requests) == 2


def test_a_service_that_cannot_be_reached_did_nothing(library):  # noqa: F811
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        found = call(library, "http://127.0.0.1:{}".format(held.getsockname()[1]), repeatable=0)
    assert (found["result"], found["status"], found["maybe_done"]) == (UNAVAILABLE, 0, 0)
    assert len(found["log"]) == 4, "five attempts"


@pytest.mark.parametrize("known", [True, False])
def test_the_bundle_of_the_environment_says_who_is_trusted(build, serve, folder, known):  # noqa: F811
    server = serve(lambda request, n: SUCCESS)
    path = server.use_tls(folder)
    asker = Library(build, environment={**os.environ, **({"AWS_CA_BUNDLE": str(path)} if known else {})})
    found = call(asker, server.url, repeatable=0)
    asker.close()
    assert (found["result"], found["maybe_done"]) == (OK if known else UNAVAILABLE, 0)
    assert len(server.requests) == known


def test_an_attempt_that_takes_too_long_is_given_up(library, serve):  # noqa: F811
    server = serve(lambda request, n: SUCCESS if n > 0 else None)
    found = call(library, server.url, repeatable=1, attempt_ms=1500)
    assert found["result"] == OK and len(server.requests) == 2 and "no complete answer in time" in found["log"][0]


@pytest.mark.parametrize("body,why", [
    ("", "XML is broken"), ("<a><b></a>", "XML is broken"), ("x" * 100, "XML is broken"),
    ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "XML has a document type"),
    ("<a>" * 65 + "</a>" * 65, "XML is more than 64 elements deep"),
], ids=["nothing", "not nested", "text", "entities", "depth"])
def test_a_success_that_cannot_be_read_is_none(library, serve, body, why):  # noqa: F811
    server = serve(lambda request, n: http(200, body))
    found = call(library, server.url, repeatable=0)
    assert (found["result"], found["maybe_done"]) == (UNAVAILABLE, 1) and len(server.requests) == 1
    assert "the answer cannot be read: " + why in found["text"]


def test_who_cancels_ends_a_wait(build, serve):  # noqa: F811
    reading, writing = os.pipe()
    found = Library(build, descriptors=(reading,))

    def answer(request, n):
        os.write(writing, b"x")
        return http(503, "", "Retry-After: 50")

    server = serve(answer)
    told = call(found, server.url, cancel_fd=reading)
    assert told["result"] == CANCELLED and told["took_ms"] < 40000 and len(server.requests) == 1
    found.close()


def test_nothing_is_asked_without_keys_or_a_region(library, serve):  # noqa: F811
    server = serve(lambda request, n: SUCCESS)
    found = call(library, server.url, keys=[])
    assert found["result"] == AUTH and found["text"] == "autoscaling DescribeAutoScalingGroups in eu-west-1: there are no keys"
    found = call(library, None, region="eu-west-1.evil.example/")
    assert found["result"] == INVALID and "is not a region" in found["text"]
    assert not server.requests

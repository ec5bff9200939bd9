"""The signer of sdk/lib by AWS's own: botocore signs the same random requests, and knows the same endpoints."""

import datetime
import itertools
import random
import string
import urllib.parse
from unittest import mock

from aws_library import library  # noqa: F401

COUNT = 300  # of each kind of signature
NOW = 1795660000
TEXT = string.ascii_letters + string.digits + "-._~ !*'();:@&=+$,/?#[]%\"<>{}|\\^`äß漢🚀\t"


def any_text(dice, most=12):
    return "".join(dice.choice(TEXT) for _ in range(dice.randint(0, most)))


def any_path(dice):
    parts = [dice.choice(["", ".", "..", any_text(dice), any_text(dice), "v1"]) for _ in range(dice.randint(0, 5))]
    return "/" + "/".join(urllib.parse.quote(part, safe="~") for part in parts) if parts else ""


def any_query(dice):
    """Names that are there once: botocore's signer of URLs keeps one value of each."""
    names = {any_text(dice, 6).strip() or "a" for _ in range(dice.randint(0, 5))}
    return [(name, any_text(dice)) for name in dice.sample(sorted(names), len(names))]


def encode(pairs):
    return "&".join("=".join(urllib.parse.quote(text, safe="~") for text in pair) for pair in pairs)


def any_url(dice):
    scheme = dice.choice(["http", "https"])
    host = dice.choice(["ec2.eu-west-1.amazonaws.com", "127.0.0.1", "localhost", "[::1]", "example.com"])
    port = dice.choice(["", "", ":80", ":443", ":8443"])
    query = any_query(dice)
    return f"{scheme}://{host}{port}{any_path(dice)}" + (f"?{encode(query)}" if query else "")


def any_request(dice):
    """A request, and who signs it, as aws_call takes them."""
    headers = [f"{name}: {' ' * dice.randint(0, 2)}{value}{' ' * dice.randint(0, 2)}" for name, value in
               {"X-Amz-Target": "Service.Call", "Content-Type": "application/x-amz-json-1.1", "x-b": "a   b  c",
                "X-B-A": "2", "X-b2": "ä", "Accept": "*/*"}.items() if dice.random() < 0.5]
    return {
        "method": dice.choice(["GET", "POST", "PUT", "HEAD", "DELETE"]), "url": any_url(dice), "headers": headers,
        "body": dice.choice([None, "", "Action=A&Version=1", any_text(dice, 200)]),
        "service": dice.choice(["ec2", "autoscaling", "sts", "ec2-instance-connect"]),
        "region": dice.choice(["eu-west-1", "cn-north-1", "us-gov-west-1"]),
        "access": "AKIA" + any_text(dice).replace(",", ""), "secret": any_text(dice, 40) or "secret",
        "token": dice.choice([None, any_text(dice, 300) or "token"]), "now": NOW + dice.randint(0, 10 ** 9),
    }


def botocores(request, signer, lifetime=None):
    """The same request, signed by botocore: its URL and the headers that the signature adds."""
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credentials = Credentials(request["access"], request["secret"], request["token"])
    options = {} if lifetime is None else {"expires": lifetime}
    now = datetime.datetime.fromtimestamp(request["now"], datetime.timezone.utc)
    theirs = AWSRequest(method=request["method"], url=request["url"], data=(request["body"] or "").encode(),
                        headers=dict(header.split(": ", 1) for header in request["headers"]))
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer(credentials, request["service"], request["region"], **options).add_auth(theirs)
    return theirs


def test_requests_are_signed_as_botocore_signs_them(library):  # noqa: F811
    from botocore.auth import SigV4Auth

    dice = random.Random(7)
    for _ in range(COUNT):
        request = any_request(dice)
        ours = library.ask("sign", **request)
        theirs = botocores(request, SigV4Auth)
        assert ours["result"] == 0, request
        assert ours["url"] == request["url"]
        found = dict(header.split(": ", 1) for header in ours["headers"])
        names = ["X-Amz-Date", *(["X-Amz-Security-Token"] if request["token"] else []), "Authorization"]
        assert list(found) == names
        assert found == {name: theirs.headers[name] for name in names}, request


def test_urls_are_signed_as_botocore_signs_them(library):  # noqa: F811
    from botocore.auth import SigV4QueryAuth

    dice = random.Random(8)
    for _ in range(COUNT):
        # botocore would make a body a part of the query.
        request, lifetime = {**any_request(dice), "body": None}, dice.randint(1, 604800)
        ours = library.ask("sign", **request, lifetime=lifetime)
        theirs = botocores(request, SigV4QueryAuth, lifetime).url
        assert ours["result"] == 0 and ours["headers"] == []
        assert ours["url"].partition("?")[0] == request["url"].partition("?")[0]
        found, wanted = (sorted(urllib.parse.parse_qsl(url.partition("?")[2], keep_blank_values=True))
                         for url in (ours["url"], theirs))
        assert found == wanted, request


def test_a_lifetime_is_a_second_to_a_week(library):  # noqa: F811
    request = any_request(random.Random(9))
    for asked, given in ((0, 1), (604800, 604800), (604801, 604800), (2 ** 60, 604800)):
        url = library.ask("sign", **request, lifetime=asked)["url"]
        assert dict(urllib.parse.parse_qsl(url.partition("?")[2]))["X-Amz-Expires"] == str(given)


def test_what_cannot_be_signed_is_refused(library):  # noqa: F811
    request = {**any_request(random.Random(9)), "url": "https://ec2.eu-west-1.amazonaws.com/"}
    assert library.ask("sign", **request)["result"] == 0
    for wrong in ({"url": "ec2.eu-west-1.amazonaws.com"}, {"url": "https:///path"}, {"url": "https://host/a b"},
                  {"url": "https://host/#part"}, {"url": ""}, {"secret": "x" * 300}, {"headers": ["A: b"] * 16}):
        for lifetime in ({}, {"lifetime": 5}):
            found = library.ask("sign", **{**request, **wrong}, **lifetime)
            if "headers" in wrong and lifetime:
                continue  # nothing is added to them
            assert found["result"] < 0 and found["url"] is None and found["headers"] == [], wrong


def rules_of(service):
    import botocore.session
    from botocore.endpoint_provider import EndpointProvider

    loader = botocore.session.get_session().get_component("data_loader")
    return EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))


# The names of the hosts of SSO are not those of its services.
SERVICES = {"ec2": "ec2", "autoscaling": "autoscaling", "sts": "sts", "ec2-instance-connect": "ec2-instance-connect",
            "sso": "portal.sso", "sso-oidc": "oidc"}
REGIONS = ["us-east-1", "eu-central-2", "ap-southeast-5", "il-central-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1",
           "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1"]


def test_endpoints_are_those_of_botocore(library):  # noqa: F811
    for service, name in SERVICES.items():
        rules = rules_of(service)
        for region, dual_stack, fips in itertools.product(REGIONS, (0, 1), (0, 1)):
            theirs = rules.resolve_endpoint(Region=region, UseDualStack=bool(dual_stack), UseFIPS=bool(fips))
            ours = library.ask("endpoint", service=name, region=region, dual_stack=dual_stack, fips=fips)
            assert (ours["result"], ours["url"]) == (0, theirs.url), (service, region, dual_stack, fips)


def test_partitions_are_those_of_botocore(library):  # noqa: F811
    import botocore.session

    session = botocore.session.get_session()
    for region in REGIONS:
        ours = library.ask("endpoint", service="ec2", region=region)["partition"]
        assert ours == session.get_partition_for_region(region)


def test_a_region_cannot_lead_to_another_host(library):  # noqa: F811
    for region in ("", "-a", "a-", "eu-west-1.evil.example/", "EU-WEST-1", "a" * 64, "eu west", "a\n", "eu_west", "é"):
        found = library.ask("endpoint", service="ec2", region=region)
        assert (found["result"], found["url"]) == (-1, ""), region
        assert "is not a region" in found["error"]

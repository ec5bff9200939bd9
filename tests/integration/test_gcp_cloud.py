"""The cloud of the tests (tests/gcp) is read by google-api-python-client, with credentials of google-auth: what it answers
is what Google's own library takes for an answer of Google, errors included."""

import base64
import json
import time
import urllib.error
import urllib.request
import uuid

import google.auth.exceptions
import google.auth.transport.requests
import google.oauth2.credentials
import google.oauth2.service_account
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from gcp import schema
from gcp.cloud import PROJECT, ZONE, Cloud
from gcp.errors import Refusal, broken, unavailable

GROUP = "my-linux-instance-group"
RUNNER = "runner@my-gcp-project.iam.gserviceaccount.com"
PUBLIC_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(32)).decode()


@pytest.fixture
def cloud():
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def api(cloud):
    return client(cloud)


def client(cloud, token=None, service="compute", credentials=None):
    credentials = credentials or google.oauth2.credentials.Credentials(token or cloud.account.token(RUNNER))
    base = {"compute": "/compute/v1/", "oslogin": "/"}[service]
    text = (schema.DOCUMENTS / f"{service}.v1.json").read_text()  # one of its own: the library writes into it
    return build_from_document(text, credentials=credentials, client_options={"api_endpoint": cloud.url + base})


def here(group, **more):
    scope, where = group.place.split("/")
    return {"project": PROJECT, scope.removesuffix("s"): where, "instanceGroupManager": group.name, **more}


def managers(api, group):
    return api.instanceGroupManagers() if group.place.startswith("zones") else api.regionInstanceGroupManagers()


def listed(api, group):
    return managers(api, group).listManagedInstances(**here(group)).execute().get("managedInstances", [])


def shown(api, group):
    return managers(api, group).get(**here(group)).execute()


def create(api, group, *names, request=None):
    return managers(api, group).createInstances(**here(group, requestId=request or str(uuid.uuid4()), body={
        "instances": [{"name": name} for name in names]})).execute()


def urls(*members):
    return [member["instance"].partition("/v1/")[2] for member in members]


def refused(call) -> tuple[int, str, str]:
    with pytest.raises(HttpError) as caught:
        call.execute()
    error = json.loads(caught.value.content)["error"]
    assert error["code"] == caught.value.status_code
    return error["code"], error["errors"][0]["reason"], error["message"]


@pytest.mark.parametrize("region", ["", "europe-west1"])
def test_a_group_grows_boots_and_shrinks_by_name(cloud, api, region):
    group = cloud.group(region=region)
    done = create(api, group, "ci-1", "ci-2", "ci-3")
    assert (done["status"], done["progress"], done["operationType"].endswith("nstanceGroupManagers.createInstances")) == ("DONE", 100, True)
    assert [(m["name"], m["currentAction"], m["instanceStatus"]) for m in listed(api, group)] == \
        [(f"ci-{n}", "CREATING", "STAGING") for n in (1, 2, 3)]
    members = listed(api, group)
    assert [(m["currentAction"], m["instanceStatus"]) for m in members] == 3 * [("NONE", "RUNNING")]
    assert len({m["id"] for m in members}) == 3 and len({m["instance"].split("/")[-3] for m in members}) == (3 if region else 1)
    assert shown(api, group)["targetSize"] == 3 and shown(api, group)["status"]["isStable"]
    managers(api, group).deleteInstances(**here(group, body={"instances": urls(members[1])})).execute()
    assert shown(api, group)["targetSize"] == 2 and shown(api, group)["currentActions"]["deleting"] == 1
    assert len(listed(api, group)) == 3 and [m["name"] for m in listed(api, group)] == ["ci-1", "ci-3"]
    assert {machine.name for machine in cloud.compute.machines.values()} == {"ci-1", "ci-3"}


def test_a_group_is_where_it_is(cloud, api):
    group = cloud.group(region="europe-west1")
    call = api.instanceGroupManagers().get(project=PROJECT, zone=ZONE, instanceGroupManager=group.name)
    code, reason, text = refused(call)
    assert (code, reason) == (404, "notFound") and f"zones/{ZONE}/instanceGroupManagers/{GROUP}' was not found" in text


def test_the_same_request_is_done_once(cloud, api):
    group, request = cloud.group(), str(uuid.uuid4())
    first = create(api, group, "ci-1", request=request)
    assert create(api, group, "ci-1", request=request)["name"] == first["name"]
    assert group.target_size == 1 and first["clientOperationId"] == request
    cloud.operations.forget_requests()
    again = managers(api, group).createInstances(**here(group, requestId=request, body={"instances": [{"name": "ci-1"}]}))
    assert refused(again)[:2] == (400, "invalid") and group.target_size == 1
    group.taken = Refusal(409, "alreadyExists", "The resource is there already")
    assert refused(again)[:2] == (409, "alreadyExists")
    assert refused(managers(api, group).createInstances(**here(group, requestId="1", body={"instances": [{"name": "ci-2"}]})))[:2] \
        == (400, "invalid")


def test_a_change_may_take_its_time(cloud, api):
    group = cloud.group()
    cloud.operations.looks = 2
    operation = create(api, group, "ci-1")
    assert operation["status"] == "RUNNING" and group.target_size == 0 and listed(api, group) == []
    call = api.zoneOperations().get(project=PROJECT, zone=ZONE, operation=operation["name"])
    assert call.execute()["status"] == "DONE" and group.target_size == 1
    assert refused(api.zoneOperations().get(project=PROJECT, zone=ZONE, operation="operation-1"))[:2] == (404, "notFound")


def test_names_that_are_no_members_fail_the_operation_unless_they_are_skipped(cloud, api):
    group = cloud.group()
    create(api, group, "ci-1")
    names = [f"zones/{ZONE}/instances/{name}" for name in ("ci-1", "other")]
    failed = managers(api, group).deleteInstances(**here(group, body={"instances": names})).execute()
    assert failed["error"]["errors"][0]["code"] == "INVALID_USAGE" and group.target_size == 1
    body = {"instances": names, "skipInstancesOnValidationError": True}
    assert "error" not in managers(api, group).deleteInstances(**here(group, body=body)).execute() and group.target_size == 0
    for bad in ("ci-1", "zones/us-east1-b/instances/ci-1", "projects/other/zones/{ZONE}/instances/ci-1"):
        body = {"instances": [bad], "skipInstancesOnValidationError": True}
        assert refused(managers(api, group).deleteInstances(**here(group, body=body)))[:2] == (400, "invalid")


def test_an_answer_has_the_fields_that_were_wanted(cloud, api):
    group = cloud.group()
    create(api, group, "ci-1", "ci-2")
    got = managers(api, group).listManagedInstances(**here(group), fields="managedInstances(name,version/instanceTemplate)").execute()
    assert [sorted(member) for member in got["managedInstances"]] == [["name", "version"]] * 2
    assert managers(api, group).get(**here(group), fields="name,status/isStable").execute() == \
        {"name": group.name, "status": {"isStable": False}}


def test_members_come_in_pages_only_where_the_group_says_so(cloud, api):
    group = cloud.group(paginated=True)
    create(api, group, *[f"ci-{n}" for n in range(7)])
    page = managers(api, group).listManagedInstances(**here(group, maxResults=3)).execute()
    assert len(page["managedInstances"]) == 3
    last = managers(api, group).listManagedInstances(**here(group, maxResults=3, pageToken="page-6")).execute()
    assert [m["name"] for m in last["managedInstances"]] == ["ci-6"] and "nextPageToken" not in last
    group.paginated = False
    page = managers(api, group).listManagedInstances(**here(group, maxResults=3)).execute()
    assert len(page["managedInstances"]) == 7 and "nextPageToken" not in page


def test_what_cannot_be_made_is_told_twice(cloud, api):
    group = cloud.group(room=1, fails=("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded. Limit: 2.0 in region europe-west1."))
    create(api, group, "ci-1", "ci-2")
    one, other = listed(api, group)
    assert "lastAttempt" not in one and "id" not in other and other["currentAction"] == "CREATING"
    assert other["lastAttempt"]["errors"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    told = managers(api, group).listErrors(**here(group)).execute()["items"]
    assert told[0]["error"]["code"] == "QUOTA_EXCEEDED" and told[0]["instanceActionDetails"]["instance"].endswith("/ci-2")
    group.room = 2
    assert listed(api, group)[1]["id"] and "lastAttempt" not in listed(api, group)[1]


def test_a_machine_that_is_made_anew_has_its_name_and_another_number(cloud, api):
    group = cloud.group(boot_looks=0, make_looks=1)
    create(api, group, "ci-1")
    listed(api, group)
    [before] = listed(api, group)
    cloud.groups.recreate(group, "ci-1")
    [during] = listed(api, group)
    [after] = listed(api, group)
    assert (during["currentAction"], "id" in during, during["name"]) == ("RECREATING", False, "ci-1")
    assert after["id"] != before["id"] and after["instance"] == before["instance"]


def test_members_are_suspended_and_come_back(cloud, api):
    group = cloud.group(boot_looks=0, end_looks=0)
    create(api, group, "ci-1")
    body = {"instances": urls(*listed(api, group))}
    managers(api, group).suspendInstances(**here(group, body=body)).execute()
    assert (shown(api, group)["targetSize"], shown(api, group)["targetSuspendedSize"]) == (0, 1)
    assert [(m["instanceStatus"], m["targetStatus"]) for m in listed(api, group)] == [("SUSPENDED", "SUSPENDED")]
    managers(api, group).resumeInstances(**here(group, body=body)).execute()
    assert [m["instanceStatus"] for m in listed(api, group)] == ["RUNNING"] and shown(api, group)["targetSize"] == 1


def test_a_size_makes_names_up_and_takes_any(cloud, api):
    group = cloud.group(base="ci")
    managers(api, group).resize(**here(group, size=2)).execute()
    assert [m["name"][:3] for m in listed(api, group)] == ["ci-", "ci-"]
    managers(api, group).resize(**here(group, size=1)).execute()
    assert sorted(m["currentAction"] for m in listed(api, group)) == ["DELETING", "NONE"]


# Machines


def machine(cloud, api, **settings):
    cloud.compute.settings = settings
    group = cloud.group(boot_looks=0)
    create(api, group, "ci-1")
    return cloud.compute.machines[ZONE, "ci-1"], {"project": PROJECT, "zone": ZONE, "instance": "ci-1"}


def test_a_machine_shows_its_addresses_and_its_kind(cloud, api):
    _, name = machine(cloud, api, ipv6="EXTERNAL", os="windows", architecture="ARM64")
    found = api.instances().get(**name).execute()
    [interface], [disk] = found["networkInterfaces"], found["disks"]
    assert interface["networkIP"].startswith("10.132.") and interface["accessConfigs"][0]["natIP"].startswith("34.77.")
    assert interface["ipv6AccessConfigs"][0]["externalIpv6"].startswith("2600:")
    assert {"type": "WINDOWS"} in disk["guestOsFeatures"] and disk["architecture"] == "ARM64"
    assert api.instances().list(project=PROJECT, zone=ZONE).execute()["items"] == [found]
    name["instance"] = "other"
    assert refused(api.instances().get(**name))[:2] == (404, "notFound")


def test_metadata_is_written_whole_and_by_who_saw_the_last_of_it(cloud, api):
    made, name = machine(cloud, api, items={"startup-script": "true"})
    seen = api.instances().get(**name).execute()["metadata"]
    seen["items"].append({"key": "ssh-keys", "value": f"runner:{PUBLIC_KEY} runner"})
    assert api.instances().setMetadata(**name, body=seen).execute()["status"] == "DONE"
    assert sorted(made.items) == ["ssh-keys", "startup-script"]
    code, reason, text = refused(api.instances().setMetadata(**name, body=seen))
    assert (code, reason) == (412, "conditionNotMet") and "fingerprint" in text


def test_a_password_is_made_for_whoever_asks_with_a_key(cloud, api):
    made, name = machine(cloud, api, os="windows", password_looks=1)
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.public_key().public_numbers()

    def base64_of(number):
        return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()

    request = {"userName": "admin", "modulus": base64_of(numbers.n), "exponent": base64_of(numbers.e), "email": RUNNER,
               "expireOn": "2030-01-01T00:00:00Z"}
    seen = api.instances().get(**name).execute()["metadata"]
    api.instances().setMetadata(**name, body={**seen, "items": [{"key": "windows-keys", "value": json.dumps(request)}]}).execute()
    found = [api.instances().getSerialPortOutput(**name, port=4).execute() for _ in range(2)]
    assert made.password_looks < 0
    answer = json.loads(found[-1]["contents"].splitlines()[-1])
    secret = base64.b64decode(answer["encryptedPassword"])
    assert key.decrypt(secret, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)).decode() == made.password
    assert answer["userName"] == "admin" and answer["passwordFound"] and answer["modulus"] == request["modulus"]


def test_a_guest_tells_its_host_keys_where_it_may(cloud, api):
    made, name = machine(cloud, api)
    call = api.instances().getGuestAttributes(**name, queryPath="hostkeys/")
    assert refused(call)[0] == 403
    cloud.compute.project_items["enable-guest-attributes"] = "TRUE"
    assert refused(call)[:2] == (404, "notFound")
    made.attributes["hostkeys"] = {"ssh-ed25519": PUBLIC_KEY.split()[1]}
    assert call.execute()["queryValue"]["items"] == [{"namespace": "hostkeys", "key": "ssh-ed25519", "value": PUBLIC_KEY.split()[1]}]
    items = api.projects().get(project=PROJECT).execute()["commonInstanceMetadata"]["items"]
    assert items == [{"key": "enable-guest-attributes", "value": "TRUE"}]


def test_an_account_has_keys_of_its_own(cloud, api):
    login = client(cloud, service="oslogin")
    key = {"key": PUBLIC_KEY, "expirationTimeUsec": str(int((time.time() + 600) * 10**6))}
    profile = login.users().importSshPublicKey(parent=f"users/{RUNNER}", projectId=PROJECT, body=key).execute()["loginProfile"]
    [account] = profile["posixAccounts"]
    assert account["username"].startswith("sa_") and [known["key"] for known in profile["sshPublicKeys"].values()] == [PUBLIC_KEY]
    [known] = profile["sshPublicKeys"].values()
    login.users().sshPublicKeys().delete(name=known["name"]).execute()
    assert login.users().getLoginProfile(name=f"users/{RUNNER}", projectId=PROJECT).execute()["sshPublicKeys"] == {}
    with pytest.raises(HttpError) as caught:
        login.users().importSshPublicKey(parent="users/other@x.com", body=key).execute()
    assert json.loads(caught.value.content)["error"]["status"] == "PERMISSION_DENIED"


# Who may call


def test_a_service_account_gets_a_token_for_what_it_signed(cloud):
    group = cloud.group()
    info = cloud.service_account()
    credentials = google.oauth2.service_account.Credentials.from_service_account_info(
        info, scopes=["https://www.googleapis.com/auth/cloud-platform"])
    assert shown(client(cloud, credentials=credentials), group)["name"] == GROUP
    other = cloud.service_account(key=rsa.generate_private_key(65537, 2048))
    credentials = google.oauth2.service_account.Credentials.from_service_account_info(
        {**info, "private_key": other["private_key"]}, scopes=["https://www.googleapis.com/auth/cloud-platform"])
    with pytest.raises(google.auth.exceptions.RefreshError) as caught:
        credentials.refresh(google.auth.transport.requests.Request())
    assert "invalid_grant" in str(caught.value)


def test_who_may_not_hears_which_right_is_missing(cloud):
    group = cloud.group()
    reader = client(cloud, cloud.account.token("reader@x.com", {"compute.instanceGroupManagers.get"}))
    assert listed(reader, group) == []
    code, reason, text = refused(managers(reader, group).resize(**here(group, size=1)))
    assert (code, reason) == (403, "forbidden") and text.startswith("Required 'compute.instanceGroupManagers.update' permission for")
    token = cloud.account.token()
    cloud.account.tokens[token].expires = 0
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/compute/v1/{group.path}", headers={"Authorization": f"Bearer {token}"}))
    error = json.loads(caught.value.read())["error"]
    assert (error["code"], error["errors"][0]["reason"], error["status"]) == (401, "authError", "UNAUTHENTICATED")


def test_too_many_requests_and_services_that_are_broken(cloud, api):
    group = cloud.group()
    cloud.limited["instanceGroupManagers.get"] = 1
    assert refused(managers(api, group).get(**here(group)))[:2] == (403, "rateLimitExceeded")
    assert shown(api, group)["name"] == GROUP
    for problem, expected in ((broken(), (500, "internalError")), (unavailable(), (503, "backendError"))):
        cloud.endpoint.fault = lambda call, problem=problem: cloud.refused(call, problem)
        assert refused(managers(api, group).get(**here(group)))[:2] == expected


# What Google does not know


BREACHES = [  # method, path behind the group's, query, body
    ("GET", "", "?colour=red", None), ("GET", "", "?alt=json&alt=json", None),
    ("GET", "", "?fields=name,colour", None), ("GET", "", "?fields=status(isStable", None), ("GET", "", "?fields=status/", None),
    ("POST", "/resize", "", None), ("POST", "/resize", "?size=many", None), ("POST", "/resize", "?size=1&requestID=x", None),
    ("POST", "/listManagedInstances", "?maxResults=-1", None), ("POST", "/listManagedInstances", "", {"filter": "x"}),
    ("POST", "/createInstances", "", None), ("POST", "/createInstances", "", {"instances": ["ci-1"]}),
    ("POST", "/createInstances", "", {"instances": [{"name": "ci-1", "zone": ZONE}]}),
    ("POST", "/deleteInstances", "", {"instances": "all"}),
    ("POST", "/deleteInstances", "", {"instances": [], "skipInstancesOnValidationError": "true"}),
]


@pytest.mark.parametrize("method, path, query, body", BREACHES, ids=str)
def test_a_request_that_google_does_not_know_fails_the_test(cloud, method, path, query, body):
    group = cloud.group()
    request = urllib.request.Request(f"{cloud.url}/compute/v1/{group.path}{path}{query}", method=method,
                                     headers={"Authorization": f"Bearer {cloud.account.token()}"},
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    with pytest.raises(schema.Breach):
        cloud.close()
    cloud.breaches.clear()


def test_an_answer_that_google_would_not_give_fails_the_test(cloud):
    method = next(known for known in schema.methods("compute", "GET") if known.id == "instanceGroupManagers.get")
    shape = cloud.group().described()
    assert schema.checked(method, shape) == shape
    for wrong in ({"size": 3}, {"targetSize": "3"}, {"id": 5}, {"id": "five"}, {"updatePolicy": {"type": "EAGER"}},
                  {"name": "Capital"}, {"fingerprint": "!"}, {"status": []}, {"status": {"isStable": 1}}):
        with pytest.raises(AssertionError, match="instanceGroupManagers.get"):
            schema.checked(method, shape | wrong)

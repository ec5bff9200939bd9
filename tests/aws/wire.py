"""What passes over the wire, by botocore's own descriptions of the services: parameters in, answers and errors out.

A parameter or a member of an answer that AWS does not know is an error here, so that neither the plugin nor the cloud
of the tests can invent one.
"""

import base64
import datetime
import functools
import json
import uuid
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from cloud.endpoint import Answer

# Whose name in a signature is not that of its description.
NAMES = {"ec2-instance-connect": "ec2-instance-connect"}


class Refusal(Exception):
    """An error that AWS answers with. The code is that of the Query services; `other` holds those of ec2 and json."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@functools.cache
def model_of(service: str) -> ServiceModel:
    name = NAMES.get(service, service)
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def protocol_of(service: str) -> str:
    """query, ec2 or json."""
    return model_of(service).metadata["protocol"]


def operation_of(service: str, action: str):
    if action not in model_of(service).operation_names:
        raise Refusal("InvalidAction", f"The action {action} is not valid for this web service.")
    return model_of(service).operation_model(action)


# Parameters


def parameters(call) -> dict:
    """What the call asks, as boto3 would have been given it."""
    operation = operation_of(call.service, call.action)
    if protocol_of(call.service) == "json":
        found = json.loads(call.body)
        unknown = set(found) - set(operation.input_shape.members)
    else:
        if call.form.get("Version") != model_of(call.service).api_version:
            raise Refusal("NoSuchVersion", f"The requested version ({call.form.get('Version')}) is not valid.")
        reader = Reader(call.form, protocol_of(call.service) == "ec2")
        found = (reader.read(operation.input_shape, "") or {}) if operation.input_shape else {}
        unknown = set(call.form) - reader.used - {"Action", "Version"}
    if unknown:
        raise Refusal("UnknownParameter", f"The parameter {sorted(unknown)[0]} is not recognized")
    if operation.input_shape:
        report = ParamValidator().validate(found, operation.input_shape)
        if report.has_errors():
            raise Refusal("ValidationError", report.generate_report())
    return found


class Reader:
    """A form of the Query services, numbered lists and all."""

    def __init__(self, form: dict[str, str], is_ec2: bool):
        self.form, self.is_ec2, self.used = form, is_ec2, set()

    def read(self, shape, prefix):
        return getattr(self, f"read_{shape.type_name}", self.read_scalar)(shape, prefix)

    def name_of(self, member, shape):
        given = shape.serialization.get("queryName") if self.is_ec2 else None
        name = given or shape.serialization.get("name", member)
        return name[0].upper() + name[1:] if self.is_ec2 and not given else name

    def read_structure(self, shape, prefix):
        found = {}
        for member, inner in shape.members.items():
            value = self.read(inner, f"{prefix}{'.' if prefix else ''}{self.name_of(member, inner)}")
            if value is not None:
                found[member] = value
        return found or None

    def read_list(self, shape, prefix):
        flat = self.is_ec2 or shape.serialization.get("flattened")
        inner = prefix if flat else f"{prefix}.{shape.member.serialization.get('name', 'member')}"
        found = []
        while (value := self.read(shape.member, f"{inner}.{len(found) + 1}")) is not None:
            found.append(value)
        return found or None

    def read_scalar(self, shape, prefix):
        if prefix not in self.form:
            return None
        self.used.add(prefix)
        text = self.form[prefix]
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "boolean":
            if text not in ("true", "false"):
                raise Refusal("MalformedInput", f"{prefix}: {text} is no boolean")
            return text == "true"
        return text


# Answers


def answer(service: str, action: str, result: dict) -> Answer:
    operation, request_id = operation_of(service, action), str(uuid.uuid4())
    shape = operation.output_shape
    if protocol_of(service) == "json":
        check_members(shape, result)
        return Answer(200, json.dumps(result).encode(), "application/x-amz-json-1.1", {"x-amzn-RequestId": request_id})
    inner = members(shape, result) if shape else ""
    if protocol_of(service) == "ec2":
        inner = f"<requestId>{request_id}</requestId>{inner}"
    else:
        if shape and (wrapper := shape.serialization.get("resultWrapper")):
            inner = f"<{wrapper}>{inner}</{wrapper}>"
        inner += f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return document(f"{action}Response", namespace_of(service), inner)


def namespace_of(service: str) -> str:
    metadata = model_of(service).metadata
    return metadata.get("xmlNamespace") or f"http://{metadata['endpointPrefix']}.amazonaws.com/doc/{metadata['apiVersion']}/"


def document(name: str, namespace: str, inner: str, status=200) -> Answer:
    space = f' xmlns="{namespace}"' if namespace else ""
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}{space}>{inner}</{name}>'.encode())


def check_members(shape, result: dict):
    unknown = set(result) - set(shape.members)
    assert not unknown, f"{shape.name} has no {unknown}"


def members(shape, result: dict) -> str:
    check_members(shape, result)
    return "".join(element(shape.members[member].serialization.get("name", member), shape.members[member], value)
                   for member, value in result.items() if value is not None)


def element(name: str, shape, value) -> str:
    if shape.type_name == "structure":
        inner = members(shape, value)
    elif shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        inner = "".join(element(item, shape.member, part) for part in value)
    else:
        inner = escape(scalar(value))
    return f"<{name}>{inner}</{name}>"


def scalar(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return str(value)


def refusal(service: str, problem: Refusal) -> Answer:
    """The error as that service words it."""
    request_id = str(uuid.uuid4())
    if protocol_of(service) == "json":
        body = json.dumps({"__type": problem.code, "message": problem.message})
        return Answer(problem.status, body.encode(), "application/x-amz-json-1.1", {"x-amzn-RequestId": request_id})
    code, message = escape(problem.code), escape(problem.message)
    if protocol_of(service) == "ec2":
        return document("Response", "", f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
                        f"<RequestID>{request_id}</RequestID>", problem.status)
    kind = "Receiver" if problem.status >= 500 else "Sender"
    return document("ErrorResponse", namespace_of(service), f"<Error><Type>{kind}</Type><Code>{code}</Code>"
                    f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId>", problem.status)

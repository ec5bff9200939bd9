"""A nesting daemon for tests: grpcio serves, and the messages are described here, field by field, from the reference. So
nothing of ours makes the other side of the wire."""

import threading
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STRING, BYTES, INT32, MESSAGE = 9, 12, 5, 11
MESSAGES = {  # name: [(field, number, type, repeated, of proto3's `optional`)]
    "InitRequest": [("config", 1, BYTES, False, False)],
    "InitResponse": [],
    "CreateRequest": [("name", 1, STRING, False, False), ("slot", 2, INT32, False, True)],
    "VirtualMachine": [("id", 1, STRING, False, False), ("name", 2, STRING, False, False),
                       ("addr", 3, STRING, False, False)],
    "CreateResponse": [("vm", 1, MESSAGE, False, False), ("stompedVmId", 2, STRING, False, True)],
    "DeleteRequest": [("id", 1, STRING, False, False)],
    "DeleteResponse": [],
    "ListRequest": [],
    "ListResponse": [("vms", 1, MESSAGE, True, False)],
    "ShutdownRequest": [],
    "ShutdownResponse": [],
}


def describe():
    file = descriptor_pb2.FileDescriptorProto(name="daemon.proto", package="nesting", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated, optional in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if repeated else 1)
            if kind == MESSAGE:
                added.type_name = ".nesting.VirtualMachine"
            if optional:
                added.proto3_optional = True
                added.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name="_" + field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName("nesting." + name)) for name in MESSAGES}


TYPES = describe()


class Daemon:
    """As the reference says: slots, stomps, and nothing before Init. `calls` are all that came, in order; an entry of
    `faults` is done instead of the method of its name, a hook of `before` first."""

    def __init__(self, address):
        self.calls, self.faults, self.before = [], {}, {}
        self.initialised, self.config = False, None
        self.vms, self.slots, self.made = {}, {}, 0
        self.lock = threading.Lock()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        handlers = {name: grpc.unary_unary_rpc_method_handler(
            self.handler(name), request_deserializer=TYPES[name + "Request"].FromString,
            response_serializer=lambda answer: answer if isinstance(answer, bytes) else answer.SerializeToString())
            for name in ("Init", "Create", "Delete", "List")}
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("nesting.Nesting", handlers)])
        self.port = self.server.add_insecure_port(address)
        self.server.start()

    def close(self):
        self.server.stop(0).wait()

    def handler(self, name):
        def handle(request, context):
            with self.lock:
                self.calls.append((name, request, context.time_remaining(), dict(context.invocation_metadata())))
            if name in self.before:
                self.before[name](context)
            if name in self.faults:
                return self.faults[name](request, context)
            if name != "Init" and not self.initialised:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not initialized")
            with self.lock:
                return getattr(self, name.lower())(request, context)
        return handle

    def names(self):
        return [call[0] for call in self.calls]

    def init(self, request, context):
        if self.initialised:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "already initialized")
        self.initialised, self.config = True, request.config
        return TYPES["InitResponse"]()

    def create(self, request, _):
        answer = TYPES["CreateResponse"]()
        slot = request.slot if request.HasField("slot") else None
        if slot in self.slots:
            answer.stompedVmId = self.slots.pop(slot)
            del self.vms[answer.stompedVmId]
        self.made += 1
        made = TYPES["VirtualMachine"](id=f"nesting-{self.made:08}", name=request.name, addr=f"192.168.64.{self.made}")
        self.vms[made.id] = made
        if slot is not None:
            self.slots[slot] = made.id
        answer.vm.CopyFrom(made)
        return answer

    def delete(self, request, context):
        if request.id not in self.vms:
            context.abort(grpc.StatusCode.UNKNOWN, f"no vm ({request.id}) found")
        del self.vms[request.id]
        self.slots = {slot: vm for slot, vm in self.slots.items() if vm != request.id}
        return TYPES["DeleteResponse"]()

    def list(self, *_):
        return TYPES["ListResponse"](vms=self.vms.values())

# tests/system/any_client.py -- akssld as a generic gRPC client sees it; any_client.sh runs it.
#
#     any_client.py SCHEMA SOCKET [HOST:PORT CA TOKEN_FILE]
#
# SCHEMA is a FileDescriptorSet of the .proto files.  With HOST:PORT everything is tried; without, health
# is watched until akssld goes.
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

schema, socket = sys.argv[1:3]
TIMEOUT = 60


class Schema:
    """Messages and calls of a set of files, by their full names."""

    def __init__(self, files):
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)

    def message(self, full_name, /, **fields):
        row = self.pool.FindMessageTypeByName(full_name)
        return message_factory.MessageFactory(self.pool).GetPrototype(row)(**fields)

    def call(self, channel, method):
        service, name = method.rsplit("/", 1)
        row = self.pool.FindServiceByName(service).FindMethodByName(name)
        kind = {(False, False): "unary_unary", (False, True): "unary_stream", (True, True): "stream_stream"}
        factory = message_factory.MessageFactory(self.pool)
        proto = descriptor_pb2.MethodDescriptorProto()
        row.CopyToProto(proto)
        make = getattr(channel, kind[proto.client_streaming, proto.server_streaming])
        return make(f"/{method}", request_serializer=lambda m: m.SerializeToString(),
                    response_deserializer=factory.GetPrototype(row.output_type).FromString)


def code_of(call, *arguments, **keywords):
    try:
        answer = call(*arguments, timeout=TIMEOUT, **keywords)
        list(answer) if hasattr(answer, "cancel") else None
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def use_lab(channel, metadata):
    """A job's life by the .proto files alone."""
    def call(method, request, **fields):
        message = known.message(f"akssl.v1.{request}", **fields)
        return known.call(channel, f"akssl.v1.Lab/{method}")(message, timeout=TIMEOUT, metadata=metadata)

    spec = known.message("akssl.v1.JobSpec", method="simclr", dataset="fashion-mnist", limit_images=256,
                         image_size=16, batch=64, shards=8, epochs=1, name="generic")
    job = call("Submit", "SubmitRequest", spec=spec, hold=True)
    assert job.id > 0 and job.spec.backbone == "resnet18" and job.spec.lr > 0
    shown = call("Show", "JobRequest", id=job.id)
    same((shown.state, shown.held, shown.spec.name), ("QUEUED", True, "generic"))
    assert job.id in [one.id for one in call("List", "ListRequest", states=["QUEUED"]).jobs]
    watch = call("Watch", "WatchRequest", id=job.id)
    same(next(watch).job.state, "QUEUED")
    call("Cancel", "JobRequest", id=job.id)
    same([event.job.state for event in watch][-1], "CANCELLED")
    show, cancel = (known.call(channel, f"akssl.v1.Lab/{name}") for name in ("Show", "Cancel"))
    one = known.message("akssl.v1.JobRequest", id=job.id)
    same(code_of(cancel, one, metadata=metadata), grpc.StatusCode.FAILED_PRECONDITION)
    none = known.message("akssl.v1.JobRequest", id=10**9)
    same(code_of(show, none, metadata=metadata), grpc.StatusCode.NOT_FOUND)
    submit = known.call(channel, "akssl.v1.Lab/Submit")
    bad = known.message("akssl.v1.SubmitRequest", spec=known.message("akssl.v1.JobSpec", method="simclrr"))
    same(code_of(submit, bad, metadata=metadata), grpc.StatusCode.INVALID_ARGUMENT)


class Reflection:
    """Questions to one of the two versions; their messages are the same on the wire."""

    def __init__(self, channel, version, metadata):
        self.channel, self.path, self.metadata = channel, f"/grpc.reflection.{version}.ServerReflection", metadata

    def ask(self, *questions):
        request = [known.message("grpc.reflection.v1.ServerReflectionRequest", host="lab", **q) for q in questions]
        method = self.channel.stream_stream(
            self.path + "/ServerReflectionInfo", request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=type(known.message("grpc.reflection.v1.ServerReflectionResponse")).FromString)
        answers = list(method(iter(request), timeout=TIMEOUT, metadata=self.metadata))
        same([a.original_request for a in answers], request)
        assert all(a.valid_host == "lab" for a in answers)
        return answers

    def services(self):
        return [one.name for one in self.ask({"list_services": ""})[0].list_services_response.service]

    def file_with(self, symbol):
        answer = self.ask({"file_containing_symbol": symbol})[0]
        same(len(answer.file_descriptor_response.file_descriptor_proto), 1)
        return descriptor_pb2.FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])


def symbols(file):
    """Full names of all that a file declares."""
    def of_type(scope, t):
        yield f"{scope}.{t.name}"
        yield from (f"{scope}.{t.name}.{e.name}" for e in t.enum_type)
        for inner in t.nested_type:
            yield from of_type(f"{scope}.{t.name}", inner)
    for t in file.message_type:
        yield from of_type(file.package, t)
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{m.name}" for m in service.method)


def use_reflection(channel, version, metadata):
    reflection = Reflection(channel, version, metadata)
    same(sorted(reflection.services()), sorted(
        [f"{f.package}.{s.name}" for f in files for s in f.service] + ["grpc.reflection.v1alpha.ServerReflection"]))
    for file in files:
        names = list(symbols(file))
        answers = reflection.ask({"file_by_filename": file.name}, *({"file_containing_symbol": n} for n in names))
        for answer in answers:
            same(answer.file_descriptor_response.file_descriptor_proto[0], file.SerializeToString())
    refused = [{"file_by_filename": "akssl"}, {"file_containing_symbol": "akssl.v1.Lab.Submi"},
               {"file_containing_symbol": "akssl.v1"}, {"file_containing_symbol": ""},
               {"file_containing_extension": {"containing_type": "akssl.v1.Job", "extension_number": 9}}]
    same([a.error_response.error_code for a in reflection.ask(*refused, {})], [5] * len(refused) + [3])
    numbers = reflection.ask({"all_extension_numbers_of_type": "akssl.v1.Job"})[0].all_extension_numbers_response
    same((numbers.base_type_name, list(numbers.extension_number)), ("akssl.v1.Job", []))

    # What a tool does that knows nothing: services, their files, a call.
    found = {file.name: file for file in map(reflection.file_with, reflection.services())}
    learnt = Schema(found.values())
    request = learnt.message("akssl.v1.ListRequest", limit=5)
    reply = learnt.call(channel, "akssl.v1.Lab/List")(request, timeout=TIMEOUT, metadata=metadata)
    assert len(reply.jobs) >= 1 and reply.jobs[0].spec.name == "generic"


def use_health(channel):
    check = known.call(channel, "grpc.health.v1.Health/Check")
    watch = known.call(channel, "grpc.health.v1.Health/Watch")
    request = lambda name: known.message("grpc.health.v1.HealthCheckRequest", service=name)
    for name in "", "akssl.v1.Lab", "akssl.v1.Run":
        same(check(request(name), timeout=TIMEOUT).status, 1)
    same(code_of(check, request("akssl.v1.None")), grpc.StatusCode.NOT_FOUND)
    for name, status in ("akssl.v1.Lab", 1), ("akssl.v1.None", 3):
        stream = watch(request(name), timeout=TIMEOUT)
        same(next(stream).status, status)
        assert stream.is_active(), "the watch ended"
        stream.cancel()


# Nobody vouches for who watches: there is a bound, which leaves all other calls their room.
def crowd_health(address):
    request = known.message("grpc.health.v1.HealthCheckRequest", service="")
    own = [("grpc.use_local_subchannel_pool", 1)]  # a connection each, which has 256 calls at most
    channels = [grpc.insecure_channel(address, options=own) for _ in range(3)]
    streams = [known.call(channels[i % 2], "grpc.health.v1.Health/Watch")(request, timeout=TIMEOUT) for i in range(300)]
    ends = []
    for stream in streams:
        try:
            ends.append(next(stream).status)
        except grpc.RpcError as error:
            ends.append(error.code())
    same((ends.count(1), ends.count(grpc.StatusCode.RESOURCE_EXHAUSTED)), (256, 44))
    same(known.call(channels[2], "grpc.health.v1.Health/Check")(request, timeout=TIMEOUT).status, 1)
    for channel in channels:
        channel.close()


with open(schema, "rb") as f:
    files = descriptor_pb2.FileDescriptorSet.FromString(f.read()).file
known = Schema(files)

with grpc.insecure_channel(socket) as channel:
    if len(sys.argv) > 3:
        crowd_health(socket)
    else:
        watch = known.call(channel, "grpc.health.v1.Health/Watch")
        stream = watch(known.message("grpc.health.v1.HealthCheckRequest"), timeout=TIMEOUT)
        same(next(stream).status, 1)
        print("serving", flush=True)
        try:
            for _ in stream:
                pass
            sys.exit("the watch ended well")
        except grpc.RpcError as error:
            sys.exit(0 if error.code() == grpc.StatusCode.UNAVAILABLE else f"{error}")
    use_lab(channel, ())
    use_health(channel)
    for version in "v1", "v1alpha":
        use_reflection(channel, version, ())

target, ca, token = sys.argv[3:]
with open(ca, "rb") as f:
    credentials = grpc.ssl_channel_credentials(f.read())
with open(token) as f:
    metadata = (("authorization", "Bearer " + f.read().strip()),)
with grpc.secure_channel(target, credentials) as channel:
    use_health(channel)  # asks for no token
    ask = Reflection(channel, "v1", ())
    same(code_of(lambda timeout: ask.services()), grpc.StatusCode.UNAUTHENTICATED)
    use_lab(channel, metadata)
    use_reflection(channel, "v1", metadata)
print("any_client: jobs, reflection (v1, v1alpha) and health, on the socket and by TLS with a token")

"""What grpcurl does, by reflection alone: grpcurl.py FOLDER_OF_STUBS [-plaintext] -unix SOCKET [-d JSON] list|METHOD [JSON].

It is to be had nowhere near Debian; its way of asking (v1, else v1alpha) and of printing is the same.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format
from google.protobuf.message_factory import MessageFactory

FOLDER = sys.argv[1]
sys.path.insert(0, FOLDER)
from grpc_reflection_v1 import reflection_pb2 as v1, reflection_pb2_grpc as v1_grpc  # noqa: E402
from grpc_reflection_v1alpha import reflection_pb2 as v1alpha, reflection_pb2_grpc as v1alpha_grpc  # noqa: E402

TIMEOUT = 20


class Reflection:
    """Asks in the newer version first, and in the older one where the server does not know that."""

    def __init__(self, channel, only):
        versions = {"v1": (v1, v1_grpc), "v1alpha": (v1alpha, v1alpha_grpc)}
        self.messages, stubs = versions[only]
        self.stub = stubs.ServerReflectionStub(channel)
        self.pool = descriptor_pool.DescriptorPool()
        self.known = set()

    def ask(self, **request):
        answers = self.stub.ServerReflectionInfo(
            iter([self.messages.ServerReflectionRequest(**request)]), timeout=TIMEOUT
        )
        answer = next(iter(answers))
        if answer.HasField("error_response"):
            sys.exit(f"{answer.error_response.error_code}: {answer.error_response.error_message}")
        return answer

    def services(self):
        return [service.name for service in self.ask(list_services="").list_services_response.service]

    def service(self, name):
        answer = self.ask(file_containing_symbol=name).file_descriptor_response
        files = {}
        for data in answer.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
        for file_name in files:
            self.add(file_name, files)
        return self.pool.FindServiceByName(name)

    def add(self, name, files):
        if name in self.known:
            return
        self.known.add(name)
        if name not in files:
            answer = self.ask(file_by_filename=name).file_descriptor_response
            files[name] = descriptor_pb2.FileDescriptorProto.FromString(answer.file_descriptor_proto[0])
        for dependency in files[name].dependency:
            self.add(dependency, files)
        self.pool.Add(files[name])


def main():
    arguments = [argument for argument in sys.argv[2:] if argument != "-plaintext"]
    options = {"-d": "{}", "-unix": "", "-reflect": "v1"}
    words = []
    while arguments:
        argument = arguments.pop(0)
        if argument == "-unix":
            options["-unix"] = arguments.pop(0)
        elif argument in options:
            options[argument] = arguments.pop(0)
        else:
            words.append(argument)
    # As the guide prints it, the data may also stand behind the method.
    method_name, data = words[0], words[1] if len(words) > 1 else options["-d"]
    with grpc.insecure_channel(f"unix:{options['-unix']}") as channel:
        reflection = Reflection(channel, options["-reflect"])
        if method_name == "list":
            print("\n".join(reflection.services()))
            return
        service_name, _, name = method_name.rpartition("/")
        method = reflection.service(service_name).methods_by_name[name]
        factory = MessageFactory(reflection.pool)
        request, response = (factory.GetPrototype(kind) for kind in (method.input_type, method.output_type))
        call = channel.unary_unary(
            f"/{service_name}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        answer = call(json_format.Parse(data, request()), timeout=TIMEOUT)
        print(json.dumps(json_format.MessageToDict(answer)))


main()

"""The examples of the guide to baaaht's gRPC, by a client that has nothing of ours: seed.py SOCKET FOLDER_OF_STUBS.

An agent that answers "You said: ..." must be connected. Prints a line for each example, `ok NAME` or
`FAILED NAME: why`, and ends with 1 where one failed.
"""

import queue
import sys
import threading

import grpc

sys.path.insert(0, sys.argv[2])
from common.v1 import common_pb2 as common  # noqa: E402
from gateway.v1 import gateway_pb2 as gateway  # noqa: E402
from gateway.v1 import gateway_pb2_grpc  # noqa: E402
from google.protobuf import empty_pb2  # noqa: E402
from grpc_health import health_pb2, health_pb2_grpc  # noqa: E402
from orchestrator.v1 import orchestrator_pb2 as proto  # noqa: E402
from orchestrator.v1 import orchestrator_pb2_grpc  # noqa: E402

TIMEOUT = 20


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"{actual!r}, not {wanted!r}")


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


class Examples:
    def __init__(self, channel):
        self.channel = channel
        self.orchestrator = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
        self.gateway = gateway_pb2_grpc.GatewayServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)
        self.session_id = ""

    def create_a_session(self):
        response = self.orchestrator.CreateSession(
            proto.CreateSessionRequest(
                metadata=proto.SessionMetadata(
                    name="my-session", description="Example session", owner_id="user-123"
                ),
                config=proto.SessionConfig(
                    max_containers=10,
                    idle_timeout_ns=3_600_000_000_000,
                    resource_limits=common.ResourceLimits(
                        nano_cpus=1_000_000_000, memory_bytes=1024 * 1024 * 1024
                    ),
                ),
            ),
            timeout=TIMEOUT,
        )
        self.session_id = response.session_id
        expect(response.session.state, proto.SESSION_STATE_ACTIVE)
        expect(response.session.metadata.name, "my-session")
        expect(response.session.context.config.resource_limits.nano_cpus, 1_000_000_000)

    def get_session_info(self):
        response = self.orchestrator.GetSession(
            proto.GetSessionRequest(session_id=self.session_id), timeout=TIMEOUT
        )
        expect(response.session.metadata.owner_id, "user-123")

    def list_sessions(self):
        response = self.orchestrator.ListSessions(
            proto.ListSessionsRequest(
                filter=proto.SessionFilter(state=proto.SESSION_STATE_ACTIVE, owner_id="user-123")
            ),
            timeout=TIMEOUT,
        )
        expect([session.id for session in response.sessions], [self.session_id])
        expect(response.total_count, 1)

    def send_a_message(self):
        response = self.orchestrator.SendMessage(
            proto.SendMessageRequest(
                session_id=self.session_id,
                message=proto.Message(role=proto.MESSAGE_ROLE_USER, content="Hello, orchestrator!"),
            ),
            timeout=TIMEOUT,
        )
        session = self.orchestrator.GetSession(
            proto.GetSessionRequest(session_id=self.session_id), timeout=TIMEOUT
        ).session
        expect([message.id for message in session.context.messages], [response.message_id])

    def stream_messages(self):
        def requests():
            for text in ["one", "two"]:
                message = proto.Message(role=proto.MESSAGE_ROLE_USER, content=text)
                yield proto.StreamMessageRequest(session_id=self.session_id, message=message)

        # As printed there: all is sent and the side is closed before anything is read.
        answers = [
            response.message.content if response.HasField("message") else str(response)
            for response in self.orchestrator.StreamMessages(requests(), timeout=TIMEOUT)
        ]
        expect(answers, ["You said: one", "You said: two"])

    def create_a_container(self):
        response = self.orchestrator.CreateContainer(
            proto.CreateContainerRequest(
                session_id=self.session_id,
                config=proto.ContainerConfig(
                    image="python:3.11",
                    command=["python"],
                    args=["-u", "script.py"],
                    working_dir="/workspace",
                    env={"PYTHONUNBUFFERED": "1"},
                    resources=common.ResourceLimits(nano_cpus=500_000_000, memory_bytes=512 * 1024 * 1024),
                ),
            ),
            timeout=TIMEOUT,
        )
        self.container_id = response.container_id
        expect(response.container.config.env["PYTHONUNBUFFERED"], "1")

    def get_container_info(self):
        request = proto.GetContainerRequest(container_id=self.container_id)
        container = self.orchestrator.GetContainer(request, timeout=TIMEOUT).container
        expect((container.session_id, container.state), (self.session_id, proto.CONTAINER_STATE_RUNNING))

    def stop_a_container(self):
        request = proto.StopContainerRequest(container_id=self.container_id, timeout_ns=10_000_000_000)
        response = self.orchestrator.StopContainer(request, timeout=TIMEOUT)
        expect(response.state, proto.CONTAINER_STATE_EXITED)

    def subscribe_to_events(self):
        event_filter = proto.EventFilter(
            type=proto.EVENT_TYPE_SESSION_UPDATED, session_id=self.session_id
        )
        stream = self.orchestrator.SubscribeEvents(
            proto.SubscribeEventsRequest(filter=event_filter), timeout=TIMEOUT
        )
        # Comes once the subscription stands.
        stream.initial_metadata()
        self.orchestrator.UpdateSession(
            proto.UpdateSessionRequest(
                session_id=self.session_id, metadata=proto.SessionMetadata(name="renamed", owner_id="user-123")
            ),
            timeout=TIMEOUT,
        )
        event = next(stream)
        expect((event.type, event.source), (proto.EVENT_TYPE_SESSION_UPDATED, "orchestrator"))
        expect((event.metadata.session_id, event.data["name"]), (self.session_id, "renamed"))
        stream.cancel()

    def create_gateway_session(self):
        response = self.gateway.CreateGatewaySession(
            gateway.CreateGatewaySessionRequest(
                metadata=gateway.GatewaySessionMetadata(
                    name="web-session", client_type="web", client_version="1.0.0", user_id="user-123"
                ),
                config=gateway.GatewaySessionConfig(
                    enable_streaming=True,
                    stream_config=gateway.StreamConfig(chunk_size=1024, enable_delta=True),
                ),
            ),
            timeout=TIMEOUT,
        )
        self.gateway_id = response.session_id
        expect(response.session.state, gateway.GATEWAY_SESSION_STATE_ACTIVE)
        expect(response.session.config.stream_config.chunk_size, 1024)

    def stream_chat(self):
        message = gateway.GatewayMessage(role=gateway.GATEWAY_MESSAGE_ROLE_USER, content="Hello!")
        request = gateway.StreamChatRequest(session_id=self.gateway_id, message=message)
        answers = list(self.gateway.StreamChat(iter([request]), timeout=TIMEOUT))
        expect("".join(answer.chunk.text for answer in answers), "You said: Hello!")
        expect(answers[-1].chunk.is_final, True)

    def handle_errors(self):
        unknown = failure(
            lambda: self.orchestrator.GetSession(proto.GetSessionRequest(session_id="session-123"), timeout=TIMEOUT)
        )
        expect((unknown.code(), unknown.details()), (grpc.StatusCode.NOT_FOUND, "session not found: session-123"))
        bad = failure(lambda: self.orchestrator.CreateSession(proto.CreateSessionRequest(), timeout=TIMEOUT))
        expect((bad.code(), bad.details()), (grpc.StatusCode.INVALID_ARGUMENT, "metadata is required"))
        none = failure(lambda: self.orchestrator.GetSession(proto.GetSessionRequest(), timeout=TIMEOUT))
        expect(none.details(), "session_id is required")

    def check_health(self):
        for service in ["", "orchestrator", "gateway", "orchestrator.v1.OrchestratorService"]:
            request = health_pb2.HealthCheckRequest(service=service)
            expect(self.health.Check(request, timeout=TIMEOUT).status, health_pb2.HealthCheckResponse.SERVING)
        unknown = failure(
            lambda: self.health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=TIMEOUT)
        )
        expect((unknown.code(), unknown.details()), (grpc.StatusCode.NOT_FOUND, "unknown service"))

    def tell_status(self):
        status = self.orchestrator.GetStatus(empty_pb2.Empty(), timeout=TIMEOUT)
        expect((status.status, status.active_sessions), (common.STATUS_RUNNING, 2))
        expect(self.gateway.GetStatus(empty_pb2.Empty(), timeout=TIMEOUT).active_sessions, 1)

    def use_heartbeats(self):
        sending = queue.Queue()
        stream = self.orchestrator.StreamMessages(iter(sending.get, None), timeout=TIMEOUT)
        # The inner message is empty: that it is there is what counts.
        sending.put(proto.StreamMessageRequest(heartbeat=empty_pb2.Empty()))
        expect(next(stream).HasField("heartbeat"), True)
        sending.put(None)
        expect(list(stream), [])

    def serve_five_clients_at_once(self):
        failures = []

        def client():
            try:
                with grpc.insecure_channel(f"unix:{sys.argv[1]}") as channel:
                    stub = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
                    metadata = proto.SessionMetadata(name="at once")
                    created = stub.CreateSession(proto.CreateSessionRequest(metadata=metadata), timeout=TIMEOUT)
                    stub.CloseSession(proto.CloseSessionRequest(session_id=created.session_id), timeout=TIMEOUT)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=client) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(failures, [])

    def close_a_session(self):
        request = proto.CloseSessionRequest(session_id=self.session_id, reason="User logged out")
        response = self.orchestrator.CloseSession(request, timeout=TIMEOUT)
        expect((response.session_id, response.state), (self.session_id, proto.SESSION_STATE_CLOSED))


ORDER = [
    "create_a_session",
    "get_session_info",
    "list_sessions",
    "send_a_message",
    "stream_messages",
    "create_a_container",
    "get_container_info",
    "stop_a_container",
    "subscribe_to_events",
    "create_gateway_session",
    "stream_chat",
    "handle_errors",
    "check_health",
    "tell_status",
    "use_heartbeats",
    "serve_five_clients_at_once",
    "close_a_session",
]


def main():
    has_failed = False
    with grpc.insecure_channel(f"unix:{sys.argv[1]}") as channel:
        examples = Examples(channel)
        for name in ORDER:
            try:
                getattr(examples, name)()
                print(f"ok {name}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                has_failed = True
                why = error.details() if isinstance(error, grpc.RpcError) else error
                print(f"FAILED {name}: {type(error).__name__} {why}", flush=True)
    sys.exit(1 if has_failed else 0)


main()

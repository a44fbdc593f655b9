"""gRPC's interoperability cases, by a client that has nothing of ours: interop.py SOCKET FOLDER_OF_STUBS.

Prints a line for each case, `ok NAME` or `FAILED NAME: why`, and ends with 1 where one failed.
"""

import queue
import sys
import threading

import grpc

sys.path.insert(0, sys.argv[2])
import test_pb2 as pb  # noqa: E402
import test_pb2_grpc  # noqa: E402

LARGE = 271828
ANSWER = 314159
SIZES = [27182, 8, 1828, 45904]
ANSWERS = [31415, 9, 2653, 58979]
TIMEOUT = 20


def zeros(size):
    return pb.Payload(body=b"\0" * size)


def wanting(*sizes, interval_us=0, payload=0):
    parameters = [pb.ResponseParameters(size=size, interval_us=interval_us) for size in sizes]
    return pb.StreamingOutputCallRequest(response_parameters=parameters, payload=zeros(payload))


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"{actual!r}, not {wanted!r}")


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


def empty_unary(stub):
    expect(stub.EmptyCall(pb.Empty(), timeout=TIMEOUT), pb.Empty())


def large_unary(stub):
    request = pb.SimpleRequest(response_size=ANSWER, payload=zeros(LARGE))
    expect(len(stub.UnaryCall(request, timeout=TIMEOUT).payload.body), ANSWER)


def compressed_unary(stub):
    request = pb.SimpleRequest(response_size=ANSWER, payload=zeros(LARGE))
    answer = stub.UnaryCall(request, timeout=TIMEOUT, compression=grpc.Compression.Gzip)
    expect(len(answer.payload.body), ANSWER)


def client_streaming(stub):
    requests = (pb.StreamingInputCallRequest(payload=zeros(size)) for size in SIZES)
    expect(stub.StreamingInputCall(requests, timeout=TIMEOUT).aggregated_payload_size, sum(SIZES))


def server_streaming(stub):
    answers = stub.StreamingOutputCall(wanting(*ANSWERS), timeout=TIMEOUT)
    expect([len(answer.payload.body) for answer in answers], ANSWERS)


def bidi(stub):
    requests = (wanting(answer, payload=size) for answer, size in zip(ANSWERS, SIZES))
    answers = stub.FullDuplexCall(requests, timeout=TIMEOUT)
    expect([len(answer.payload.body) for answer in answers], ANSWERS)


def ping_pong(stub):
    pending = queue.Queue()
    answers = stub.FullDuplexCall(iter(pending.get, None), timeout=TIMEOUT)
    for answer, size in zip(ANSWERS, SIZES):
        pending.put(wanting(answer, payload=size))
        expect(len(next(answers).payload.body), answer)
    pending.put(None)
    expect(list(answers), [])


def empty_stream(stub):
    expect(list(stub.FullDuplexCall(iter(()), timeout=TIMEOUT)), [])


def cancel_after_begin(stub):
    hold = threading.Event()

    def nothing():
        hold.wait(TIMEOUT)
        yield from ()

    call = stub.StreamingInputCall.future(nothing())
    call.cancel()
    hold.set()
    expect(call.code(), grpc.StatusCode.CANCELLED)


def cancel_after_first_response(stub):
    pending = queue.Queue()
    call = stub.FullDuplexCall(iter(pending.get, None), timeout=TIMEOUT)
    pending.put(wanting(31415, payload=27182))
    expect(len(next(call).payload.body), 31415)
    call.cancel()
    pending.put(None)
    expect(failure(lambda: next(call)).code(), grpc.StatusCode.CANCELLED)


def timeout_on_sleeping_server(stub):
    answers = stub.FullDuplexCall(iter([wanting(1, interval_us=5_000_000)]), timeout=0.1)
    expect(failure(lambda: list(answers)).code(), grpc.StatusCode.DEADLINE_EXCEEDED)


def custom_metadata(stub):
    metadata = (
        ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
        ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"),
    )

    def check(call):
        expect(dict(call.initial_metadata())["x-grpc-test-echo-initial"], "test_initial_metadata_value")
        expect(dict(call.trailing_metadata())["x-grpc-test-echo-trailing-bin"], b"\xab\xab\xab")

    request = pb.SimpleRequest(response_size=ANSWER, payload=zeros(LARGE))
    _, call = stub.UnaryCall.with_call(request, metadata=metadata, timeout=TIMEOUT)
    check(call)
    stream = stub.FullDuplexCall(iter([wanting(ANSWER, payload=LARGE)]), metadata=metadata, timeout=TIMEOUT)
    expect(len(list(stream)), 1)
    check(stream)


def status_of(stub, message):
    status = pb.EchoStatus(code=2, message=message)
    for error in (
        failure(lambda: stub.UnaryCall(pb.SimpleRequest(response_status=status), timeout=TIMEOUT)),
        failure(
            lambda: list(
                stub.StreamingOutputCall(pb.StreamingOutputCallRequest(response_status=status), timeout=TIMEOUT)
            )
        ),
    ):
        expect(error.code(), grpc.StatusCode.UNKNOWN)
        expect(error.details(), message)


def status_code_and_message(stub):
    status_of(stub, "test status message")


def special_status_message(stub):
    status_of(stub, "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")


def unimplemented_method(stub):
    error = failure(lambda: stub.UnimplementedCall(pb.Empty(), timeout=TIMEOUT))
    expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub):
    error = failure(lambda: stub.other.UnimplementedCall(pb.Empty(), timeout=TIMEOUT))
    expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)


def too_large(stub):
    request = pb.SimpleRequest(payload=zeros(200 * 1024 * 1024))
    expect(failure(lambda: stub.UnaryCall(request, timeout=TIMEOUT)).code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
    empty_unary(stub)


CASES = [
    empty_unary,
    large_unary,
    compressed_unary,
    client_streaming,
    server_streaming,
    bidi,
    ping_pong,
    empty_stream,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
    custom_metadata,
    status_code_and_message,
    special_status_message,
    unimplemented_method,
    unimplemented_service,
    too_large,
]


def main():
    failed = 0
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"unix:{sys.argv[1]}", options=options) as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        stub.other = test_pb2_grpc.UnimplementedServiceStub(channel)
        for case in CASES:
            try:
                case(stub)
                print(f"ok {case.__name__}", flush=True)
            except Exception as error:  # noqa: BLE001
                failed += 1
                print(f"FAILED {case.__name__}: {error!r}", flush=True)
    sys.exit(1 if failed else 0)


main()

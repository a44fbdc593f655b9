"""An agent that has nothing of ours: workerAgent.py SOCKET FOLDER_OF_STUBS NAME [--capability C]... [--beat SECONDS] [--room N]

It registers, keeps its stream open, beats, and runs each task's command in a shell. Lines `::progress 0.5 message` of
its output tell how far it is. What it does it prints, a line of JSON each. SIGTERM ends it properly.
"""

import argparse
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc

arguments = argparse.ArgumentParser()
arguments.add_argument("socket")
arguments.add_argument("stubs")
arguments.add_argument("name")
arguments.add_argument("--capability", action="append", default=[])
arguments.add_argument("--beat", type=float, default=1.0)
arguments.add_argument("--room", type=int, default=2)
options = arguments.parse_args()
sys.path.insert(0, options.stubs)
from agent.v1 import agent_pb2 as pb, agent_pb2_grpc  # noqa: E402
from google.protobuf.empty_pb2 import Empty  # noqa: E402

PROGRESS = re.compile(rb"^::progress ([\d.]+) ?(.*)\n$")


def tell(event, **facts):
    # Of several threads, so in one write.
    os.write(1, (json.dumps({"event": event, **facts}) + "\n").encode())


class Worker:
    """One task: its process, and its stream to the orchestrator."""

    def __init__(self, stub, task_id):
        self.stub = stub
        self.task_id = task_id
        self.frames = queue.Queue()
        self.child = None
        self.output_lock = threading.Lock()
        threading.Thread(target=self.work, daemon=True).start()

    def report(self, **payload):
        self.frames.put(pb.StreamTaskRequest(task_id=self.task_id, **payload))

    def work(self):
        config = self.stub.GetTaskStatus(pb.GetTaskStatusRequest(task_id=self.task_id), timeout=10).task.config
        tell("begun", task=self.task_id, command=config.command)
        answers = self.stub.StreamTask(iter(self.frames.get, None))
        self.report(status=pb.TaskStatusUpdate(state=pb.TASK_STATE_RUNNING))
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(
            ["/bin/sh", "-c", config.command],
            env={**os.environ, **config.environment},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        readers = [
            threading.Thread(target=self.read, args=(self.child.stdout, "stdout"), daemon=True),
            threading.Thread(target=self.read, args=(self.child.stderr, "stderr"), daemon=True),
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self.listen, args=(answers,), daemon=True).start()
        for reader in readers:
            reader.join()
        code = self.child.wait()
        result = pb.TaskResult(exit_code=code, metadata={"agent": options.name})
        self.report(complete=pb.TaskComplete(task_id=self.task_id, result=result))
        tell("ended", task=self.task_id, code=code)

    def read(self, pipe, stream_type):
        for line in pipe:
            progress = PROGRESS.match(line)
            if progress is None:
                self.report(output=pb.TaskOutput(data=line, stream_type=stream_type))
            else:
                share, message = progress.groups()
                self.report(progress=pb.TaskProgress(percent=float(share), message=message.decode()))

    def listen(self, answers):
        try:
            for answer in answers:
                kind = answer.WhichOneof("payload")
                if kind == "output" and answer.output.stream_type == "stdin":
                    self.child.stdin.write(answer.output.data)
                    self.child.stdin.flush()
                if kind == "status" and answer.status.state in (pb.TASK_STATE_CANCELLED, pb.TASK_STATE_TIMEOUT):
                    self.stop()
        except grpc.RpcError:
            pass
        self.frames.put(None)

    def stop(self):
        tell("stopped", task=self.task_id)
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)


class Agent:
    def __init__(self, stub):
        self.stub = stub
        self.id = ""
        self.workers = {}
        self.lock = threading.Lock()
        self.leaving = threading.Event()

    def register(self):
        capabilities = pb.AgentCapabilities(
            supported_tasks=options.capability,
            max_concurrent_tasks=options.room,
            supports_streaming=True,
            supports_cancellation=True,
            supported_protocols=["grpc"],
        )
        metadata = pb.AgentMetadata(version="1.0.0", hostname=socket.gethostname(), pid=str(os.getpid()))
        request = pb.RegisterRequest(
            name=options.name, type=pb.AGENT_TYPE_WORKER, metadata=metadata, capabilities=capabilities
        )
        answer = self.stub.Register(request, timeout=10)
        self.id = answer.agent_id
        tell("registered", agent=self.id, pid=os.getpid())

    def begin(self, task_id, attempt=""):
        with self.lock:
            if (task_id, attempt) in self.workers:
                return
            self.workers[(task_id, attempt)] = Worker(self.stub, task_id)

    def beat(self):
        while not self.leaving.wait(options.beat):
            try:
                pending = self.stub.Heartbeat(pb.HeartbeatRequest(agent_id=self.id), timeout=10).pending_tasks
                for task_id in pending:
                    self.begin(task_id, "beat")
            except grpc.RpcError as error:
                # An orchestrator that has forgotten us wants to hear who we are.
                if error.code() == grpc.StatusCode.NOT_FOUND:
                    self.register()
                    self.stream.cancel()

    def listen(self):
        """The stream is opened again whenever it ends."""
        while not self.leaving.is_set():
            frames = queue.Queue()
            frames.put(pb.StreamAgentRequest(agent_id=self.id))
            frames.put(pb.StreamAgentRequest(heartbeat=Empty()))
            self.stream = self.stub.StreamAgent(iter(frames.get, None))
            try:
                for answer in self.stream:
                    self.take(answer, frames)
            except grpc.RpcError as error:
                tell("unstreamed", code=error.code().name)
            frames.put(None)
            self.leaving.wait(0.2)

    def take(self, answer, frames):
        if answer.WhichOneof("payload") == "heartbeat":
            tell("streaming", agent=self.id)
            return
        message = answer.message
        if message.type == pb.MESSAGE_TYPE_TASK_REQUEST:
            self.begin(message.task_message.task_id, message.metadata.headers["attempt"])
        elif message.WhichOneof("payload") == "data_message":
            text = message.data_message.data.decode()
            tell("message", text=text)
            metadata = pb.AgentMessageMetadata(correlation_id=message.metadata.correlation_id)
            data = pb.DataMessage(content_type="text/plain", data=f"You said: {text}".encode())
            frames.put(pb.StreamAgentRequest(message=pb.AgentMessage(data_message=data, metadata=metadata)))

    def leave(self, *_):
        self.leaving.set()
        for worker in self.workers.values():
            worker.stop()
        self.stub.Unregister(pb.UnregisterRequest(agent_id=self.id, reason="it was told to end"), timeout=10)
        os._exit(0)


def main():
    limits = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 500)]
    channel = grpc.insecure_channel(f"unix:{options.socket}", options=limits)
    agent = Agent(agent_pb2_grpc.AgentServiceStub(channel))
    agent.register()
    signal.signal(signal.SIGTERM, agent.leave)
    threading.Thread(target=agent.beat, daemon=True).start()
    threading.Thread(target=agent.listen, daemon=True).start()
    while True:
        time.sleep(3600)


main()

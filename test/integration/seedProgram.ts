/** Seed 000, section 3.2, as printed. */
export const seedProgram = `
import os
import requests # or a socket library if not HTTP

# This URL is provided by the Koii Node's task executable (via @_koii/orca-node) at container startup
PARENT_CALLBACK_URL = os.environ.get("PARENT_NODE_CALLBACK_URL")
ORCA_TASK_ID = os.environ.get("ORCA_TASK_ID") # Often useful for context

def send_update_to_koii_node(event_type: str, data: dict):
    if not PARENT_CALLBACK_URL:
        print("Error: PARENT_NODE_CALLBACK_URL not set. Cannot send update to Koii Node.")
        return

    payload = {
        "taskId": ORCA_TASK_ID or "unknown_orca_task",
        "eventType": event_type, # e.g., "status_update", "log_entry", "task_result"
        "data": data
    }

    try:
        # Assuming an HTTP-based local listener for this example
        print(f"Sending update to Koii Node via {PARENT_CALLBACK_URL}: {payload}")
        response = requests.post(PARENT_CALLBACK_URL, json=payload, timeout=5)
        response.raise_for_status()
        print(f"Successfully sent update to Koii Node.")
    except requests.exceptions.RequestException as e:
        print(f"Error sending update to Koii Node: {e}")
`;
/** Three states, two log entries and a result, by the examples below the program. */
export const seedExamples = `
send_update_to_koii_node(event_type="status_update", data={"message": "Processing item X", "progress": 50})
send_update_to_koii_node(event_type="log_entry", data={"level": "info", "message": "Read"})
send_update_to_koii_node(event_type="status_update", data={"message": "Processing item Y", "progress": 75})
send_update_to_koii_node(event_type="log_entry", data={"level": "error", "message": "Something failed"})
send_update_to_koii_node(event_type="status_update", data={"message": "Done", "progress": 100})
send_update_to_koii_node(event_type="task_result", data={"output_cid": "bafy...", "status": "completed"})
`;

/** What a person is told of them, of the task `task-001`. */
export const seedMessages = [
  'Orca Status (task-0...): Processing item X (50%)',
  'Orca Log [INFO] (task-0...): Read',
  'Orca Status (task-0...): Processing item Y (75%)',
  'Orca Log [ERROR] (task-0...): Something failed',
  'Orca Status (task-0...): Done (100%)',
  'Orca Result (task-0...): Status - completed',
];

/** For a program without a network: what the seed asks of requests, by the Unix socket. */
export const socketRequests = `
import http.client, json, os, socket, sys, types
from urllib.parse import urlparse

class SocketConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["IPC_SOCKET_PATH"])

def post(url, json, timeout):
    connection = SocketConnection("localhost", timeout=timeout)
    body = globals()["json"].dumps(json)
    connection.request("POST", urlparse(url).path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    def raise_for_status():
        if answer.status >= 400: raise requests.exceptions.RequestException(answer.status)
    return types.SimpleNamespace(raise_for_status=raise_for_status)

requests = types.ModuleType("requests")
requests.post = post
requests.exceptions = types.SimpleNamespace(RequestException=OSError)
sys.modules["requests"] = requests
`;

"""A schema registry that keeps the contract of Confluent's REST API, as far as a gateway uses it; also a slow one, one that
refuses, and one that is gone."""

import base64
import json
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastavro

KIND = "application/vnd.schemaregistry.v1+json"


class Registry:
    def __init__(self, port=0, tls=None, user=None):
        self.ids = {}  # schema -> id, the same under every subject
        self.subjects = {}  # subject -> [schema]
        self.user = user
        self.delay = 0
        self.refusal = None  # (status, code, message) for what is not known yet
        self.refused = ""  # only of schemas with this in them
        self.requests = []
        self.lock = threading.Lock()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.handle(self, None)

            def do_POST(self):
                registry.handle(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "server.pem", tls / "server.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def schema(self, id):
        return json.loads(next(schema for schema, known in self.ids.items() if known == id))

    def handle(self, request, body):
        time.sleep(self.delay)
        parts = [urllib.parse.unquote(part) for part in request.path.split("?")[0].strip("/").split("/")]
        with self.lock:
            self.requests.append((request.command, request.path))
            status, answer = self.answer(request, parts, body)
        content = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", KIND)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def answer(self, request, parts, body):
        if self.user:
            wanted = "Basic " + base64.b64encode(":".join(self.user).encode()).decode()
            if request.headers["Authorization"] != wanted:
                return 401, {"error_code": 401, "message": "Unauthorized"}
        if request.command == "GET" and parts[:2] == ["schemas", "ids"] and len(parts) == 3:
            found = [schema for schema, id in self.ids.items() if str(id) == parts[2]]
            return (200, {"schema": found[0]}) if found else (404, {"error_code": 40403, "message": "Schema not found"})
        if parts[:1] != ["subjects"] or len(parts) < 2:
            return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
        versions = self.subjects.get(parts[1])
        if request.command == "GET" and parts[2:] == ["versions", "latest"]:
            if not versions:
                return 404, {"error_code": 40401, "message": f"Subject '{parts[1]}' not found."}
            return 200, {"subject": parts[1], "version": len(versions), "id": self.ids[versions[-1]],
                         "schema": versions[-1]}
        if request.command != "POST" or request.headers["Content-Type"] != KIND:
            return 415, {"error_code": 415, "message": "HTTP 415 Unsupported Media Type"}
        schema = json.loads(body)["schema"]
        try:
            fastavro.parse_schema(json.loads(schema))
        except Exception as error:
            return 422, {"error_code": 42201, "message": f"Input schema is an invalid Avro schema: {error}"}
        if len(parts) == 2:
            if versions is None:
                return 404, {"error_code": 40401, "message": f"Subject '{parts[1]}' not found."}
            if schema not in versions:
                return 404, {"error_code": 40403, "message": "Schema not found"}
            return 200, {"subject": parts[1], "version": versions.index(schema) + 1, "id": self.ids[schema],
                         "schema": schema}
        if self.refusal and self.refused in schema and schema not in (versions or []):
            status, code, message = self.refusal
            return status, {"error_code": code, "message": message}
        id = self.ids.setdefault(schema, len(self.ids) + 1)
        versions = self.subjects.setdefault(parts[1], [])
        if schema not in versions:
            versions.append(schema)
        return 200, {"id": id}

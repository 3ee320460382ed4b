"""A broker as the Kafka protocol guide has it, for what creates and describes topics: ApiVersions 0, Metadata 1, CreateTopics 4 and
DescribeConfigs 1. librdkafka's own broker for tests knows neither of the last two."""

import socket
import struct
import threading

API_VERSIONS, METADATA, CREATE_TOPICS, DESCRIBE_CONFIGS = 18, 3, 19, 32
VERSIONS = {API_VERSIONS: 0, METADATA: 1, CREATE_TOPICS: 4, DESCRIBE_CONFIGS: 1}
UNSUPPORTED_VERSION, TOPIC_ALREADY_EXISTS, INVALID_REPLICATION_FACTOR, TOPIC_AUTHORIZATION_FAILED = 35, 36, 38, 29


class Bytes:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, form):
        size = struct.calcsize(form)
        value = struct.unpack_from(form, self.raw, self.at)[0]
        self.at += size
        return value

    def text(self):
        length = self.take(">h")
        if length < 0:
            return None
        self.at += length
        return self.raw[self.at - length:self.at].decode()

    def array(self, read):
        return [read() for _ in range(max(0, self.take(">i")))]


def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def array(elements):
    return struct.pack(">i", len(elements)) + b"".join(elements)


class KafkaAdmin:
    """One broker; topics by name: partitions, replicas and settings. `refused` are topics that nobody may create."""

    def __init__(self, topics=(), refused=()):
        self.topics, self.refused, self.trials = dict(topics), set(refused), []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        # Who waits for a connection would take one more.
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while size := stream.read(4):
                request = Bytes(stream.read(struct.unpack(">i", size)[0]))
                key, version, correlation = request.take(">h"), request.take(">h"), request.take(">i")
                request.text()
                answer = struct.pack(">i", correlation) + self.answer(key, version, request)
                connection.sendall(struct.pack(">i", len(answer)) + answer)
        except (OSError, struct.error):
            connection.close()

    def answer(self, key, version, request):
        if key == API_VERSIONS:
            error = UNSUPPORTED_VERSION if version > VERSIONS[key] else 0
            return struct.pack(">h", error) + array([struct.pack(">hhh", api, 0, most) for api, most in VERSIONS.items()])
        assert version == VERSIONS[key], f"request {key}, version {version}"
        return {METADATA: self.metadata, CREATE_TOPICS: self.create, DESCRIBE_CONFIGS: self.describe}[key](request)

    def metadata(self, request):
        count = request.take(">i")
        wanted = self.topics if count < 0 else [request.text() for _ in range(count)]
        broker = struct.pack(">i", 1) + text("127.0.0.1") + struct.pack(">i", self.port) + text(None)

        def topic(name):
            found = self.topics.get(name)
            partitions = [struct.pack(">hii", 0, number, 1) + array([struct.pack(">i", 1)] * found["replicas"])
                          + array([struct.pack(">i", 1)]) for number in range(found["partitions"])] if found else []
            return struct.pack(">h", 0 if found else 3) + text(name) + b"\0" + array(partitions)
        return array([broker]) + struct.pack(">i", 1) + array([topic(name) for name in wanted])

    def create(self, request):
        def topic():
            name, partitions, replicas = request.text(), request.take(">i"), request.take(">h")
            request.array(lambda: (request.take(">i"), request.array(lambda: request.take(">i"))))
            return name, partitions, replicas, dict(request.array(lambda: (request.text(), request.text())))
        asked = request.array(topic)
        request.take(">i")
        is_trial, results = request.take(">?"), []
        self.trials.append(is_trial)
        for name, partitions, replicas, settings in asked:
            error, reason = 0, None
            if name in self.topics:
                error, reason = TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists."
            elif name in self.refused:
                error = TOPIC_AUTHORIZATION_FAILED
            elif replicas > 3:
                error, reason = INVALID_REPLICATION_FACTOR, f"Replication factor: {replicas} larger than available brokers: 3."
            elif not is_trial:
                self.topics[name] = {"partitions": 2 if partitions < 0 else partitions, "replicas": 1 if replicas < 0 else replicas,
                                     "settings": {"retention.ms": "604800000", "cleanup.policy": "delete"} | settings}
            results.append(text(name) + struct.pack(">h", error) + text(reason))
        return struct.pack(">i", 0) + array(results)

    def describe(self, request):
        asked = request.array(lambda: (request.take(">b"), request.text(), request.array(request.text)))
        results = []
        for kind, name, _ in asked:
            settings = [text(key) + text(value) + struct.pack(">?b?", False, 1, False) + array([])
                        for key, value in self.topics[name]["settings"].items()]
            results.append(struct.pack(">h", 0) + text(None) + struct.pack(">b", kind) + text(name) + array(settings))
        return struct.pack(">i", 0) + array(results)

"""A front to a Kafka cluster of one broker, that lets in who may: TLS, SASL, and records it will not take.

    kafka_gate.py PORT BROKER SETTINGS      settings as JSON

The broker behind it (librdkafka's mock cluster) knows none of these. Frames are passed on as they are, but for the
broker's address in its answers, which becomes the gate's. Settings, all optional:

    certificate, key, client_ca     PEM files; with `client_ca` a client must show a certificate signed by it
    users                           {name: password}, for SASL PLAIN and SCRAM
    advertised                      the port that clients are told to go to, where that is not the gate's own
    refuse                          a text: a request to produce that has it is refused as a whole, as brokers do
"""

import json
import socket
import ssl
import struct
import sys
import threading

from scramp import ScramMechanism

from streams import read_exactly

PRODUCE, API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 0, 18, 17, 36
UNSUPPORTED_MECHANISM, ILLEGAL_STATE, UNSUPPORTED_VERSION, AUTHENTICATION_FAILED = 33, 34, 35, 58
MESSAGE_TOO_LARGE = 10
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def read_frame(stream):
    return read_exactly(stream, struct.unpack(">i", read_exactly(stream, 4))[0])


def write_frame(stream, frame):
    stream.sendall(struct.pack(">i", len(frame)) + frame)


class Reader:
    """The parts of a request, after its header (api key, version, correlation id, client id)."""

    def __init__(self, frame):
        self.key, self.version, self.correlation = struct.unpack_from(">hhi", frame)
        self.frame = frame
        self.at = 8
        self.string()

    def number(self, form):
        value = struct.unpack_from(form, self.frame, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def bytes(self, form):
        count = self.number(form)
        if count < 0:
            return None
        self.at += count
        return self.frame[self.at - count:self.at]

    def string(self):
        value = self.bytes(">h")
        return None if value is None else value.decode()


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Refused(Exception):
    pass


class Login:
    """One connection's way through SASL."""

    def __init__(self, users):
        self.users = users
        self.mechanism = None
        self.scram = None
        self.is_done = False

    def handshake(self, request):
        name = request.string()
        error = 0 if name in MECHANISMS else UNSUPPORTED_MECHANISM
        self.mechanism = name
        return struct.pack(">ihi", request.correlation, error, len(MECHANISMS)) + b"".join(map(text, MECHANISMS))

    def authenticate(self, request):
        message = request.bytes(">i")
        try:
            answer, error = self.step(message), 0
        except Exception:
            answer, error = b"", AUTHENTICATION_FAILED
        reason = struct.pack(">h", -1) if error == 0 else text("Authentication failed")
        session = struct.pack(">q", 0) if request.version >= 1 else b""
        return struct.pack(">ih", request.correlation, error) + reason + struct.pack(">i", len(answer)) + answer + session

    def step(self, message):
        if self.mechanism == "PLAIN":
            _, user, password = message.decode().split("\0")
            if self.users.get(user) != password:
                raise Refused
            self.is_done = True
            return b""
        if self.scram is None:
            mechanism = ScramMechanism(self.mechanism)
            self.scram = mechanism.make_server(
                lambda user: mechanism.make_auth_info(self.users[user], iteration_count=4096))
            self.scram.set_client_first(message.decode())
            return self.scram.get_server_first().encode()
        self.scram.set_client_final(message.decode())
        final = self.scram.get_server_final()
        self.is_done = True
        return final.encode()


class Connection:
    def __init__(self, client, gate):
        self.client = client
        self.gate = gate
        self.broker = socket.create_connection(gate.broker)
        self.login = Login(gate.users) if gate.users else None
        self.writing = threading.Lock()

    def serve(self):
        threading.Thread(target=self.answers, daemon=True).start()
        try:
            while True:
                self.request(read_frame(self.client))
        except (EOFError, OSError, Refused, struct.error):
            pass
        finally:
            self.client.close()
            self.broker.close()

    def answers(self):
        try:
            while True:
                self.answer(read_frame(self.broker))
        except (EOFError, OSError):
            pass

    def answer(self, frame):
        with self.writing:
            write_frame(self.client, frame.replace(self.gate.behind, self.gate.front))

    def request(self, frame):
        request = Reader(frame)
        if self.login and not self.login.is_done:
            return self.before_login(request)
        if request.key == PRODUCE and self.gate.refuse and self.gate.refuse in frame:
            return self.answer(refusal(request))
        write_frame(self.broker, frame)

    def before_login(self, request):
        if request.key == API_VERSIONS:
            self.answer(self.api_versions(request))
        elif request.key == SASL_HANDSHAKE:
            self.answer(self.login.handshake(request))
        elif request.key == SASL_AUTHENTICATE:
            self.answer(self.login.authenticate(request))
        else:
            raise Refused

    def api_versions(self, request):
        """What the broker behind can do, and the two requests that it cannot."""
        if request.version > 0:
            return struct.pack(">ihi", request.correlation, UNSUPPORTED_VERSION, 0)
        with socket.create_connection(self.gate.broker) as broker:
            write_frame(broker, request.frame)
            answer = read_frame(broker)
        correlation, error, count = struct.unpack_from(">ihi", answer)
        both = struct.pack(">hhhhhh", SASL_HANDSHAKE, 0, 1, SASL_AUTHENTICATE, 0, 1)
        return struct.pack(">ihi", correlation, error, count + 2) + answer[10:] + both


def refusal(request):
    """Every partition of a produce request (version 3 to 7) is answered with MESSAGE_TOO_LARGE."""
    request.string()  # transactional id
    request.number(">h")
    request.number(">i")
    topics = b""
    count = request.number(">i")
    for _ in range(count):
        name, partitions = request.string(), request.number(">i")
        topics += text(name) + struct.pack(">i", partitions)
        for _ in range(partitions):
            partition = request.number(">i")
            request.bytes(">i")
            topics += struct.pack(">ihqq", partition, MESSAGE_TOO_LARGE, -1, -1)
            if request.version >= 5:
                topics += struct.pack(">q", -1)
    return struct.pack(">ii", request.correlation, count) + topics + struct.pack(">i", 0)


class Gate:
    def __init__(self, port, broker, settings):
        host, behind = broker.rsplit(":", 1)
        self.broker = (host, int(behind))
        self.users = settings.get("users")
        self.refuse = settings.get("refuse", "").encode()
        # An address in an answer: the host, then the port as a number of 32 bits.
        self.behind = host.encode() + struct.pack(">i", int(behind))
        self.front = host.encode() + struct.pack(">i", settings.get("advertised", port))
        self.context = None
        if "certificate" in settings:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(settings["certificate"], settings["key"])
            if "client_ca" in settings:
                self.context.load_verify_locations(settings["client_ca"])
                self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server((host, port))

    def serve(self):
        print("ready", flush=True)
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.admit, args=(client,), daemon=True).start()

    def admit(self, client):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            Connection(client, self).serve()
        except (OSError, ssl.SSLError) as error:
            print(f"refused: {error}", flush=True)


Gate(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])).serve()

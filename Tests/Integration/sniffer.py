"""A proxy before an MQTT broker that reads each packet (MQTT 3.1.1 and 5.0) and keeps it, in order, by connection."""

import time
from dataclasses import dataclass, field

from proxy import Proxy

KINDS = ["", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
         "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"]


@dataclass
class Packet:
    kind: str
    """Whether the broker sent it."""
    is_reply: bool
    at: float
    """The number of the connection, from 0."""
    connection: int
    """What this kind has: `topic`, `qos`, `filters` …"""
    fields: dict = field(default_factory=dict)

    def __getattr__(self, name):
        fields = self.__dict__.get("fields", {})
        if name not in fields:
            raise AttributeError(name)
        return fields[name]

    def __repr__(self):
        told = {key: value if not isinstance(value, bytes) else f"{len(value)} bytes" for key, value in self.fields.items()}
        return f"#{self.connection} {'<' if self.is_reply else '>'} {self.kind} {told}"


class Reader:
    """Takes the fields of a packet one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "a packet that ends too early"
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def bytes(self):
        return self.take(self.number(2))

    def text(self):
        return self.bytes().decode()

    def variable(self):
        value, shift = 0, 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def properties(self, version):
        return self.take(self.variable()) if version == 5 else b""

    @property
    def is_through(self):
        return self.at == len(self.data)

    def rest(self):
        return self.take(len(self.data) - self.at)


def connect(reader):
    reader.text()
    version, flags = reader.number(1), reader.number(1)
    fields = {"version": version, "is_clean": bool(flags & 2), "keep_alive": reader.number(2)}
    fields["properties"] = reader.properties(version)
    fields["client"] = reader.text()
    if flags & 4:
        fields["will_properties"] = reader.properties(version)
        fields |= {"will_topic": reader.text(), "will": reader.bytes(), "will_qos": flags >> 3 & 3, "will_retain": bool(flags & 32)}
    return fields


def parsed(kind, flags, body, version):
    reader = Reader(body)
    if kind == "CONNECT":
        return connect(reader)
    if kind == "CONNACK":
        return {"is_session_present": bool(reader.number(1) & 1), "reason": reader.number(1)}
    if kind == "PUBLISH":
        fields = {"topic": reader.text(), "qos": flags >> 1 & 3, "retain": bool(flags & 1)}
        if fields["qos"]:
            fields["id"] = reader.number(2)
        reader.properties(version)
        return fields | {"payload": reader.rest()}
    if kind == "SUBSCRIBE":
        fields = {"id": reader.number(2), "filters": {}}
        reader.properties(version)
        while not reader.is_through:
            name = reader.text()
            fields["filters"][name] = reader.number(1) & 3
        return fields
    if kind == "SUBACK":
        fields = {"id": reader.number(2)}
        reader.properties(version)
        return fields | {"codes": list(reader.rest())}
    if kind in ("PUBACK", "UNSUBACK"):
        return {"id": reader.number(2), "reason": reader.number(1) if not reader.is_through else 0}
    if kind == "DISCONNECT":
        return {"reason": reader.number(1) if not reader.is_through else 0}
    return {}


class Sniffer(Proxy):
    """Each packet of a connection is read before it is passed on."""

    def __init__(self, target, port=0):
        self.packets, self.faults = [], []
        self.streams, self.numbers, self.versions = {}, {}, {}
        super().__init__(target, port)

    def passes(self, client, data, is_reply):
        with self.lock:
            number = self.numbers.setdefault(client, len(self.numbers))
            stream = self.streams.setdefault((number, is_reply), bytearray())
            stream += data
            try:
                while packet := self.next(number, stream, is_reply):
                    self.packets.append(packet)
            except Exception as error:
                self.faults.append(f"connection {number}: {error!r}")

    def next(self, number, stream, is_reply):
        length, shift, head = 0, 0, 1
        while True:
            if head >= len(stream):
                return None
            byte = stream[head]
            length |= (byte & 127) << shift
            shift, head = shift + 7, head + 1
            if byte < 128:
                break
        if len(stream) < head + length:
            return None
        kind, body = KINDS[stream[0] >> 4], bytes(stream[head:head + length])
        flags = stream[0] & 15
        del stream[:head + length]
        fields = parsed(kind, flags, body, self.versions.get(number, 4))
        if kind == "CONNECT":
            self.versions[number] = fields["version"]
        return Packet(kind, is_reply, time.time(), number, fields)

    def taken(self):
        assert not self.faults, self.faults
        with self.lock:
            return list(self.packets)

"""An edge node of Sparkplug B with devices, for tests to speak through. Its payloads are pysparkplug's, whose schema is
Eclipse Tahu's; its sessions are written against Sparkplug 3.0.0, 5."""

import socket
import threading
import time

import paho.mqtt.client as mqtt
from pysparkplug._protobuf import sparkplug_b_pb2 as schema

FIELDS = {
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32"), "int_value"),
    **dict.fromkeys(("Int64", "UInt64", "DateTime"), "long_value"),
    "Float": "float_value", "Double": "double_value", "Boolean": "boolean_value",
    **dict.fromkeys(("String", "Text", "UUID"), "string_value"),
}


def now():
    return int(time.time() * 1000)


def fill(metric, name=None, alias=None, type=None, value=None, at=None, quality=None, unit=None, null=False,
         members=None, definition=False, born=True, historical=False):
    """`born` is whether a birth has told of it: then a number is enough."""
    if name is not None and (alias is None or not born):
        metric.name = name
    if alias is not None:
        metric.alias = alias
    if type is not None and not born:
        metric.datatype = getattr(schema, type)
    if at is not None:
        metric.timestamp = at
    if historical:
        metric.is_historical = True
    if members is not None:
        metric.template_value.template_ref = "motor"
        metric.template_value.is_definition = definition
        for member in members:
            fill(metric.template_value.metrics.add(), born=born, **member)
    elif null:
        metric.is_null = True
    elif type in FIELDS:
        field = FIELDS[type]
        if type.startswith("Int"):
            value %= 1 << (32 if field == "int_value" else 64)
        setattr(metric, field, value)
    for key, kind, what in (("Quality", "int_value", quality), ("engUnit", "string_value", unit)):
        if what is not None:
            metric.properties.keys.append(key)
            setattr(metric.properties.values.add(), kind, what)


class EdgeNode:
    def __init__(self, port, group="plant", node="edge", life=0, metrics=(), devices=None, answers=True):
        self.topic = lambda kind, device=None: "/".join(
            ["spBv1.0", group, kind, node] + ([device] if device else []))
        self.life, self.metrics, self.devices, self.answers = life, list(metrics), devices or {}, answers
        self.sequence, self.asked, self.lock = 0, [], threading.RLock()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{group}-{node}")
        self.client.will_set(self.topic("NDEATH"), self.death(), qos=1)
        self.client.on_message = self.told
        connected = threading.Event()
        self.client.on_connect = lambda *_: self.client.subscribe(self.topic("NCMD"), qos=1)
        self.client.on_subscribe = lambda *_: connected.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert connected.wait(10), "the edge node has no broker"

    def told(self, client, data, message):
        payload = schema.Payload.FromString(message.payload)
        self.asked.append(payload)
        if self.answers and any(one.name == "Node Control/Rebirth" and one.boolean_value for one in payload.metrics):
            # Not in the client's own thread, which has to send it.
            threading.Thread(target=self.birth, daemon=True).start()

    def send(self, kind, metrics, device=None, born=True, numbered=True, sent=True):
        payload = schema.Payload(timestamp=now())
        with self.lock:
            if numbered:
                payload.seq = self.sequence
                self.sequence = (self.sequence + 1) % 256
            for metric in metrics:
                fill(payload.metrics.add(), born=born, **metric)
            if sent:
                self.client.publish(self.topic(kind, device), payload.SerializeToString(), qos=0).wait_for_publish(5)

    def death(self):
        payload = schema.Payload(timestamp=now())
        fill(payload.metrics.add(), name="bdSeq", type="Int64", value=self.life, born=False)
        return payload.SerializeToString()

    def birth(self, sent=True, devices=True):
        control = [
            {"name": "bdSeq", "type": "Int64", "value": self.life},
            {"name": "Node Control/Rebirth", "type": "Boolean", "value": False},
        ]
        with self.lock:
            self.sequence = 0
            self.send("NBIRTH", control + self.metrics, born=False, sent=sent)
            for device, metrics in self.devices.items() if devices else ():
                self.send("DBIRTH", metrics, device, born=False, sent=sent)

    def data(self, *metrics, device=None, **options):
        self.send("DDATA" if device else "NDATA", metrics, device, **options)

    def vanish(self):
        """Is cut off from the network: the broker tells of its death."""
        self.client.loop_stop()
        self.client.socket().shutdown(socket.SHUT_RDWR)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

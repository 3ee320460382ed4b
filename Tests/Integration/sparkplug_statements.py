"""The statements of Sparkplug 3.0.0 that packets can show, as checks of what a sniffer has read. Each check is named after the
statements that it holds the packets to (`tck-id-…` without that)."""

import json
import re
from dataclasses import dataclass, field

from pysparkplug._protobuf import sparkplug_b_pb2 as schema

TYPES = set(range(1, 35))
OF_DEVICES = {"DBIRTH", "DDEATH", "DDATA", "DCMD"}
DATA = {"NDATA", "DDATA"}
BIRTHS = {"NBIRTH", "DBIRTH"}


@dataclass
class Message:
    """A PUBLISH of the client under test."""
    kind: str
    device: str
    packet: object
    payload: object


@dataclass
class Session:
    """A connection that the broker has accepted, with what the client sent over it, in order."""
    connect: object
    packets: list = field(default_factory=list)
    """Those of Sparkplug alone."""
    messages: list = field(default_factory=list)

    def of(self, *kinds):
        return [message for message in self.messages if message.kind in kinds]


@dataclass
class Recording:
    sessions: list
    """Group, edge node and devices, or the host's id."""
    group: str = "plant"
    node: str = "test-1"
    devices: tuple = ("saw-1",)
    host: str = "headgate-1"

    @property
    def messages(self):
        return [message for session in self.sessions for message in session.messages]

    def of(self, *kinds):
        return [message for message in self.messages if message.kind in kinds]


def recorded(packets, **names):
    """The sessions among packets."""
    sessions, connects = {}, {}
    for packet in packets:
        if packet.kind == "CONNECT":
            connects[packet.connection] = packet
        elif packet.kind == "CONNACK" and packet.reason == 0:
            sessions[packet.connection] = Session(connects[packet.connection])
        if packet.connection not in sessions:
            continue
        session = sessions[packet.connection]
        session.packets.append(packet)
        if packet.kind == "PUBLISH" and not packet.is_reply:
            levels = packet.topic.split("/")
            kind = levels[2] if len(levels) > 2 and levels[1] != "STATE" else "STATE"
            payload = json.loads(packet.payload) if kind == "STATE" else schema.Payload.FromString(packet.payload)
            session.messages.append(Message(kind, levels[4] if len(levels) > 4 else None, packet, payload))
    return Recording(list(sessions.values()), **names)


EDGE_NODE, HOST = {}, {}


def holds(*statements, of=EDGE_NODE, version=None, qos=None):
    """The packets of a life hold `statements`; with `version` and `qos` only those of one MQTT version and of one configured
    quality of service."""
    def register(check):
        for statement in statements:
            assert statement not in of, statement
            of[statement] = (check, version, qos)
        return check
    return register


def broken(checks, recording, version, qos=None, is_control=False):
    """Statements that the packets break, each with why. In a control arm a check that trips over a fault does not see it."""
    found = {}
    for statement, (check, wanted, quality) in checks.items():
        if wanted in (None, version) and quality in (None, qos):
            try:
                check(recording)
            except AssertionError as error:
                found[statement] = str(error).split("\n")[0]
            except Exception as error:
                if not is_control:
                    found[statement] = repr(error)
    return found


def named(payload):
    return {metric.name: metric for metric in payload.metrics if metric.name}


# MARK: Topics

@holds("topic-structure", "topic-structure-namespace-a", "topic-structure-namespace-device-id-associated-message-types",
       "topic-structure-namespace-device-id-non-associated-message-types", "topics-nbirth-topic", "topics-ndata-topic",
       "topics-ndeath-topic", "topics-dbirth-topic", "topics-ddata-topic", "topics-ddeath-topic",
       "message-flow-edge-node-birth-publish-nbirth-topic", "message-flow-device-birth-publish-dbirth-topic",
       "message-flow-device-birth-publish-dbirth-match-edge-node-topic", "intro-group-id-string", "intro-edge-node-id-string",
       "intro-device-id-string")
def messages_go_to_the_topics_of_the_edge_node(life):
    assert {"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"} <= {message.kind for message in life.messages}
    for message in life.messages:
        topic = f"spBv1.0/{life.group}/{message.kind}/{life.node}"
        if message.kind in OF_DEVICES:
            assert message.device in life.devices, message.device
            topic += f"/{message.device}"
        assert message.packet.topic == topic


@holds("intro-group-id-chars", "intro-edge-node-id-chars", "intro-device-id-chars", "topic-structure-namespace-valid-group-id",
       "topic-structure-namespace-valid-edge-node-id", "topic-structure-namespace-valid-device-id")
def no_level_of_a_topic_has_a_wildcard(life):
    for message in life.messages:
        assert not re.search(r"[+#\0]", message.packet.topic)
        assert all(message.packet.topic.split("/")), message.packet.topic


@holds("topic-structure-namespace-unique-device-id")
def one_device_has_one_id(life):
    assert {message.device for message in life.of(*OF_DEVICES)} == set(life.devices)


# MARK: Connections

@holds("principles-persistence-clean-session-311", version="3.1.1")
def sessions_are_clean_311(life):
    assert life.sessions and all(session.connect.version == 4 and session.connect.is_clean for session in life.sessions)


@holds("principles-persistence-clean-session-50", version="5")
def sessions_are_clean_50(life):
    assert life.sessions and all(
        session.connect.version == 5 and session.connect.is_clean and expiry(session.connect) == 0 for session in life.sessions)


def expiry(connect):
    """The session expiry interval (MQTT 5.0, 3.1.2.11.2), which comes before all other properties that the client sends."""
    return int.from_bytes(connect.properties[1:5], "big") if connect.properties[:1] == b"\x11" else 0


@holds("message-flow-edge-node-birth-publish-will-message", "message-flow-edge-node-birth-publish-will-message-topic",
       "payloads-ndeath-will-message")
def the_will_is_a_death(life):
    for session in life.sessions:
        assert session.connect.will_topic == f"spBv1.0/{life.group}/NDEATH/{life.node}"


@holds("message-flow-edge-node-birth-publish-will-message-qos", "payloads-ndeath-will-message-qos")
def the_will_goes_at_qos_1(life):
    assert all(session.connect.will_qos == 1 for session in life.sessions)


@holds("message-flow-edge-node-birth-publish-will-message-will-retained", "payloads-ndeath-will-message-retain")
def the_will_is_not_retained(life):
    assert not any(session.connect.will_retain for session in life.sessions)


def will(session):
    return schema.Payload.FromString(session.connect.will)


def deaths(life):
    """As wills and as messages."""
    return [will(session) for session in life.sessions] + [message.payload for message in life.of("NDEATH")]


@holds("message-flow-edge-node-birth-publish-will-message-payload", "topics-ndeath-payload")
def a_death_has_one_metric(life):
    for death in deaths(life):
        assert [metric.name for metric in death.metrics] == ["bdSeq"]


@holds("topics-ndeath-seq", "payloads-ndeath-seq")
def a_death_has_no_number(life):
    assert not any(death.HasField("seq") for death in deaths(life))


@holds("message-flow-edge-node-birth-publish-will-message-payload-bdSeq", "topics-nbirth-bdseq-increment")
def sessions_are_counted_from_0(life):
    numbers = [will(session).metrics[0] for session in life.sessions]
    assert all(number.datatype == schema.Int64 for number in numbers)
    assert [number.long_value for number in numbers] == [place % 256 for place in range(len(numbers))]


@holds("topics-nbirth-bdseq-included", "topics-nbirth-bdseq-matching", "payloads-nbirth-bdseq", "payloads-nbirth-bdseq-repeat",
       "payloads-ndeath-bdseq", "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
       "operational-behavior-data-commands-rebirth-action-3")
def births_and_deaths_have_the_number_of_their_session(life):
    for session in life.sessions:
        number = will(session).metrics[0].long_value
        assert session.of("NBIRTH")
        for message in session.of("NBIRTH", "NDEATH"):
            metric = named(message.payload)["bdSeq"]
            assert metric.datatype == schema.Int64 and metric.long_value == number


@holds("message-flow-edge-node-ncmd-subscribe")
def commands_are_subscribed_to(life):
    for session in life.sessions:
        filters = {name: qos for packet in session.packets if packet.kind == "SUBSCRIBE" for name, qos in packet.filters.items()}
        assert filters.get(f"spBv1.0/{life.group}/NCMD/{life.node}") == 1


# MARK: Births

@holds("principles-birth-certificates-order", "message-flow-edge-node-birth-publish-connect",
       "message-flow-device-birth-publish-nbirth-wait")
def the_birth_of_the_edge_node_comes_first(life):
    for session in life.sessions:
        assert session.messages and session.messages[0].kind == "NBIRTH"


@holds("payloads-dbirth-order", "payloads-ndata-order", "payloads-ddata-order",
       "operational-behavior-data-commands-rebirth-action-1", "operational-behavior-data-commands-rebirth-action-2")
def births_of_devices_that_are_online_follow_at_once(life):
    is_more_than_one = False
    for session in life.sessions:
        online = set()
        for place, message in enumerate(session.messages):
            if message.kind == "NBIRTH":
                following = [one.device for one in session.messages[place + 1:place + 1 + len(online)]]
                assert {one.kind for one in session.messages[place + 1:place + 1 + len(online)]} <= {"DBIRTH"}
                assert set(following) == online
                is_more_than_one |= place > 0 and bool(online)
            elif message.kind == "DBIRTH":
                online.add(message.device)
            elif message.kind == "DDEATH":
                online.discard(message.device)
            elif message.kind == "DDATA":
                assert message.device in online, "data before its birth"
    assert is_more_than_one, "no rebirth with a device online"


@holds("topics-nbirth-seq-num")
def the_birth_of_the_edge_node_has_number_0(life):
    assert all(message.payload.HasField("seq") and message.payload.seq == 0 for message in life.of("NBIRTH"))


@holds("payloads-sequence-num-always-included", "payloads-sequence-num-req-nbirth", "payloads-nbirth-seq", "payloads-dbirth-seq",
       "payloads-ndata-seq", "payloads-ddata-seq", "payloads-ddeath-seq", "payloads-ddeath-seq-number",
       "message-flow-edge-node-birth-publish-nbirth-payload-seq")
def all_but_deaths_of_the_edge_node_have_a_number(life):
    for message in life.of("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH"):
        assert message.payload.HasField("seq") and 0 <= message.payload.seq <= 255


@holds("payloads-sequence-num-incrementing", "topics-ndata-seq-num", "topics-dbirth-seq", "topics-ddata-seq-num",
       "topics-ddeath-seq-num", "payloads-dbirth-seq-inc", "payloads-ndata-seq-inc", "payloads-ddata-seq-inc",
       "payloads-ddeath-seq-inc", "message-flow-device-birth-publish-dbirth-payload-seq")
def numbers_go_up_by_one_and_around(life):
    is_around = False
    for session in life.sessions:
        last = None
        for message in session.of("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH"):
            if message.kind != "NBIRTH":
                assert message.payload.seq == (last + 1) % 256
                is_around |= last == 255
            last = message.payload.seq
    assert is_around, "fewer than 256 messages in each session"


@holds("topics-nbirth-timestamp", "topics-ndata-timestamp", "topics-dbirth-timestamp", "topics-ddata-timestamp",
       "payloads-nbirth-timestamp", "payloads-dbirth-timestamp", "payloads-ndata-timestamp", "payloads-ddata-timestamp",
       "payloads-ddeath-timestamp", "payloads-timestamp-in-UTC")
def messages_have_the_time_at_which_they_are_sent(life):
    for message in life.messages:
        age = message.packet.at * 1000 - message.payload.timestamp
        assert -50 <= age <= 3_000, f"{message.kind}: sent at {message.packet.at * 1000}, says {message.payload.timestamp}"


@holds("payloads-name-birth-data-requirement", "payloads-metric-timestamp-in-UTC")
def each_metric_has_a_time(life):
    for message in life.of(*BIRTHS, *DATA):
        for metric in message.payload.metrics:
            assert metric.HasField("timestamp") and abs(metric.timestamp / 1000 - message.packet.at) < 600


@holds("topics-nbirth-metrics", "topics-dbirth-metrics", "payloads-metric-datatype-req", "payloads-metric-datatype-value",
       "payloads-metric-datatype-value-type", "payloads-name-requirement")
def each_metric_of_a_birth_has_name_and_type(life):
    for message in life.of(*BIRTHS):
        for metric in message.payload.metrics:
            assert metric.name and metric.datatype in TYPES, metric


@holds("operational-behavior-data-publish-nbirth-values", "operational-behavior-data-publish-dbirth-values")
def each_metric_of_a_birth_has_its_value_or_is_null(life):
    for message in life.of(*BIRTHS):
        for metric in message.payload.metrics:
            assert metric.is_null != bool(metric.WhichOneof("value")), metric


@holds("topics-nbirth-metric-reqs", "topics-dbirth-metric-reqs", "operational-behavior-data-publish-nbirth",
       "operational-behavior-data-publish-dbirth", "payloads-alias-data-cmd-requirement")
def data_has_only_metrics_of_the_last_birth_by_alias(life):
    for session in life.sessions:
        known = {}
        for message in session.messages:
            if message.kind == "NBIRTH":
                known = {}
            if message.kind in BIRTHS:
                known[message.device] = {metric.alias for metric in message.payload.metrics if metric.HasField("alias")}
            elif message.kind in DATA:
                for metric in message.payload.metrics:
                    assert not metric.name and metric.alias in known[message.device]


@holds("payloads-alias-uniqueness")
def an_alias_stands_for_one_metric(life):
    meant = {}
    for message in life.of(*BIRTHS):
        own = [metric.alias for metric in message.payload.metrics if metric.HasField("alias")]
        assert len(own) == len(set(own))
        for metric in message.payload.metrics:
            if metric.HasField("alias"):
                assert meant.setdefault(metric.alias, (message.device, metric.name)) == (message.device, metric.name)


@holds("payloads-alias-birth-requirement")
def metrics_of_births_have_name_and_alias(life):
    for message in life.of(*BIRTHS):
        for metric in message.payload.metrics:
            # These two are never sent as data.
            assert metric.name and (metric.HasField("alias") or metric.name in ("bdSeq", "Node Control/Rebirth"))


@holds("case-sensitivity-metric-names")
def names_differ_also_in_lower_case(life):
    for message in life.of(*BIRTHS):
        names = [metric.name.lower() for metric in message.payload.metrics]
        assert len(names) == len(set(names))


@holds("topics-nbirth-rebirth-metric", "payloads-nbirth-rebirth-req", "operational-behavior-data-commands-rebirth-name",
       "operational-behavior-data-commands-rebirth-name-aliases", "operational-behavior-data-commands-rebirth-datatype",
       "operational-behavior-data-commands-rebirth-value")
def a_birth_offers_a_rebirth(life):
    for message in life.of("NBIRTH"):
        metric = named(message.payload)["Node Control/Rebirth"]
        assert metric.datatype == schema.Boolean and not metric.HasField("alias")
        assert metric.WhichOneof("value") == "boolean_value" and metric.boolean_value is False


@holds("operational-behavior-data-publish-nbirth-order", "operational-behavior-data-publish-dbirth-order")
def metrics_are_listed_from_the_oldest(life):
    for message in life.of(*BIRTHS, *DATA):
        times = [metric.timestamp for metric in message.payload.metrics if not metric.is_historical]
        assert times == sorted(times)


@holds("payloads-metric-datatype-not-req")
def data_leaves_types_out(life):
    assert not any(metric.HasField("datatype") for message in life.of(*DATA) for metric in message.payload.metrics)


@holds("topics-ndata-payload", "topics-ddata-payload", "operational-behavior-data-publish-nbirth-change",
       "operational-behavior-data-publish-dbirth-change", "principles-rbe-recommended")
def data_has_what_is_new(life):
    for session in life.sessions:
        last = {}
        for message in session.of(*DATA):
            for metric in message.payload.metrics:
                said = (metric.timestamp, metric.WhichOneof("value"), metric.SerializeToString())
                assert last.get(metric.alias) != said, "the same once more"
                last[metric.alias] = said


# MARK: Payloads

@holds("message-flow-edge-node-birth-publish-nbirth-payload", "message-flow-device-birth-publish-dbirth-payload")
def payloads_are_of_the_schema(life):
    for message in life.messages:
        assert message.payload.SerializeToString() and not message.payload.HasField("body") and not message.payload.HasField("uuid")
        for metric in message.payload.metrics:
            assert metric.WhichOneof("value") not in ("bytes_value", "dataset_value", "template_value", "extension_value")


def properties(life):
    found = [(message, metric.properties) for message in life.of(*BIRTHS, *DATA) for metric in message.payload.metrics
             if metric.HasField("properties")]
    assert found
    return found


@holds("payloads-propertyset-keys-array-size", "payloads-propertyset-values-array-size")
def properties_have_as_many_keys_as_values(life):
    assert all(len(one.keys) == len(one.values) for _, one in properties(life))


@holds("payloads-metric-propertyvalue-type-type", "payloads-metric-propertyvalue-type-value",
       "payloads-metric-propertyvalue-type-req")
def properties_have_types(life):
    assert all(value.HasField("type") and value.type in TYPES for _, one in properties(life) for value in one.values)


@holds("payloads-propertyset-quality-value-type", "payloads-propertyset-quality-value-value")
def quality_is_0_192_or_500(life):
    told = [value for _, one in properties(life) for key, value in zip(one.keys, one.values) if key == "Quality"]
    assert {0, 192} <= {value.int_value for value in told} <= {0, 192, 500}
    assert all(value.type == schema.Int32 and value.WhichOneof("value") == "int_value" for value in told)


# MARK: Quality of service

@holds("topics-nbirth-mqtt", "message-flow-edge-node-birth-publish-nbirth-qos", "payloads-nbirth-qos", "topics-dbirth-mqtt",
       "message-flow-device-birth-publish-dbirth-qos", "payloads-dbirth-qos", "topics-ndata-mqtt", "payloads-ndata-qos",
       "topics-ddata-mqtt", "payloads-ddata-qos", "topics-ddeath-mqtt", qos=0)
def messages_go_at_qos_0_and_are_not_retained(life):
    assert not any(message.packet.qos or message.packet.retain for message in life.messages)


@holds("message-flow-edge-node-birth-publish-nbirth-retained", "payloads-nbirth-retain",
       "message-flow-device-birth-publish-dbirth-retained", "payloads-dbirth-retain", "payloads-ndata-retain",
       "payloads-ddata-retain")
def messages_are_not_retained(life):
    assert life.messages and not any(message.packet.retain for message in life.messages)


# MARK: The end of a session

def ends(life):
    """The sessions that the client ended."""
    ended = [session for session in life.sessions
             if any(packet.kind == "DISCONNECT" and not packet.is_reply for packet in session.packets)]
    assert ended
    return ended


@holds("operational-behavior-edge-node-intentional-disconnect-ndeath", "operational-behavior-edge-node-intentional-disconnect-packet",
       "payloads-ndeath-will-message-publisher", "message-flow-edge-node-birth-publish-phid-offline")
def a_session_that_it_ends_ends_with_a_death(life):
    for session in ends(life):
        assert session.messages[-1].kind == "NDEATH"


@holds("payloads-ndeath-will-message-publisher-disconnect-mqtt311", version="3.1.1")
def a_death_comes_before_disconnect(life):
    a_session_that_it_ends_ends_with_a_death(life)


@holds("payloads-ndeath-will-message-publisher-disconnect-mqtt50", version="5")
def it_disconnects_with_reason_4(life):
    for session in ends(life):
        assert [packet.reason for packet in session.packets if packet.kind == "DISCONNECT"] == [4]


@holds("operational-behavior-device-ddeath")
def a_device_that_is_offline_dies(life):
    assert life.of("DDEATH")


# MARK: The primary host

def states(session, host="scada"):
    """What the primary host said, and when it came."""
    return [(packet.at, json.loads(packet.payload)) for packet in session.packets
            if packet.kind == "PUBLISH" and packet.is_reply and packet.topic == f"spBv1.0/STATE/{host}" and packet.payload]


@holds("message-flow-edge-node-birth-publish-phid-wait", "message-flow-edge-node-birth-publish-phid-wait-id",
       "message-flow-edge-node-birth-publish-phid-wait-online", "message-flow-edge-node-birth-publish-phid-wait-timestamp",
       "operational-behavior-edge-node-birth-sequence-wait")
def births_wait_for_a_host_that_is_online(life):
    is_one_old = False
    for session in life.sessions:
        newest, online_at = None, None
        for at, state in states(session):
            if newest is not None and state["timestamp"] < newest:
                is_one_old = True
                continue
            newest = state["timestamp"]
            if state["online"] and online_at is None:
                online_at = at
        assert online_at and session.messages[0].packet.at >= online_at, "a birth before its host is online"
    assert is_one_old, "no STATE that is older than the one before"


@holds("operational-behavior-edge-node-termination-host-offline", "operational-behavior-edge-node-termination-host-offline-timestamp")
def it_leaves_with_its_host_and_only_then(life):
    left = stayed = 0
    for session in life.sessions:
        newest = None
        for at, state in states(session):
            is_valid = newest is None or state["timestamp"] >= newest
            newest = max(newest or 0, state["timestamp"])
            after = [message for message in session.messages if message.packet.at > at]
            if state["online"] or not session.messages or session.messages[0].packet.at > at:
                continue
            if is_valid:
                assert {message.kind for message in after} == {"NDEATH"}, "it stays after its host is gone"
                left += 1
            else:
                assert {message.kind for message in after} - {"NDEATH"}, "it left for an old STATE"
                stayed += 1
    assert left and stayed


# MARK: The host

@holds("message-flow-phid-sparkplug-clean-session-311", of=HOST, version="3.1.1")
def host_sessions_are_clean_311(life):
    sessions_are_clean_311(life)


@holds("message-flow-phid-sparkplug-clean-session-50", of=HOST, version="5")
def host_sessions_are_clean_50(life):
    sessions_are_clean_50(life)


def is_state(payload, is_online):
    return (set(payload) == {"online", "timestamp"} and payload["online"] is is_online and type(payload["timestamp"]) is int)


@holds("host-topic-phid-death-required", "operational-behavior-host-application-connect-will",
       "operational-behavior-host-application-connect-will-topic", "payloads-state-will-message", "host-topic-phid-death-topic",
       of=HOST)
def the_will_is_a_state(life):
    assert all(session.connect.will_topic == f"spBv1.0/STATE/{life.host}" for session in life.sessions)


@holds("operational-behavior-host-application-connect-will-qos", "payloads-state-will-message-qos", of=HOST)
def the_state_as_will_goes_at_qos_1(life):
    assert all(session.connect.will_qos == 1 for session in life.sessions)


@holds("operational-behavior-host-application-connect-will-retained", "payloads-state-will-message-retain", of=HOST)
def the_state_as_will_is_retained(life):
    assert all(session.connect.will_retain for session in life.sessions)


@holds("operational-behavior-host-application-connect-will-payload", "payloads-state-will-message-payload",
       "host-topic-phid-death-payload", "host-topic-phid-death-payload-timestamp-connect", of=HOST)
def the_will_says_that_it_is_offline(life):
    for session in life.sessions:
        told = json.loads(session.connect.will)
        assert is_state(told, False) and abs(told["timestamp"] / 1000 - session.connect.at) < 2


@holds("host-topic-phid-birth-sub-required", "message-flow-phid-sparkplug-subscription", "payloads-state-subscribe",
       "host-topic-phid-birth-required", "message-flow-phid-sparkplug-state-publish", of=HOST)
def it_is_subscribed_before_it_is_online(life):
    for session in life.sessions:
        packets = session.packets
        first = next(place for place, packet in enumerate(packets) if packet.kind == "PUBLISH" and not packet.is_reply)
        asked = {packet.id for packet in packets[:first] if packet.kind == "SUBSCRIBE"}
        granted = {packet.id for packet in packets[:first] if packet.kind == "SUBACK" and max(packet.codes) < 128}
        assert asked and asked == granted
        filters = {name for packet in packets[:first] if packet.kind == "SUBSCRIBE" for name in packet.filters}
        assert f"spBv1.0/STATE/{life.host}" in filters and len(filters) > 1


@holds("principles-birth-certificates-order", "host-topic-phid-birth-message", "operational-behavior-host-application-connect-birth",
       "operational-behavior-primary-application-state-with-multiple-servers-state", "intro-sparkplug-host-state",
       "components-ph-state", "conformance-primary-host", of=HOST)
def the_host_publishes_its_birth_before_anything_else(life):
    for session in life.sessions:
        assert session.messages[0].kind == "STATE" and session.messages[0].payload["online"] is True


def host_births(life):
    return [message for message in life.of("STATE") if message.payload["online"]]


def host_deaths(life):
    return [message for message in life.of("STATE") if not message.payload["online"]]


@holds("host-topic-phid-birth-qos", "host-topic-phid-birth-retain", "operational-behavior-host-application-connect-birth-qos",
       "operational-behavior-host-application-connect-birth-retained", "payloads-state-birth", of=HOST)
def births_of_a_host_go_at_qos_1_and_are_retained(life):
    assert host_births(life) and all(one.packet.qos == 1 and one.packet.retain for one in host_births(life))


@holds("host-topic-phid-birth-topic", "operational-behavior-host-application-connect-birth-topic",
       "operational-behavior-host-application-death-topic", of=HOST)
def states_go_to_the_topic_of_the_host(life):
    assert {one.packet.topic for one in life.of("STATE")} == {f"spBv1.0/STATE/{life.host}"}


@holds("host-topic-phid-birth-payload", "host-topic-phid-birth-payload-timestamp", "message-flow-phid-sparkplug-state-publish-payload",
       "message-flow-phid-sparkplug-state-publish-payload-timestamp", "operational-behavior-host-application-connect-birth-payload",
       "payloads-state-birth-payload", of=HOST)
def births_have_the_time_of_their_will(life):
    for session in life.sessions:
        for message in session.of("STATE"):
            if message.payload["online"]:
                assert is_state(message.payload, True)
                assert message.payload["timestamp"] == json.loads(session.connect.will)["timestamp"]


@holds("message-flow-hid-sparkplug-state-message-delivered", of=HOST)
def the_host_answers_a_state_that_says_it_is_offline(life):
    is_contradicted = False
    for session in life.sessions:
        own = session.of("STATE")
        for at, state in states(session, life.host):
            # What is retained from before its birth, the birth contradicts.
            if state["online"] or at < own[0].packet.at:
                continue
            later = [one for one in own if one.packet.at >= at]
            assert not later or later[0].payload["online"] and later[0].packet.at - at < 2
            is_contradicted |= bool(later)
    assert is_contradicted


@holds("host-topic-phid-death-qos", "operational-behavior-host-application-death-qos", of=HOST)
def deaths_of_a_host_go_at_qos_1(life):
    assert host_deaths(life) and all(one.packet.qos == 1 for one in host_deaths(life))


@holds("host-topic-phid-death-retain", "operational-behavior-host-application-death-retained", of=HOST)
def deaths_of_a_host_are_retained(life):
    assert host_deaths(life) and all(one.packet.retain for one in host_deaths(life))


@holds("operational-behavior-host-application-death-payload", "host-topic-phid-death-payload-timestamp-disconnect-clean",
       "operational-behavior-host-application-termination", "operational-behavior-host-application-disconnect-intentional", of=HOST)
def a_stop_says_when_it_was(life):
    for session in ends(life):
        last = session.messages[-1]
        assert last.kind == "STATE" and is_state(last.payload, False)
        assert abs(last.payload["timestamp"] / 1000 - last.packet.at) < 2


def requests(life):
    assert life.of("NCMD")
    return life.of("NCMD")


@holds("topics-ncmd-topic", "operational-behavior-data-commands-ncmd-rebirth-verb", "operational-behavior-data-commands-ncmd-verb",
       of=HOST)
def requests_for_births_go_to_the_edge_node(life):
    assert all(one.packet.topic == f"spBv1.0/{life.group}/NCMD/{life.node}" for one in requests(life))


@holds("topics-ncmd-mqtt", "payloads-ncmd-qos", "payloads-ncmd-retain", of=HOST)
def requests_go_at_qos_0_and_are_not_retained(life):
    assert not any(one.packet.qos or one.packet.retain for one in requests(life))


@holds("topics-ncmd-timestamp", "payloads-ncmd-timestamp", "payloads-name-cmd-requirement", of=HOST)
def requests_have_the_time_at_which_they_are_sent(life):
    for one in requests(life):
        assert abs(one.packet.at - one.payload.timestamp / 1000) < 2
        assert all(abs(one.packet.at - metric.timestamp / 1000) < 2 for metric in one.payload.metrics)


@holds("topics-ncmd-payload", "operational-behavior-data-commands-ncmd-rebirth-name",
       "operational-behavior-data-commands-ncmd-rebirth-value", "operational-behavior-data-commands-ncmd-metric-name",
       "operational-behavior-data-commands-ncmd-metric-value", of=HOST)
def requests_are_for_a_rebirth(life):
    for one in requests(life):
        assert [(metric.name, metric.boolean_value) for metric in one.payload.metrics] == [("Node Control/Rebirth", True)]


@holds("payloads-ncmd-seq", of=HOST)
def requests_have_no_number(life):
    assert not any(one.payload.HasField("seq") for one in requests(life))

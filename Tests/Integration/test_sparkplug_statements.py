"""The statements of Sparkplug 3.0.0, held against each packet of an edge node and of a host (`sparkplug_statements.py`). The table
`Tests/SPARKPLUG.md` names all of them."""

import copy
import json
import pathlib
import re

import pytest
from pysparkplug._protobuf import sparkplug_b_pb2 as schema

import sparkplug_statements as statements
from conftest import wait_for
from sniffer import Sniffer
from sparkplug_statements import EDGE_NODE, HOST, broken, recorded
from test_avro import MACHINE
from test_sparkplug import OVEN, Plant as HostPlant
from test_sparkplug_out import plant

VERSIONS_AND_QOS = [("5", 0), ("5", 1), ("3.1.1", 0)]


def life_of_an_edge_node(plant, version, qos):
    """Births, data, deaths, a rebirth, a primary host that goes and comes, a lost connection and a stop."""
    plant.write(MACHINE, offline_after="3s")
    plant.way = plant.workshop.proxy(plant.centre, Sniffer)
    plant.broker()
    host = plant.host()

    def say(is_online, timestamp, retain=True):
        host.say("spBv1.0/STATE/scada", json.dumps({"online": is_online, "timestamp": timestamp}), retain=retain)

    say(False, 5)
    gateway = plant.gateway(more={"version": version}, primary_host="scada", qos=qos)
    wait_for(lambda: "primary host scada is not online" in (gateway.output("scada").get("last_error") or ""), what="the wait")
    say(True, 4, retain=False)
    say(True, 6)
    wait_for(lambda: ("NBIRTH", None) in host.kinds, what="the birth")
    plant.saw({"speed": 9000, "oil": None, "parts": 0}, {"speed": 1300, "oil": 20})
    plant.parts(*range(1, 300))
    wait_for(lambda: host.values("parts")[-1:] == [299] and host.values("Headgate/alarms/hall", "NDATA"), what="data")
    host.rebirth()
    wait_for(lambda: host.kinds.count(("NBIRTH", None)) == 2 and "saw-1" in host.online, what="the rebirth")
    wait_for(lambda: ("DDEATH", "saw-1") in host.kinds, what="the death of the device")
    plant.parts(300)
    wait_for(lambda: "saw-1" in host.online, what="its birth")
    # What is older than what the host said last means nothing.
    say(False, 5, retain=False)
    plant.parts(301)
    wait_for(lambda: host.values("parts")[-1:] == [301], what="data after an old STATE")
    say(False, 7)
    wait_for(lambda: host.kinds[-1] == ("NDEATH", None), what="its leave")
    say(True, 8)
    wait_for(lambda: host.online >= {None}, what="the second session")
    plant.parts(302)
    wait_for(lambda: host.values("parts")[-1:] == [302], what="data of the second session")
    plant.way.cut()
    wait_for(lambda: len(set(host.sessions)) == 3, what="the third session")
    plant.parts(303)
    wait_for(lambda: host.values("parts")[-1:] == [303], what="data of the third session")
    assert gateway.stop() == 0
    wait_for(lambda: host.kinds[-1] == ("NDEATH", None), what="the death at the stop")
    return recorded(plant.way.taken())


@pytest.mark.parametrize("version, qos", VERSIONS_AND_QOS)
def test_an_edge_node_holds_to_the_statements(plant, version, qos):
    life = life_of_an_edge_node(plant, version, qos)
    assert len(life.sessions) >= 3
    failures = broken(EDGE_NODE, life, version, qos)
    assert not failures, failures
    if (version, qos) == ("5", 1):
        return
    # The control arm: packets that are not as they should be.
    unbroken = {statement for statement, (_, wanted, quality) in EDGE_NODE.items()
                if wanted in (None, version) and quality in (None, qos)}
    for change in EDGE_NODE_FAULTS:
        faulty = copy.deepcopy(life)
        change(faulty)
        found = broken(EDGE_NODE, faulty, version, qos, is_control=True)
        assert found, f"no check sees {change.__name__}"
        unbroken -= set(found)
    assert not unbroken, "no fault breaks these"


def life_of_a_host(workshop, version):
    """Births and data, a lost message, a stranger who says that the host is offline, a lost connection and a stop."""
    one = HostPlant(workshop, nodes="plant/edge", sparkplug_host="headgate-1", version=version)
    way = workshop.proxy(one.port, Sniffer)
    one.configuration.write_text(one.configuration.read_text().replace(f":{one.port}", f":{way.port}"))
    gateway = one.gateway()
    node = one.node(devices={"oven": OVEN})
    node.birth()
    wait_for(lambda: one.values("line.oven", "Offset") == [(-3, "good")], what="the birth")
    node.data({"alias": 12, "type": "Int8", "value": 2}, device="oven", sent=False)
    node.data({"alias": 12, "type": "Int8", "value": 3}, device="oven")
    wait_for(lambda: node.asked, what="a request for a birth")
    told = json.dumps({"online": False, "timestamp": 1})
    node.client.publish("spBv1.0/STATE/headgate-1", told, qos=1, retain=True).wait_for_publish(5)

    def said():
        return [json.loads(packet.payload)["online"] for packet in way.taken()
                if packet.kind == "PUBLISH" and not packet.is_reply and "/STATE/" in packet.topic]

    wait_for(lambda: said() == [True, True], what="the contradiction")
    way.cut()
    wait_for(lambda: said() == [True] * 3, what="the second session")
    assert gateway.stop() == 0
    wait_for(lambda: said()[-1] is False, what="the death at the stop")
    for one_node in one.nodes:
        one_node.close()
    return recorded(way.taken(), node="edge")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_host_holds_to_the_statements(workshop, version):
    life = life_of_a_host(workshop, version)
    assert len(life.sessions) == 2
    failures = broken(HOST, life, version)
    assert not failures, failures
    unbroken = {statement for statement, (_, wanted, _) in HOST.items() if wanted in (None, version)}
    for change in HOST_FAULTS:
        faulty = copy.deepcopy(life)
        change(faulty)
        found = broken(HOST, faulty, version, is_control=True)
        assert found, f"no check sees {change.__name__}"
        unbroken -= set(found)
    assert not unbroken, "no fault breaks these"


# MARK: Faults, each a change of what was recorded

EDGE_NODE_FAULTS, HOST_FAULTS = [], []


def fault(*lists):
    def register(change):
        for one in lists:
            one.append(change)
        return change
    return register


of_both = fault(EDGE_NODE_FAULTS, HOST_FAULTS)
of_edge_node = fault(EDGE_NODE_FAULTS)
of_host = fault(HOST_FAULTS)


def metrics(life, *kinds):
    return [metric for message in life.of(*kinds) for metric in message.payload.metrics]


@of_both
def another_namespace(life):
    for message in life.messages:
        message.packet.fields["topic"] = message.packet.topic.replace("spBv1.0", "spBv2.0")


@of_edge_node
def a_wildcard_in_a_topic(life):
    life.messages[-1].packet.fields["topic"] += "+"


@of_edge_node
def a_device_with_two_ids(life):
    life.of("DDATA")[-1].device = "saw-2"


@of_both
def a_session_that_is_kept(life):
    life.sessions[0].connect.fields["is_clean"] = False


@of_both
def another_topic_of_the_will(life):
    life.sessions[0].connect.fields["will_topic"] = "last/will"


@of_both
def another_qos_of_the_will(life):
    life.sessions[0].connect.fields["will_qos"] = 0


@of_both
def a_will_of_the_wrong_retain(life):
    life.sessions[0].connect.fields["will_retain"] = not life.sessions[0].connect.will_retain


def change_wills(life, change):
    for session in life.sessions:
        will = statements.will(session)
        change(will)
        session.connect.fields["will"] = will.SerializeToString()


@of_edge_node
def a_will_with_more_metrics(life):
    change_wills(life, lambda will: will.metrics.add(name="more", boolean_value=True))


@of_edge_node
def a_will_with_a_number(life):
    change_wills(life, lambda will: setattr(will, "seq", 3))


@of_edge_node
def sessions_that_are_counted_from_1(life):
    change_wills(life, lambda will: setattr(will.metrics[0], "long_value", will.metrics[0].long_value + 1))


@of_both
def no_subscription(life):
    for session in life.sessions:
        session.packets = [packet for packet in session.packets if packet.kind != "SUBSCRIBE"]


@of_edge_node
def no_first_birth(life):
    life.sessions[0].messages.pop(0)


@of_edge_node
def a_rebirth_of_the_edge_node_alone(life):
    messages = life.sessions[0].messages
    again = [place for place, message in enumerate(messages) if message.kind == "NBIRTH"][1]
    del messages[again + 1]


@of_edge_node
def numbers_that_begin_at_1(life):
    for message in life.of("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH"):
        message.payload.seq = (message.payload.seq + 1) % 256


@of_edge_node
def messages_without_numbers(life):
    for message in life.messages:
        message.payload.ClearField("seq")


@of_edge_node
def a_number_that_is_left_out(life):
    life.of("DDATA")[-1].payload.seq += 2


@of_edge_node
def payloads_that_are_sent_late(life):
    for message in life.messages:
        message.payload.timestamp -= 60_000


@of_edge_node
def a_metric_without_a_time(life):
    metrics(life, "DDATA")[0].ClearField("timestamp")


@of_edge_node
def a_birth_without_names(life):
    metrics(life, "DBIRTH")[0].ClearField("name")


@of_edge_node
def a_birth_with_an_unknown_type(life):
    metrics(life, "DBIRTH")[0].datatype = 99


@of_edge_node
def a_birth_that_gives_no_value(life):
    for metric in metrics(life, "DBIRTH"):
        metric.is_null = not metric.is_null


@of_edge_node
def data_that_no_birth_declared(life):
    metrics(life, "DDATA")[0].alias = 1 << 40


@of_edge_node
def an_alias_that_is_given_twice(life):
    own = [metric for metric in life.of("DBIRTH")[0].payload.metrics if metric.HasField("alias")]
    own[1].alias = own[0].alias


@of_edge_node
def a_birth_without_aliases(life):
    metrics(life, "DBIRTH")[0].ClearField("alias")


@of_edge_node
def names_that_differ_by_case(life):
    payload = life.of("DBIRTH")[0].payload
    payload.metrics[0].name = payload.metrics[1].name.upper()


@of_edge_node
def a_birth_that_offers_no_rebirth(life):
    for metric in metrics(life, "NBIRTH"):
        if metric.name == "Node Control/Rebirth":
            metric.boolean_value = True


@of_edge_node
def metrics_in_another_order(life):
    metrics(life, "DBIRTH")[0].timestamp += 1_000


@of_edge_node
def data_with_types(life):
    metrics(life, "DDATA")[0].datatype = 10


@of_edge_node
def data_that_is_sent_again(life):
    session = life.sessions[0]
    session.messages.append(session.of("DDATA")[-1])


@of_edge_node
def a_payload_with_a_body(life):
    life.of("DDATA")[0].payload.body = b"x"


def one_with_properties(life):
    return next(metric for metric in metrics(life, "DBIRTH") if metric.HasField("properties")).properties


@of_edge_node
def a_property_without_a_value(life):
    one_with_properties(life).keys.append("more")


@of_edge_node
def a_property_without_a_type(life):
    one_with_properties(life).values[0].ClearField("type")


@of_edge_node
def a_quality_of_its_own(life):
    for metric in metrics(life, "DDATA", "DBIRTH"):
        for key, value in zip(metric.properties.keys, metric.properties.values):
            if key == "Quality":
                value.int_value = 7


@of_edge_node
def messages_at_qos_2(life):
    for message in life.messages:
        message.packet.fields["qos"] = 2


@of_both
def messages_of_the_wrong_retain(life):
    for message in life.messages:
        message.packet.fields["retain"] = not message.packet.retain


@of_edge_node
def a_stop_without_a_death(life):
    for session in life.sessions:
        session.messages = [message for message in session.messages if message.kind != "NDEATH"]


@of_edge_node
def a_disconnect_without_a_reason(life):
    for session in life.sessions:
        for packet in session.packets:
            if packet.kind == "DISCONNECT":
                packet.fields["reason"] = 0
                # MQTT 3.1.1 has no reason: there the death before the packet is missing.
                if session.connect.version == 4:
                    session.messages = [message for message in session.messages if message.kind != "NDEATH"]


@of_edge_node
def devices_that_do_not_die(life):
    for session in life.sessions:
        session.messages = [message for message in session.messages if message.kind != "DDEATH"]


def change_states(life, change):
    for session in life.sessions:
        for packet in session.packets:
            if packet.kind == "PUBLISH" and packet.is_reply and "/STATE/" in packet.topic:
                told = json.loads(packet.payload)
                change(told)
                packet.fields["payload"] = json.dumps(told).encode()


@of_edge_node
def a_host_that_was_never_online(life):
    change_states(life, lambda told: told.update(online=False))


@of_edge_node
def a_host_whose_old_state_is_new(life):
    change_states(life, lambda told: told.update(timestamp=9))


def change_own_states(life, change):
    for message in life.of("STATE"):
        change(message)


@of_host
def states_on_another_topic(life):
    change_own_states(life, lambda message: message.packet.fields.update(topic="STATE/headgate-1"))


@of_host
def states_at_qos_0(life):
    change_own_states(life, lambda message: message.packet.fields.update(qos=0))


@of_host
def states_of_another_time(life):
    change_own_states(life, lambda message: message.payload.update(timestamp=5))


@of_host
def a_will_of_another_time(life):
    life.sessions[0].connect.fields["will"] = b'{"online":false,"timestamp":5}'


@of_host
def a_host_that_says_that_it_is_offline_first(life):
    life.sessions[0].messages[0].payload["online"] = False


@of_host
def a_host_that_does_not_answer(life):
    session = life.sessions[0]
    session.messages = session.messages[:1] + [message for message in session.messages[1:] if message.kind != "STATE"]


@of_host
def a_subscription_after_the_birth(life):
    for session in life.sessions:
        session.packets.sort(key=lambda packet: packet.kind == "SUBSCRIBE")


@of_host
def a_stop_that_says_nothing(life):
    life.sessions[-1].messages.pop()


@of_host
def requests_at_qos_1(life):
    for message in life.of("NCMD"):
        message.packet.fields["qos"] = 1


@of_host
def requests_with_a_number(life):
    for message in life.of("NCMD"):
        message.payload.seq = 0


@of_host
def requests_of_another_time(life):
    for message in life.of("NCMD"):
        message.payload.timestamp -= 60_000


@of_host
def requests_for_something_else(life):
    for message in life.of("NCMD"):
        message.payload.metrics[0].name = "Node Control/Reboot"


# MARK: The table

TABLE = pathlib.Path(__file__).parent.parent / "SPARKPLUG.md"


def test_the_table_names_each_statement_and_what_checks_it():
    rows = [line.strip("|").split("|") for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    named = [(row[0].strip().strip("`"), row[-1].strip()) for row in rows]
    assert len(named) == len({name for name, _ in named}) == 299
    checked = set(EDGE_NODE) | set(HOST)
    assert {name for name, how in named if how == "packets"} == checked
    folder = pathlib.Path(__file__).parent
    for name, how in named:
        for file, test in re.findall(r"`(test_\w+)::(test_\w+)`", how):
            assert f"def {test}(" in (folder / f"{file}.py").read_text(), f"{name}: no {test} in {file}"
        assert how, name

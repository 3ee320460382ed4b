"""Devices and converters that misbehave: they hold up nobody, and nothing about them is told that is not so."""

from conftest import accepts, events_in, free_port, wait_for
from test_modbus_peer import write_map

MAP = "{ table: holding, type: uint16, every: 100ms }"


def rogue(workshop, *vices):
    port = free_port()
    workshop.python("rogue", "rogue_modbus.py", port, *vices)
    wait_for(lambda: accepts(port), what="the server")
    return port


def beside_a_good_one(workshop, unit, points=None, timeout="300ms"):
    port = rogue(workshop)
    maps = write_map(workshop, "one", {"p": "{ address: 90 }"}, defaults=MAP)
    write_map(workshop, "some", points or {"p": "{ address: 90 }"}, limits="{ gap: 0 }", defaults=MAP)
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}", "timeout": timeout}},
        devices={"good": {"map": "one", "link": "a", "unit_id": 1}, "rogue": {"map": "some", "link": "a", "unit_id": unit}},
        outputs={"f": {"file": str(out)}})
    return workshop.gateway(configuration), out


def polls(gateway, device):
    return gateway.metric("headgate_modbus_polls_total", device=device) or 0


def states(out, device):
    return [event["data"]["state"] for event in events_in(out)
            if event["subject"] == device and event["type"] == "headgate.status.v1"]


def goes_offline_and_holds_up_nobody(workshop, unit):
    gateway, out = beside_a_good_one(workshop, unit)
    wait_for(lambda: states(out, "rogue") == ["offline"], what="offline")
    before = polls(gateway, "good")
    wait_for(lambda: polls(gateway, "good") >= before + 30, seconds=8, what="thirty polls beside it")
    gateway.stop()
    assert states(out, "rogue") == ["offline"] and states(out, "good") == ["online"]
    return next(event for event in events_in(out) if event["subject"] == "rogue" and "state" in event["data"])


def test_a_device_that_drips_its_answer_is_given_no_more_time_than_any(workshop):
    goes_offline_and_holds_up_nobody(workshop, 2)


def test_a_device_that_its_gateway_does_not_reach_is_offline(workshop):
    assert goes_offline_and_holds_up_nobody(workshop, 3)["data"]["reason"] == "gateway_target"


def test_a_range_that_is_never_answered_hides_no_other(workshop):
    points = {"never": "{ address: 0 }", "here": "{ address: 60 }", "there": "{ address: 80 }"}
    gateway, out = beside_a_good_one(workshop, 4, points)
    wait_for(lambda: polls(gateway, "rogue") >= 6, what="six polls")
    gateway.stop()
    assert states(out, "rogue") == ["online"]
    told = {(one["point"], one["value"], one.get("reason")) for event in events_in(out) if event["subject"] == "rogue"
            for one in event["data"].get("readings", [])}
    assert told >= {("here", 7, None), ("there", 7, None), ("never", None, "timeout")}
    assert not any(point != "never" and value is None for point, value, _ in told), told


def test_a_connection_that_only_one_end_still_knows_is_made_anew(workshop):
    port = rogue(workshop, "half-open")
    maps = write_map(workshop, "one", {"p": "{ address: 90 }"}, defaults=MAP)
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}", "timeout": "200ms"}},
        devices={"d": {"map": "one", "link": "a", "unit_id": 1}}, outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: "online" in states(out, "d"), what="online")
    gateway.stop()

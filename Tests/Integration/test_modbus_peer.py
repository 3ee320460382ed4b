"""Modbus against pymodbus as the server: types, orders, exceptions, units that never answer."""

import hashlib
import json
import re
import struct
import subprocess

import pytest

from conftest import events_in, free_port, headgate, wait_for, accepts
from schemas import check_event

ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"]
NUMBERS = {
    "int16": ("h", -12345), "uint16": ("H", 54321), "int32": ("i", -1234567890), "uint32": ("I", 3456789012),
    "int64": ("q", -1234567890123456789), "uint64": ("Q", 9123456789012345678),
    "float32": ("f", -230.1), "float64": ("d", 1234.56789e-3),
}


def registers(form, value, order):
    """A value as a device of this order sends it, computed apart from the gateway's own code."""
    data = struct.pack(">" + form, value)
    words = [data[at:at + 2] for at in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return [int.from_bytes(word, "big") for word in words]


def serve(workshop, plant, framing="tcp"):
    path = workshop.folder / "plant.json"
    path.write_text(json.dumps(plant))
    port = free_port()
    workshop.python("modbus", "modbus_server.py", port, path, framing)
    wait_for(lambda: accepts(port), what="pymodbus")
    return port


def serve_line(workshop, plant):
    """The gateway's end of a serial line, at whose other end pymodbus answers."""
    path = workshop.folder / "plant.json"
    path.write_text(json.dumps(plant))
    ends = [workshop.folder / "line-gateway", workshop.folder / "line-devices"]
    workshop.start("line", ["socat", *[f"pty,raw,echo=0,link={end}" for end in ends]])
    wait_for(lambda: all(end.exists() for end in ends), what="the line")
    peer = workshop.python("modbus", "modbus_server.py", ends[1], path)
    wait_for(lambda: "ready" in peer.log.read_text(), what="pymodbus")
    return str(ends[0])


def write_map(workshop, name, points, limits="{}", defaults="{}"):
    maps = workshop.folder / "maps"
    maps.mkdir(exist_ok=True)
    lines = [
        f"map: {name}", "version: 1", f"title: {name}", "source: this test",
        f"modbus: {{ limits: {limits}, defaults: {defaults} }}", "points:",
        *[f"  {point}: {keys}" for point, keys in points.items()],
        "examples: [{ registers: {}, expect: {} }]",
    ]
    (maps / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    return str(maps)


def read(configuration, device, *points):
    result = headgate("read", device, *points, "-c", configuration, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return {row["point"]: row for row in rows}, result


def test_every_type_in_every_order(workshop):
    words, points, expected = [], {}, {}
    for kind, (form, value) in NUMBERS.items():
        for order in ORDERS:
            name = f"{kind}_{order.lower()}"
            points[name] = f"{{ address: {len(words)}, table: holding, type: {kind}, order: {order} }}"
            expected[name] = value
            words += registers(form, value, order)
    words += [0x1234, 0x1234, 0x5678, 0x4865, 0x6164, 0x6761, 0x7465]
    at = len(words) - 7
    points["bcd_short"] = f"{{ address: {at}, table: holding, type: bcd16 }}"
    points["bcd_long"] = f"{{ address: {at + 1}, table: holding, type: bcd32 }}"
    points["text"] = f"{{ address: {at + 3}, table: holding, type: string, length: 4 }}"
    expected |= {"bcd_short": 1234, "bcd_long": 12345678, "text": "Headgate"}
    port = serve(workshop, {"7": {"holding": words}})
    configuration = workshop.configuration(
        maps=write_map(workshop, "types", points), links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "types", "link": "a", "unit_id": 7}},
    )
    rows, result = read(configuration, "d")
    assert result.returncode == 0, result.stderr
    for name, value in expected.items():
        assert rows[name]["quality"] == "good", rows[name]
        found = rows[name]["value"]
        if isinstance(value, float):
            assert float(found) == pytest.approx(value, rel=1e-7)
        else:
            assert found == value, name
    # A float keeps the digits it was sent with.
    assert rows["float32_abcd"]["value"] == -230.1


def test_all_four_tables_bits_scale_absent_and_labels(workshop):
    port = serve(workshop, {"1": {
        "coil": [1, 0, 1], "discrete": [0, 1], "input": [2305, 0x8000, 2, 9], "holding": [0b1010_0000_0000_1000],
    }})
    points = {
        "coil": "{ table: coil, address: 2 }", "discrete": "{ table: discrete, address: 1 }",
        "scaled": "{ table: input, address: 0, type: int16, scale: 0.1, offset: -40, unit: Cel }",
        "absent": "{ table: input, address: 1, type: int16, absent: [0x8000] }",
        "label": "{ table: input, address: 2, type: uint16, labels: { 0: off, 2: running } }",
        "unknown": "{ table: input, address: 3, type: uint16, labels: { 0: off } }",
        "bit": "{ table: holding, address: 0, type: uint16, bit: 3 }",
        "field": "{ table: holding, address: 0, type: uint16, bits: [12, 15] }",
        "beyond": "{ table: input, address: 0, type: int16, range: [0, 100] }",
    }
    configuration = workshop.configuration(
        maps=write_map(workshop, "tables", points), links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "tables", "link": "a", "unit_id": 1}},
    )
    rows, _ = read(configuration, "d")
    seen = {name: (row["value"], row["quality"]) for name, row in rows.items()}
    assert seen == {
        "coil": (True, "good"), "discrete": (True, "good"), "scaled": (190.5, "good"), "absent": (None, "absent"),
        "label": ("running", "good"), "unknown": (9, "uncertain"), "bit": (True, "good"), "field": (10, "good"),
        "beyond": (2305, "out_of_range"),
    }
    assert rows["scaled"]["raw"] == "0x0901"


def test_an_event_says_what_it_is_made_of_where_that_is_asked_for(workshop):
    port = serve(workshop, {"1": {"holding": [1, 2, 3], "coil": [0, 1]}})
    points = {"low": "{ address: 0, table: holding }", "high": "{ address: 2, table: holding }",
              "bit": "{ address: 1, table: coil, type: bool }"}
    for name in ("traced", "plain"):
        maps = write_map(workshop, name, points, defaults="{ type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}}, outputs={"f": {"file": str(out)}},
        devices={"with": {"map": "traced", "link": "a", "unit_id": 1, "provenance": "full"},
                 "also": {"map": "plain", "link": "a", "unit_id": 1}})
    workshop.gateway(configuration)

    def data(device):
        return [event["data"] for event in events_in(out)
                if event["type"] == "headgate.telemetry.v1" and event["subject"] == device]

    wait_for(lambda: data("with") and data("also"), what="events of both")
    for event in events_in(out):
        check_event(event)
    traced, plain = data("with")[0], data("also")[0]
    assert traced["map_hash"] == hashlib.sha256((workshop.folder / "maps/traced.yaml").read_bytes()).hexdigest()
    assert sorted(traced["raw"], key=lambda span: span["table"]) == [
        {"table": "coil", "address": 1, "words": [1]}, {"table": "holding", "address": 0, "words": [1, 2, 3]}]
    assert "raw" not in plain and "map_hash" not in plain
    assert 0 < plain["time_uncertainty_us"] < 1_000_000


def test_an_exception_spoils_only_the_points_it_is_about(workshop):
    port = serve(workshop, {"1": {"holding": [1, 2, 3]}})
    points = {"here": "{ address: 0 }", "gone": "{ address: 500 }", "also_here": "{ address: 2 }"}
    maps = write_map(workshop, "holes", points, defaults="{ table: holding, type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "holes", "link": "a", "unit_id": 1}}, outputs={"f": {"file": str(out)}},
    )
    rows, _ = read(configuration, "d")
    assert {name: row["quality"] for name, row in rows.items()} == {"here": "good", "gone": "bad", "also_here": "good"}
    assert rows["gone"]["reason"] == "illegal_address"
    gateway = workshop.gateway(configuration)
    wait_for(lambda: gateway.metric("headgate_modbus_polls_total", device="d") or 0 >= 10)
    wait_for(lambda: len(events_in(out)) > 10, what="ten events")
    gateway.stop()
    telemetry = [event for event in events_in(out) if event["type"] == "headgate.telemetry.v1"]
    bad = [one for event in telemetry for one in event["data"]["readings"] if one["quality"] == "bad"]
    # Told once, not at each poll; and the device is online.
    assert [(one["point"], one["reason"], one["value"]) for one in bad] == [("gone", "illegal_address", None)]
    states = [event["data"]["state"] for event in events_in(out) if event["type"] == "headgate.status.v1"]
    assert states == ["online"]
    assert all({one["point"] for one in event["data"]["readings"]} >= {"here", "also_here"} for event in telemetry)


def test_a_register_that_is_not_there_spoils_no_other_that_is_read_with_it(workshop):
    # The gap between them is not there either: pymodbus has 0 to 4 and nothing after.
    port = serve(workshop, {"1": {"holding": [1, 2, 3, 4, 5]}})
    points = {f"p{address}": f"{{ address: {address} }}" for address in (0, 1, 3, 4, 5, 7)}
    maps = write_map(workshop, "holes", points, defaults="{ table: holding, type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "holes", "link": "a", "unit_id": 1}}, outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.metric("headgate_modbus_polls_total", device="d") or 0) >= 5)
    gateway.stop()
    told = {(one["point"], one["value"], one.get("reason"))
            for event in events_in(out) for one in event["data"].get("readings", [])}
    assert told == {("p0", 1, None), ("p1", 2, None), ("p3", 4, None), ("p4", 5, None),
                    ("p5", None, "illegal_address"), ("p7", None, "illegal_address")}


def test_a_unit_that_never_answers_goes_offline_once_and_stalls_no_other(workshop):
    port = serve(workshop, {"1": {"holding": [1]}, "2": {"holding": [2]}, "silent": [2]})
    maps = write_map(workshop, "one", {"p": "{ address: 0 }"}, defaults="{ table: holding, type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}", "timeout": "200ms"}},
        devices={"well": {"map": "one", "link": "a", "unit_id": 1}, "dead": {"map": "one", "link": "a", "unit_id": 2}},
        outputs={"f": {"file": str(out)}},
    )
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("dead") or {}).get("state") == "offline", what="offline")
    polls = gateway.metric("headgate_modbus_polls_total", device="well")
    wait_for(lambda: gateway.metric("headgate_modbus_polls_total", device="well") >= polls + 20, seconds=6,
             what="20 more polls of the unit beside it")
    gateway.stop()
    events = events_in(out)
    dead = [event for event in events if event["subject"] == "dead"]
    assert [event["data"].get("state") for event in dead if event["type"] == "headgate.status.v1"] == ["offline"]
    assert [one for event in dead for one in event["data"].get("readings", [])] == [
        {"point": "p", "value": None, "quality": "bad", "reason": "offline"}]
    well = [event for event in events if event["subject"] == "well" and event["type"] == "headgate.telemetry.v1"]
    assert all(event["data"]["readings"][0]["value"] == 1 for event in well)


def test_units_on_a_serial_line_and_one_that_is_silent(workshop):
    line = serve_line(workshop, {
        "1": {"holding": [0x4366, 0x1A00], "coil": [0, 1]}, "2": {"holding": [0, 0]}, "3": {"holding": [0xFFFE, 7]},
        "silent": [2]})
    points = {"f": "{ address: 0, type: float32 }", "c": "{ table: coil, address: 1 }"}
    maps = write_map(workshop, "meter", points, defaults="{ table: holding, every: 200ms }")
    write_map(workshop, "valve", {"i": "{ address: 0 }", "j": "{ address: 1 }", "gone": "{ address: 90 }"},
              defaults="{ table: holding, type: int16, every: 200ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"bus": {"rtu": line, "baud": 19200, "parity": "none", "timeout": "300ms"}},
        devices={"meter": {"map": "meter", "link": "bus", "unit_id": 1}, "dead": {"map": "meter", "link": "bus", "unit_id": 2},
                 "valve": {"map": "valve", "link": "bus", "unit_id": 3}},
        outputs={"f": {"file": str(out)}},
    )
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("dead") or {}).get("state") == "offline", seconds=40, what="offline")
    wait_for(lambda: gateway.metric("headgate_modbus_polls_total", device="valve") >= 10, what="ten polls beside it")
    assert gateway.stop() == 0
    told = {}
    for event in events_in(out):
        for one in event["data"].get("readings", []):
            told.setdefault((event["subject"], one["point"]), set()).add((one["value"], one.get("reason")))
    assert told == {
        ("meter", "f"): {(230.10156, None)}, ("meter", "c"): {(True, None)},
        ("valve", "i"): {(-2, None)}, ("valve", "j"): {(7, None)}, ("valve", "gone"): {(None, "illegal_address")},
        ("dead", "f"): {(None, "offline")}, ("dead", "c"): {(None, "offline")},
    }


def test_what_is_simulated_another_master_reads_too(workshop):
    port = free_port()
    configuration = workshop.configuration(
        links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"meter": {"map": "eastron-sdm630", "link": "a", "unit_id": 9}})
    workshop.simulate(configuration)
    # Phase 1 to neutral, in volts: input registers 0 and 1, most significant word first.
    result = subprocess.run(
        ["mbpoll", "-m", "tcp", "-p", str(port), "-a", "9", "-0", "-r", "0", "-c", "1", "-t", "3:float", "-B", "-1", "-q",
         "127.0.0.1"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout + result.stderr
    volts = float(re.search(r"\[0\]:\s+(\S+)", result.stdout).group(1))
    assert 180 < volts < 280
    rows, _ = read(configuration, "meter", "voltage_l1")
    assert float(rows["voltage_l1"]["value"]) == pytest.approx(volts, rel=0.1)


def test_a_device_that_comes_back_is_online_again(workshop):
    plant = workshop.folder / "plant.json"
    plant.write_text(json.dumps({"1": {"holding": [5]}}))
    port = free_port()
    maps = write_map(workshop, "one", {"p": "{ address: 0 }"}, defaults="{ table: holding, type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}", "timeout": "200ms"}},
        devices={"d": {"map": "one", "link": "a", "unit_id": 1}}, outputs={"f": {"file": str(out)}},
    )
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("d") or {}).get("state") == "offline", what="offline")
    workshop.python("modbus", "modbus_server.py", port, plant)
    wait_for(lambda: (gateway.device("d") or {}).get("state") == "online", seconds=40, what="online")
    wait_for(lambda: any(event["type"] == "headgate.telemetry.v1" and event["data"]["readings"][0]["value"] == 5
                         for event in events_in(out)), what="a good reading")
    gateway.stop()
    states = [event["data"]["state"] for event in events_in(out) if event["type"] == "headgate.status.v1"]
    assert states == ["offline", "online"]


def test_two_hundred_registers_are_two_requests(workshop):
    port = serve(workshop, {"1": {"holding": list(range(200))}})
    points = {f"r{number}": f"{{ address: {number} }}" for number in range(200)}
    maps = write_map(workshop, "wide", points, defaults="{ table: holding, type: uint16, every: 100ms }")
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "wide", "link": "a", "unit_id": 1}},
    )
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.metric("headgate_modbus_polls_total", device="d") or 0) >= 20)
    # One after the other: it may poll once in between.
    polls, requests = (gateway.metric(f"headgate_modbus_{what}_total", device="d") for what in ("polls", "requests"))
    gateway.stop()
    assert 2 * (polls - 1) <= requests <= 2 * (polls + 1)


def test_frames_of_a_line_over_tcp(workshop):
    """The units behind a converter, one of which never answers: the others' values are their own."""
    port = serve(workshop, {"1": {"holding": [11]}, "2": {"holding": [22]}, "3": {"holding": [33]}, "silent": [2]}, "rtu")
    maps = write_map(workshop, "one", {"p": "{ address: 0 }"}, defaults="{ table: holding, type: uint16, every: 100ms }")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}", "framing": "rtu", "timeout": "300ms"}},
        devices={f"d{unit}": {"map": "one", "link": "a", "unit_id": unit} for unit in (1, 2, 3)},
        outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: all((gateway.metric("headgate_modbus_polls_total", device=f"d{unit}") or 0) > 30 for unit in (1, 3)),
             what="thirty polls")
    assert gateway.stop() == 0
    values = {(event["subject"], one["value"]) for event in events_in(out) for one in event["data"].get("readings", [])}
    assert values == {("d1", 11), ("d2", None), ("d3", 33)}
    states = [(event["subject"], event["data"]["state"]) for event in events_in(out)
              if event["type"] == "headgate.status.v1"]
    assert sorted(states) == [("d1", "online"), ("d2", "offline"), ("d3", "online")]


def test_a_simulated_converter_is_read_over_tcp_with_frames_of_a_line(workshop):
    maps = write_map(workshop, "one", {"p": "{ address: 0, range: [0, 9] }"}, defaults="{ table: holding, type: uint16 }")
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{free_port()}", "framing": "rtu"}},
        devices={"d": {"map": "one", "link": "a", "unit_id": 7}})
    workshop.simulate(configuration)
    rows, result = read(configuration, "d")
    assert result.returncode == 0 and rows["p"]["quality"] == "good"

"""Writing points: who may, what is sent, that it is read back, and the event that every attempt leaves."""

import datetime
import json
import subprocess

import pytest

from conftest import HEADGATE, accepts, events_in, free_port, headgate, wait_for
from schemas import check_event
from test_modbus_peer import read, serve, serve_line, write_map
from test_mqtt_in import listening, publish

POINTS = {
    "setpoint": "{ address: 0, type: int16, scale: 0.1, unit: Cel, writable: { range: [0, 60] } }",
    "flow": "{ address: 1, type: float32, order: CDAB, writable: { range: [0, 100] } }",
    "mode": "{ address: 3, type: uint16, labels: { 0: off, 2: automatic }, writable: {} }",
    "enabled": "{ address: 4, type: uint16, bit: 3, writable: {} }",
    "level": "{ address: 4, type: uint16, bits: [8, 11], writable: { range: [0, 15] } }",
    "relay": "{ address: 2, table: coil, type: bool, writable: {} }",
    "temperature": "{ address: 5, type: int16 }",
}
DEFAULTS = "{ table: holding, type: uint16, every: 100ms }"
PLANT = {"1": {"holding": [200, 0, 0, 0, 0b1111_0001, 7], "coil": [0, 0, 0]}}


def plant(workshop, link, devices=("heater",), allowed=("heater",), points=POINTS, units=None, **parts):
    maps = write_map(workshop, "heater", points, defaults=DEFAULTS)
    commands = parts.pop("commands", None)
    writes = {"devices": list(allowed)} | ({"commands": commands} if commands else {})
    return workshop.configuration(
        maps=maps, links={"a": link} | parts.pop("links", {}),
        devices={name: {"map": "heater", "link": "a", "unit_id": number}
                 for number, name in zip(units or range(1, 10), devices)},
        outputs={"f": {"file": str(workshop.folder / "events.jsonl")}}, writes=writes, **parts)


def write(configuration, *arguments):
    result = headgate("write", "-c", configuration, "--json", *arguments)
    return (json.loads(result.stdout) if result.stdout else None), result


def attempts(workshop, phases=("done", "refused", "failed")):
    events = [event for event in events_in(workshop.folder / "events.jsonl") if event["type"] == "headgate.write.v1"]
    for event in events:
        check_event(event)
    return [event["data"] for event in events if event["data"]["phase"] in phases]


@pytest.mark.parametrize("way", ["tcp", "line"])
def test_what_is_written_is_there_and_told(workshop, way):
    if way == "tcp":
        link = {"tcp": f"127.0.0.1:{serve(workshop, PLANT)}"}
    else:
        link = {"rtu": serve_line(workshop, PLANT), "baud": 19200}
    configuration = plant(workshop, link)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("heater") or {}).get("state") == "online", what="the device")
    for point, value, found in [
            ("setpoint", "45.5", 45.5), ("flow", "12.25", 12.25), ("mode", "automatic", "automatic"),
            ("enabled", "true", True), ("level", "5", 5), ("relay", "true", True), ("setpoint", "0", 0)]:
        report, result = write(configuration, "heater", point, value)
        assert result.returncode == 0, result.stdout + result.stderr
        assert report["phase"] == "done" and report["found"] == found, report
    if way == "line":
        gateway.stop()
    rows, _ = read(configuration, "heater")
    assert {name: row["value"] for name, row in rows.items()} == {
        "setpoint": 0, "flow": 12.25, "mode": "automatic", "enabled": True, "level": 5, "relay": True, "temperature": 7}
    # The other bits of the register are as they were.
    assert rows["level"]["raw"] == "0x05f9"
    wait_for(lambda: len(attempts(workshop)) == 7, what="an event of each")
    assert [one["point"] for one in attempts(workshop, ["accepted"])] == [one["point"] for one in attempts(workshop)]
    first = attempts(workshop)[0]
    assert (first["device"], first["value"], first["found"], first["map"]) == ("heater", 45.5, 45.5, "heater")


def test_what_is_not_allowed_is_refused_and_told_and_nothing_is_sent(workshop):
    port = serve(workshop, PLANT | {"2": PLANT["1"]})
    configuration = plant(workshop, {"tcp": f"127.0.0.1:{port}"}, devices=["heater", "other"])
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("other") or {}).get("state") == "online", what="the devices")
    for device, point, value, reason in [
            ("other", "setpoint", "5", "not_allowed"), ("hater", "setpoint", "5", "unknown_device"),
            ("heater", "setpiont", "5", "unknown_point"), ("heater", "temperature", "5", "not_writable"),
            ("heater", "setpoint", "60.1", "out_of_range"), ("heater", "setpoint", "5.55", "not_representable"),
            ("heater", "mode", "manual", "unknown_label"), ("heater", "relay", "2", "wrong_type")]:
        report, result = write(configuration, device, point, value)
        assert result.returncode == 1 and report["phase"] == "refused" and report["reason"] == reason, report
        assert report["explanation"]
    wait_for(lambda: len(attempts(workshop)) == 8, what="an event of each")
    assert not attempts(workshop, ["accepted", "done", "failed"])
    for device in ("heater", "other"):
        rows, _ = read(configuration, device, "setpoint")
        assert rows["setpoint"]["value"] == 20
    # A page from elsewhere, which cannot send the header, may not either.
    assert subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
         gateway.address + "/api/write?device=heater&point=setpoint&value=5"],
        capture_output=True, text=True, check=True).stdout == "403"


def test_what_a_device_says_is_not_taken_for_what_it_does(workshop):
    port = free_port()
    workshop.python("stubborn", "stubborn_modbus.py", port)
    wait_for(lambda: accepts(port), what="the device")
    points = {"p": "{ address: 10, writable: { range: [0, 100] } }"}
    names = ["right", "liar", "silent", "refuses", "slow", "several", "deaf"]
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{port}", "timeout": "200ms"}, devices=names, allowed=names, points=points)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("deaf") or {}).get("state") == "online", what="the devices")
    expected = {
        "right": ("done", None), "liar": ("failed", "not_kept"), "silent": ("done", None),
        "refuses": ("failed", "device_failure"), "slow": ("done", None), "several": ("failed", "illegal_function"),
        "deaf": ("failed", "not_kept")}
    for device, (phase, reason) in expected.items():
        report, result = write(configuration, device, "p", "42")
        assert (report["phase"], report.get("reason")) == (phase, reason), (device, report)
        assert result.returncode == (0 if phase == "done" else 69)
    # As the map may say.
    assert gateway.stop() == 0
    points = {"p": "{ address: 10, writable: { range: [0, 100], function: 16 } }"}
    write_map(workshop, "heater", points, defaults=DEFAULTS)
    workshop.gateway(configuration)
    report, _ = write(configuration, "several", "p", "42")
    assert report["phase"] == "done", report


def in_seconds(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def test_commands_come_over_a_topic_each_once_and_in_time(workshop):
    broker, _ = workshop.mosquitto()
    port = serve(workshop, PLANT)
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{port}"}, links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        commands={"link": "floor", "topic": "plant/commands"})

    def command(options=(), **parts):
        base = {"device": "heater", "point": "setpoint", "value": 45.5, "deadline": in_seconds(10), "by": "control room",
                "id": f"n-{len(attempts(workshop))}"}
        publish(broker, json.dumps({key: value for key, value in (base | parts).items() if value is not None}),
                topic="plant/commands", options=options)

    def outcome(number):
        wait_for(lambda: len(attempts(workshop)) == number, what=f"{number} attempts")
        return attempts(workshop)[-1]

    # Retained is what comes to one who subscribes later.
    command(["-r"])
    gateway = workshop.gateway(configuration)
    listening(gateway)
    assert outcome(1)["reason"] == "retained"
    command(id="c-1")
    done = outcome(2)
    assert (done["phase"], done["write"], done["by"], done["found"]) == ("done", "c-1", "floor: control room", 45.5)
    for number, (reason, parts) in enumerate([
            ("duplicate", {"id": "c-1", "value": 10}), ("expired", {"deadline": in_seconds(-1)}),
            ("no_deadline", {"deadline": None}), ("deadline_too_far", {"deadline": in_seconds(4000)}),
            ("no_id", {"id": None}), ("out_of_range", {"value": 61}), ("wrong_type", {"value": "warm"})]):
        command(**parts)
        refused = outcome(3 + number)
        assert (refused["phase"], refused["reason"]) == ("refused", reason), refused
    publish(broker, "{not json", topic="plant/commands")
    assert outcome(10)["reason"] == "malformed"
    # Also after a restart.
    assert gateway.stop() == 0
    gateway = workshop.gateway(configuration)
    listening(gateway)
    command(id="c-1")
    assert outcome(11)["reason"] == "duplicate"
    rows, _ = read(configuration, "heater", "setpoint")
    assert rows["setpoint"]["value"] == 45.5
    assert gateway.metric("headgate_writes_total", phase="refused") >= 1


def test_commands_are_done_in_their_order(workshop):
    broker, _ = workshop.mosquitto()
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{serve(workshop, PLANT)}"}, links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        commands={"link": "floor", "topic": "plant/commands"})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    for burst in range(3):
        lines = [json.dumps({"id": f"o-{burst}-{n}", "device": "heater", "point": "setpoint", "value": n,
                             "deadline": in_seconds(20)}) for n in range(40)]
        subprocess.run(["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "plant/commands", "-l"],
                       input="\n".join(lines), text=True, check=True)
        wait_for(lambda: len(attempts(workshop)) == 40 * (burst + 1), what="an end of each")
        assert [one["value"] for one in attempts(workshop)[-40:]] == list(range(40))
        assert all(one["phase"] == "done" for one in attempts(workshop))


def test_an_order_waits_for_the_one_before_it_at_the_same_register(workshop):
    port = free_port()
    workshop.python("stubborn", "stubborn_modbus.py", port)
    wait_for(lambda: accepts(port), what="the device")
    points = {f"b{bit}": f"{{ address: 10, bit: {bit}, writable: {{}} }}" for bit in range(4)}
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{port}"}, devices=["slow"], allowed=["slow"], units=[5], points=points)
    workshop.gateway(configuration)
    writers = [subprocess.Popen([HEADGATE, "write", "-c", configuration, "slow", f"b{bit}", "true"],
                                stdout=subprocess.DEVNULL) for bit in range(4)]
    assert [writer.wait(30) for writer in writers] == [0] * 4
    rows, _ = read(configuration, "slow")
    assert all(row["value"] is True for row in rows.values())


def test_a_stop_does_not_wait_for_a_device_and_tells_what_became_of_an_order(workshop):
    port = free_port()
    workshop.python("stubborn", "stubborn_modbus.py", port)
    wait_for(lambda: accepts(port), what="the device")
    points = {"p": "{ address: 10, writable: { range: [0, 100] } }"}
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{port}", "timeout": "2s"}, devices=["deaf"], allowed=["deaf"], units=[7], points=points)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("deaf") or {}).get("state") == "online", what="the device")
    writer = subprocess.Popen([HEADGATE, "write", "-c", configuration, "deaf", "p", "5"], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: attempts(workshop, ["accepted"]), what="the order")
    assert gateway.stop() == 0
    assert writer.wait(10) != 0 and "the gateway is stopping" in writer.stderr.read()
    # Its end is sent now, or after the next start.
    if not attempts(workshop):
        workshop.gateway(configuration)
    wait_for(lambda: attempts(workshop), what="its end")
    assert attempts(workshop)[0]["reason"] == "stopping"


def test_a_flood_of_orders_does_not_starve_polls_nor_polls_an_order(workshop):
    broker, _ = workshop.mosquitto()
    # Its polls are always due: the link has no time of its own for orders.
    points = {name: keys.replace("{ ", "{ every: 5ms, ", 1) for name, keys in POINTS.items()}
    configuration = plant(
        workshop, {"tcp": f"127.0.0.1:{serve(workshop, PLANT)}"}, points=points,
        links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}}, commands={"link": "floor", "topic": "plant/commands"})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    wait_for(lambda: (gateway.device("heater") or {}).get("state") == "online", what="the device")

    def polls():
        return gateway.metric("headgate_modbus_requests_total", device="heater") or 0

    lines = "\n".join(json.dumps({"id": f"f-{n}", "device": "heater", "point": "setpoint", "value": n % 60,
                                  "deadline": in_seconds(60)}) for n in range(300))
    before = polls()
    subprocess.run(["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "plant/commands", "-l"], input=lines, text=True,
                   check=True)
    wait_for(lambda: len(attempts(workshop)) == 300, seconds=60, what="an end of each")
    outcomes = attempts(workshop)
    done = [one for one in outcomes if one["phase"] == "done"]
    assert len(done) >= 64 and all(one["phase"] == "done" or one["reason"] == "busy" for one in outcomes)
    # At least a request of a poll between the two exchanges of an order.
    assert polls() - before >= len(done)
    report, _ = write(configuration, "heater", "setpoint", "12")
    assert report["phase"] == "done"


def test_a_bit_of_a_register_without_a_value_is_not_written(workshop):
    points = {"ready": "{ address: 0, bit: 0, absent_register: [0xFFFF], writable: {} }",
              "held": "{ address: 1, bit: 0, absent_register: [0xFFFF], writable: {} }", "whole": "{ address: 0 }"}
    unit = {"1": {"holding": [0xFFFF, 0b1010_0000]}}
    configuration = plant(workshop, {"tcp": f"127.0.0.1:{serve(workshop, unit)}"}, points=points)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("heater") or {}).get("state") == "online", what="the device")
    answer, result = write(configuration, "heater", "ready", "false")
    assert result.returncode != 0 and "absent" in answer["reason"], answer
    answer, result = write(configuration, "heater", "held", "true")
    assert result.returncode == 0, answer
    read = json.loads(headgate("read", "heater", "whole", "-c", configuration, "--json").stdout.splitlines()[0])
    assert read["value"] in (65535, "65535"), read


def test_the_simulator_answers_for_all_devices_of_a_unit(workshop):
    maps = [("sun", "huawei-sun2000"), ("meter", "huawei-sun2000-meter"), ("battery", "huawei-sun2000-battery")]
    port = free_port()
    configuration = workshop.configuration(
        links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={name: {"map": map, "link": "a", "unit_id": 1} for name, map in maps})
    workshop.simulate(configuration)
    for name, _ in maps:
        rows = [json.loads(line) for line in headgate("read", name, "-c", configuration, "--json").stdout.splitlines()]
        assert rows and not [row for row in rows if row.get("reason") == "illegal_address"], rows[:3]

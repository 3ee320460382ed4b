"""What Modbus devices and converters in the field do: an answer is taken only where it is surely the one to the request."""

import json
import os
import pty
import struct
import threading
import time
import tty

import pytest

from conftest import accepts, events_in, free_port, headgate, wait_for
from peers.rogue_line import crc

MAP = """\
map: field
version: 1
title: a device in the field
source: this test
modbus: { defaults: { table: holding, type: uint16, every: 100ms } }
points:
  a: { address: 0 }
  b: { address: 1, writable: { range: [0, 1000] } }
examples: [{ registers: { holding: { 0: [1, 2] } }, expect: { a: 1 } }]
"""


def start(workshop, vice, map=MAP, wait=True, **link):
    port = free_port()
    workshop.python("field", "field_modbus.py", port, vice)
    wait_for(lambda: accepts(port), what="the device")
    (workshop.folder / "maps").mkdir(exist_ok=True)
    (workshop.folder / "maps/field.yaml").write_text(map)
    out = workshop.folder / "events.jsonl"
    framing = {"framing": "rtu"} if vice.startswith("rtu") else {}
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), outputs={"f": {"file": str(out)}},
        links={"line": {"tcp": f"127.0.0.1:{port}", "timeout": "400ms"} | framing | link},
        devices={"d": {"map": "field", "link": "line", "unit_id": 5}})
    return workshop.gateway(path) if wait else path, out


def readings(out, point="a"):
    return [(one["value"], one["quality"], one.get("reason")) for event in events_in(out)
            for one in event["data"].get("readings", []) if one["point"] == point]


def warnings(gateway):
    return {one["warning"]: one for one in gateway.status()["warnings"]}


@pytest.mark.parametrize("vice", ["closes", "rtu-before", "rtu-behind", "rtu-echo", "rtu-other"])
def test_a_device_with_a_vice_that_costs_nothing_loses_no_poll(workshop, vice):
    gateway, out = start(workshop, vice)
    wait_for(lambda: len(readings(out)) >= 20, what="readings")
    assert set(readings(out)) == {(100, "good", None)} and set(readings(out, "b")) == {(101, "good", None)}
    device = gateway.device("d")
    assert device["polls"] >= 20 and device["failed_polls"] == 0
    assert "polls_lost" not in warnings(gateway)
    gateway.stop()


@pytest.mark.parametrize("vice, reason", [
    ("as=6", "other_unit"), ("length=0", "garbled_answer"), ("length=65535", "garbled_answer"), ("length=2", "garbled_answer"),
    ("deaf", "disconnected")])
def test_an_answer_that_may_be_anothers_is_no_value(workshop, vice, reason):
    gateway, out = start(workshop, vice)
    wait_for(lambda: (gateway.metric("headgate_modbus_errors_total", device="d", cause=reason) or 0) >= 3, what="errors")
    wait_for(lambda: gateway.device("d")["state"] == "offline", what="that it is offline")
    wait_for(lambda: readings(out), what="its points")
    assert {quality for _, quality, _ in readings(out)} == {"bad"}
    if reason == "other_unit":
        warning = wait_for(lambda: warnings(gateway).get("other_unit_answered"), what="the warning")
        assert "the gateway sent a request to unit 5, and unit 6 responded" in warning["text"] and "response_unit_id: 6" in warning["next"]
        assert "headgate_warnings{warning=\"other_unit_answered\"} 1" in gateway.get("/metrics")
    gateway.stop()


@pytest.mark.parametrize("response_unit_id", [6, "any"])
def test_a_device_may_answer_as_another_where_its_link_says_so(workshop, response_unit_id):
    gateway, out = start(workshop, "as=6", response_unit_id=response_unit_id)
    wait_for(lambda: len(readings(out)) >= 3, what="readings")
    assert set(readings(out)) == {(100, "good", None)}
    gateway.stop()


def test_any_unit_may_answer_only_where_there_is_one(workshop):
    path, _ = start(workshop, "closes", wait=False, response_unit_id="any")
    path.write_text(path.read_text().replace(
        "devices:\n", "devices:\n  e:\n    map: field\n    link: line\n    unit: 6\n"))
    result = headgate("check", "-c", path)
    assert result.returncode == 78 and "HG0206" in result.stderr


@pytest.mark.parametrize("vice, is_done", [("closes", True), ("swallows", False)])
def test_a_write_is_sent_once_also_where_the_device_closes_the_connection(workshop, vice, is_done):
    """Before it is sent a closed connection is made anew; after that only reading back says whether it was done."""
    path, out = start(workshop, vice, MAP.replace("100ms", "60s"), wait=False)
    path.write_text(path.read_text() + "writes: { devices: [d] }\n")
    gateway = workshop.gateway(path)
    wait_for(lambda: readings(out), what="a reading")
    result = headgate("write", "d", "b", "7", "-c", path)
    assert (result.returncode == 0) == is_done and ("7" if is_done else "101") in result.stdout + result.stderr
    assert (workshop.folder / "field.log").read_text().count("write 1 7") == 1
    gateway.stop()


def test_a_device_that_loses_polls_says_so(workshop):
    gateway, out = start(workshop, "gateway")
    warning = wait_for(lambda: warnings(gateway).get("polls_lost"), what="the warning")
    assert warning["subject"] == "d" and gateway.device("d")["failed_polls"] >= 4
    assert gateway.peer.log.read_text().count("polls_lost") == 1
    table = headgate("status", "-c", gateway.configuration).stdout
    assert "failed polls" in table and "polls_lost" in table
    gateway.stop()


def test_a_device_that_refuses_everything_is_no_device_that_is_well(workshop):
    gateway, out = start(workshop, "refuses")
    wait_for(lambda: gateway.device("d")["state"] == "refusing", what="that it refuses")
    warning = wait_for(lambda: warnings(gateway).get("all_points_refused"), what="the warning")
    assert "unit" in warning["next"]
    assert gateway.metric("headgate_device_refusing", device="d") == 1
    gateway.stop()


class SlowLine:
    """A unit on a pseudo-terminal that takes as long for its bytes as a line of some speed does."""

    def __init__(self, baud, echoes=False, noise=b"", thinks=0):
        self.echoes, self.noise, self.thinks = echoes, noise, thinks
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path, self.character, self.longest = os.ttyname(self.slave), 11 / baud, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        data = b""
        while True:
            data += os.read(self.master, 256)
            while len(data) >= 8:
                request, data = data[:8], data[8:]
                address, count = struct.unpack(">HH", request[2:6])
                self.longest = max(self.longest, count)
                answer = request[:2] + bytes([2 * count]) + struct.pack(f">{count}H", *(100 + address + n for n in range(count)))
                answer += crc(answer)
                time.sleep(8 * self.character)
                if self.noise or self.echoes:
                    os.write(self.master, self.noise + (request if self.echoes else b""))
                time.sleep(self.thinks)
                for byte in answer:
                    time.sleep(self.character)
                    os.write(self.master, bytes([byte]))


def test_a_slow_line_has_the_time_that_its_bytes_take(workshop):
    line = SlowLine(1_200)
    (workshop.folder / "maps").mkdir()
    points = "\n".join(f"  p{n}: {{ address: {n} }}" for n in range(100))
    text = MAP.replace("100ms", "10s").split("points:")[0] + f"points:\n{points}\n" + \
        "examples: [{ registers: { holding: { 0: [1] } }, expect: { p0: 1 } }]\n"
    (workshop.folder / "maps/field.yaml").write_text(text)
    out = workshop.folder / "events.jsonl"
    gateway = workshop.gateway(workshop.configuration(
        maps=str(workshop.folder / "maps"), outputs={"f": {"file": str(out)}},
        links={"line": {"rtu": line.path, "baud": 1200, "timeout": "300ms"}},
        devices={"d": {"map": "field", "link": "line", "unit_id": 5}}))
    wait_for(lambda: len([one for event in events_in(out) for one in event["data"].get("readings", [])]) >= 100, what="all of it")
    assert {one["quality"] for event in events_in(out) for one in event["data"].get("readings", [])} == {"good"}
    assert line.longest <= 30, "a poll of another unit would wait for seconds"
    gateway.stop()


@pytest.mark.parametrize("line", [{"echoes": True}, {"noise": b"\x55"}, {"noise": b"\x05"}])
def test_a_unit_may_think_behind_an_echo_or_a_byte_of_noise(workshop, line):
    line = SlowLine(19_200, thinks=0.3, **line)
    (workshop.folder / "maps").mkdir()
    (workshop.folder / "maps/field.yaml").write_text(MAP)
    out = workshop.folder / "events.jsonl"
    gateway = workshop.gateway(workshop.configuration(
        maps=str(workshop.folder / "maps"), outputs={"f": {"file": str(out)}},
        links={"line": {"rtu": line.path, "baud": 19200, "timeout": "1s"}},
        devices={"d": {"map": "field", "link": "line", "unit_id": 5}}))
    wait_for(lambda: len(readings(out)) >= 5, what="readings")
    assert set(readings(out)) == {(100, "good", None)} and gateway.device("d")["failed_polls"] == 0
    gateway.stop()


@pytest.mark.parametrize("baud", [14_400, 76_800, 250_000])
def test_a_line_has_the_speed_that_it_is_said_to_have(workshop, baud):
    line = SlowLine(1_000_000)
    (workshop.folder / "maps").mkdir()
    (workshop.folder / "maps/field.yaml").write_text(MAP)
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"line": {"rtu": line.path, "baud": baud}},
        devices={"d": {"map": "field", "link": "line", "unit_id": 5}}, outputs={"f": {"file": str(workshop.folder / "out")}})
    gateway = workshop.gateway(path)
    wait_for(lambda: gateway.device("d")["state"] == "online", what="the device")
    assert speed(line.slave) == baud
    gateway.stop()
    result = headgate("check", "-c", path)
    assert result.returncode == 0 and f"{baud} baud is not a standard speed" in result.stdout + result.stderr


def speed(descriptor):
    """The output speed of a line as the kernel has it: struct termios2, ioctl_tty(2)."""
    import fcntl
    return struct.unpack("IIIIB19BII", fcntl.ioctl(descriptor, 0x802C542A, bytes(44)))[-1]

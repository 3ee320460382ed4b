"""Devices that dial in: the gateway listens, and a connection is the device's once the device has answered over it."""

import socket
import struct
import threading
import time

import pytest

from conftest import accepts, events_in, free_port, headgate, wait_for
from peers.rogue_line import crc
from test_modbus_peer import write_map

POINTS = {"p": "{ address: 0, table: holding, type: uint16, every: 100ms }"}


class Modem:
    """Calls the gateway and answers for unit 1; now and then it shows that it is alive. Each register holds `number`, those
    from 100 on hold `serial`."""

    def __init__(self, port, framing, number, serial="", origin="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(origin, 0))
        self.framing, self.number, self.serial, self.asked = framing, number, serial.encode(), 0
        self.functions, self.answers = set(), True
        self.socket.sendall(b"IMEI 356789012345678\r\n")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while request := self.socket.recv(260):
                self.asked += 1
                if self.answers:
                    self.answer(request)
        except OSError:
            pass

    def answer(self, request):
        if self.framing == "rtu":
            assert crc(request[:-2]) == request[-2:] and request[0] == 1
        body = request[1:-2] if self.framing == "rtu" else request[7:]
        self.functions.add(body[0])
        address, count = struct.unpack(">HH", body[1:5])
        data = self.serial.ljust(2 * count, b"\0") if address == 100 else struct.pack(">H", self.number) * count
        pdu = struct.pack(">BB", 3, 2 * count) + data if body[0] == 3 else body[:5]
        if self.framing == "rtu":
            frame = bytes([1]) + pdu
            frame += crc(frame)
        else:
            frame = request[:4] + struct.pack(">HB", len(pdu) + 1, 1) + pdu
        self.socket.sendall(frame)
        if self.asked % 5 == 0:
            self.socket.sendall(b"alive")


class Port:
    """A gateway whose only device dials in."""

    def __init__(self, workshop, points=POINTS, framing="tcp", configuration=None, **link):
        self.number = free_port()
        self.out = workshop.folder / "events.jsonl"
        link = {"listen": f"127.0.0.1:{self.number}", "framing": framing, "timeout": "200ms"} | link
        self.configuration = workshop.configuration(
            maps=write_map(workshop, "one", points), outputs={"f": {"file": str(self.out)}}, links={"a": link},
            devices={"d": {"map": "one", "link": "a"}}, **(configuration or {}))
        self.gateway = workshop.gateway(self.configuration)
        wait_for(lambda: accepts(self.number), what="the port")

    def values(self):
        return [one["value"] for event in events_in(self.out) for one in event["data"].get("readings", [])
                if one["quality"] == "good"]

    def state(self):
        return self.gateway.device("d")["state"]

    def connections(self, outcome):
        return self.gateway.metric("headgate_dial_in_connections_total", link="a", outcome=outcome) or 0

    def warning(self):
        return next((one for one in self.gateway.status()["warnings"] if one["warning"] == "dial_in_refused"), None)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_device_that_dials_again_is_asked_over_its_new_connection(workshop, framing):
    port = Port(workshop, framing=framing)
    first = Modem(port.number, framing, 11)
    wait_for(lambda: port.values().count(11) > 10, what="readings of the first")
    # It is gone without a word; the gateway's end of its connection is as it was.
    first.answers = False
    second = Modem(port.number, framing, 22)
    wait_for(lambda: port.values().count(22) > 10, what="readings of the second")
    assert set(port.values()) == {11, 22}
    second.socket.close()
    wait_for(lambda: port.state() == "offline", what="its absence")
    third = Modem(port.number, framing, 33)
    wait_for(lambda: port.values().count(33) > 10, what="readings of the third")
    assert port.state() == "online"
    assert port.values() == sorted(port.values())
    assert first.asked and third.asked
    assert port.connections("accepted") == 3


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_stranger_takes_nothing_from_a_device_that_answers(workshop, framing):
    points = {"p": "{ address: 0, table: holding, type: uint16, every: 100ms, range: [0, 999], writable: { range: [0, 9] } }"}
    port = Port(workshop, points, framing, configuration={"writes": {"devices": ["d"]}})
    device = Modem(port.number, framing, 5)
    wait_for(lambda: port.values().count(5) > 10, what="readings of the device")
    answering = [Modem(port.number, framing, 666) for _ in range(3)]
    silent = [socket.create_connection(("127.0.0.1", port.number)) for _ in range(30)]
    for _ in range(300):
        socket.create_connection(("127.0.0.1", port.number)).close()
    before = port.values().count(5)
    wait_for(lambda: port.values().count(5) > before + 20, what="more readings of the device")
    written = headgate("write", "d", "p", "5", "--config", port.configuration)
    assert written.returncode == 0, written.stderr
    assert port.state() == "online" and set(port.values()) == {5}
    assert 6 in device.functions and not any(one.asked for one in answering)
    assert port.connections("accepted") == 1 and port.connections("closed") > 0
    # With a silent connection first, it is the answering one that gets the place of a device that is gone.
    device.socket.close()
    wait_for(lambda: port.values()[-1] == 666, what="readings of the other", seconds=30)
    del silent


def test_a_flood_from_another_address_is_limited_and_the_device_s_own_address_is_not(workshop):
    port = Port(workshop)
    device = Modem(port.number, "tcp", 5)
    wait_for(lambda: port.values().count(5) > 5, what="readings of the device")

    def flood(origin, count):
        return [socket.create_connection(("127.0.0.1", port.number), source_address=(origin, 0)) for _ in range(count)]

    strangers = flood("127.0.0.3", 200)
    wait_for(lambda: port.connections("refused") >= 150, what="refusals")
    assert "more than 10 connections a second" in port.warning()["text"]
    before = port.values().count(5)
    wait_for(lambda: port.values().count(5) > before + 10, what="more readings of the device")
    assert port.connections("accepted") == 1
    for one in strangers:
        one.close()
    # The device dials again, from another address.
    device.socket.close()
    wait_for(lambda: port.state() == "offline", what="its absence")
    Modem(port.number, "tcp", 6, origin="127.0.0.2")
    wait_for(lambda: 6 in port.values(), what="readings over its new connection")
    # Behind one address there may be others: none of them is held up.
    refused = port.connections("refused")
    for _ in range(100):
        flood("127.0.0.2", 1)[0].close()
    before = port.values().count(6)
    wait_for(lambda: port.values().count(6) > before + 10, what="more readings")
    assert port.connections("refused") == refused


def test_a_late_answer_is_not_taken_for_another_request_s(workshop):
    """A modem of which every third answer comes 1.3 timeouts late, and others that make the gateway ask beside its polls."""
    points = {name: f"{{ address: {place}, table: holding, type: uint16, every: 300ms }}"
              for name, place in [("a", 0), ("b", 50), ("c", 90)]}
    port = Port(workshop, points, "rtu")

    class Slow(Modem):
        def answer(self, request):
            if self.asked > 6 and self.asked % 3 == 0:
                time.sleep(0.26)
            count = struct.unpack(">H", request[4:6])[0]
            address = struct.unpack(">H", request[2:4])[0]
            frame = bytes([1, 3, 2 * count]) + b"".join(struct.pack(">H", 1000 + address + i) for i in range(count))
            self.socket.sendall(frame + crc(frame))
    slow = Slow(port.number, "rtu", 0)
    wait_for(lambda: slow.asked > 6, what="the modem's place")
    others = []
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        time.sleep(1)
        others.append(socket.create_connection(("127.0.0.1", port.number)))
    right = {"a": 1000, "b": 1050, "c": 1090}
    read = [(one["point"], one["value"]) for event in events_in(port.out) for one in event["data"].get("readings", [])
            if one["quality"] == "good"]
    assert all(value == right[point] for point, value in read), read
    assert slow.asked > 20 and len(read) > 20


def test_a_flood_of_connections_does_not_keep_a_device_out(workshop):
    port = Port(workshop)
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", port.number), timeout=1).close()
            except OSError:
                pass
            stop.wait(0.002)
    strangers = threading.Thread(target=flood, daemon=True)
    strangers.start()
    try:
        wait_for(lambda: port.connections("closed") > 100, what="strangers")
        Modem(port.number, "tcp", 7)
        wait_for(lambda: port.values().count(7) > 30, what="readings of the device")
        assert port.state() == "online"
    finally:
        stop.set()
        strangers.join()


def test_connections_from_other_addresses_are_refused(workshop):
    port = Port(workshop, **{"from": ["127.0.0.0/31", "10.20.0.0/16"]})
    stranger = Modem(port.number, "tcp", 666, origin="127.0.0.2")
    wait_for(port.warning, what="the warning")
    assert "127.0.0.2" in port.warning()["text"] and "`from`" in port.warning()["text"]
    Modem(port.number, "tcp", 7)
    wait_for(lambda: port.values().count(7) > 5, what="readings of the device")
    assert set(port.values()) == {7} and not stranger.asked
    status = port.gateway.status()["links"][0]
    assert status["dial_ins"]["accepted"] == 1 and status["dial_ins"]["refused"] >= 1
    assert port.connections("refused") == status["dial_ins"]["refused"]


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_device_with_another_identity_is_refused(workshop, framing):
    port = Port(workshop, framing=framing, identity={"address": 100, "is": "SN-47"})
    stranger = Modem(port.number, framing, 666, serial="SN-48")
    wait_for(port.warning, what="the warning")
    assert "identity" in port.warning()["text"]
    Modem(port.number, framing, 7, serial="SN-47")
    wait_for(lambda: port.values().count(7) > 5, what="readings of the device")
    assert set(port.values()) == {7} and stranger.asked == 1


def test_check_names_a_port_that_every_machine_can_dial(workshop):
    def check(**link):
        configuration = workshop.configuration(
            maps=write_map(workshop, "one", POINTS), links={"a": link}, devices={"d": {"map": "one", "link": "a"}})
        return headgate("check", "--config", configuration)
    for listen in ["0.0.0.0:4502", "[::]:4502", "gateway.example:4502"]:
        checked = check(listen=listen)
        assert checked.returncode == 0 and "from: [10.20.0.0/16]" in checked.stderr
        assert "note" not in check(listen=listen, **{"from": ["fd00::/8"]}).stderr
    for listen in ["127.0.0.1:4502", "127.9.9.9:4502", "[::1]:4502", "localhost:4502"]:
        assert "note" not in check(listen=listen).stderr
    for entry in ["10.20.0.31/16", "10.20.0.0/33", "ward-3", "010.1.1.1", "10.0.0.0/08", "::/129", "/8", ""]:
        refused = check(listen="0.0.0.0:4502", **{"from": [entry]})
        assert refused.returncode == 78 and "range" in refused.stderr, entry
    for identity in [{"address": 0}, {"is": "x"}, {"address": 0, "is": []}, {"address": 65535, "is": "abcd"},
                     {"address": 0, "is": [65536]}, {"address": 0, "is": "x" * 200}, {"address": 0, "is": "x", "unit_id": 0}]:
        assert check(listen="127.0.0.1:4502", identity=identity).returncode == 78, identity
    assert check(tcp="127.0.0.1:4502", identity={"address": 0, "is": "x"}).returncode == 78


def test_simulated_devices_dial_in_too(workshop):
    configuration = workshop.configuration(
        maps=write_map(workshop, "one", POINTS), links={"a": {"listen": f"127.0.0.1:{free_port()}"}},
        devices={"d": {"map": "one", "link": "a"}})
    workshop.simulate(configuration)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("d") or {}).get("state") == "online", what="the device")

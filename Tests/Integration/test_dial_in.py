"""Devices that dial in: the gateway listens, and asks whoever has called last."""

import socket
import struct
import threading

import pytest

from conftest import accepts, events_in, free_port, wait_for
from peers.rogue_line import crc
from test_modbus_peer import write_map

POINTS = {"p": "{ address: 0, table: holding, type: uint16, every: 100ms }"}


class Modem:
    """Calls the gateway, says who it is, and answers for unit 1 with `number`; now and then it shows that it is alive."""

    def __init__(self, port, framing, number):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.framing, self.number, self.asked = framing, number, 0
        self.socket.sendall(b"IMEI 356789012345678\r\n")
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        try:
            while True:
                request = self.socket.recv(260)
                if not request:
                    return
                self.asked += 1
                pdu = struct.pack(">BBH", 3, 2, self.number)
                if self.framing == "rtu":
                    assert crc(request[:-2]) == request[-2:] and request[0] == 1
                    frame = bytes([1]) + pdu
                    frame += crc(frame)
                else:
                    frame = request[:4] + struct.pack(">HB", len(pdu) + 1, 1) + pdu
                self.socket.sendall(frame)
                if self.asked % 5 == 0:
                    self.socket.sendall(b"alive")
        except OSError:
            pass


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_who_dials_in_is_asked_and_who_dials_last_counts(workshop, framing):
    port = free_port()
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=write_map(workshop, "one", POINTS), outputs={"f": {"file": str(out)}},
        links={"a": {"listen": f"127.0.0.1:{port}", "framing": framing, "timeout": "200ms"}},
        devices={"d": {"map": "one", "link": "a"}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: accepts(port), what="the port")

    def values():
        return [one["value"] for event in events_in(out) for one in event["data"].get("readings", [])
                if one["quality"] == "good"]

    first = Modem(port, framing, 11)
    wait_for(lambda: values().count(11) > 10, what="readings of the first")
    # It is gone without a word; the gateway's end of its connection is as it was.
    second = Modem(port, framing, 22)
    wait_for(lambda: values().count(22) > 10, what="readings of the second")
    assert set(values()) == {11, 22}
    second.socket.close()
    wait_for(lambda: gateway.device("d")["state"] == "offline", what="its absence")
    third = Modem(port, framing, 33)
    wait_for(lambda: values().count(33) > 10, what="readings of the third")
    assert gateway.device("d")["state"] == "online"
    assert values() == sorted(values())
    assert first.asked and third.asked


def test_simulated_devices_dial_in_too(workshop):
    configuration = workshop.configuration(
        maps=write_map(workshop, "one", POINTS), links={"a": {"listen": f"127.0.0.1:{free_port()}"}},
        devices={"d": {"map": "one", "link": "a"}})
    workshop.simulate(configuration)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("d") or {}).get("state") == "online", what="the device")

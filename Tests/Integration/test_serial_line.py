"""A serial line on which answers come late, short, damaged, from somebody else, or not at all: none is taken for data."""

import json
import os
import select
import signal
import struct
import termios
import tty

import pytest

from conftest import events_in, headgate, wait_for
from peers.rogue_line import framed
from test_modbus_peer import write_map
from test_rogue_devices import states

PATIENCE = 0.15
POINTS = {"first": "{ address: 10 }", "second": "{ address: 20 }", "pair": "{ address: 30, type: uint32 }"}
MAP = "{ table: holding, type: uint16, every: 500ms }"
UNITS = {"late": 2, "short": 3, "foreign": 4, "damaged": 5, "echo": 6, "excuses": 7}


def line(workshop):
    link = workshop.folder / "line"
    peer = workshop.python("line", "rogue_line.py", link, PATIENCE)
    wait_for(lambda: link.exists(), what="the line")
    return link, peer


def gateway_at(workshop, link, units, points=POINTS):
    maps = write_map(workshop, "some", points, limits="{ gap: 0 }", defaults=MAP)
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=maps, links={"bus": {"rtu": str(link), "baud": 115200, "timeout": f"{PATIENCE * 1000:.0f}ms"}},
        devices={name: {"map": "some", "link": "bus", "unit_id": unit} for name, unit in units.items()},
        outputs={"f": {"file": str(out)}})
    return workshop.gateway(configuration), out


def values(out, device, points=POINTS):
    """All good ones, by point."""
    values = {point: [] for point in points}
    for event in events_in(out):
        if event["subject"] == device:
            for one in event["data"].get("readings", []):
                if one["quality"] == "good":
                    values[one["point"]].append(one["value"])
    return values


def right(unit):
    base = 1000 * unit
    return {"first": base + 10, "second": base + 20, "pair": (base + 30) << 16 | base + 31}


def polls_of(gateway, device):
    return gateway.metric("headgate_modbus_polls_total", device=device) or 0


def test_no_answer_is_taken_for_that_to_another_request(workshop):
    link, _ = line(workshop)
    gateway, out = gateway_at(workshop, link, UNITS | {"good": 1})
    wait_for(lambda: min(polls_of(gateway, device) for device in UNITS) >= 4, seconds=60, what="four polls of each")
    wait_for(lambda: polls_of(gateway, "good") >= 30, seconds=60, what="thirty polls of the good one")
    assert gateway.stop() == 0
    assert states(out, "good") == ["online"]
    for device, unit in (UNITS | {"good": 1}).items():
        for point, seen in values(out, device).items():
            assert set(seen) <= {right(unit)[point]}, f"{device}, {point}"
        assert any(values(out, device).values()), f"nothing good of {device}"


@pytest.mark.parametrize("code, reason, advice", [
    (1, "illegal_function", "`table`"), (2, "illegal_address", "unit ID"), (3, "illegal_value", "limits"),
    (4, "device_failure", "internal fault"), (5, "acknowledge", "poll less often"), (6, "device_busy", "poll less often"),
    (7, "negative_acknowledge", "poll less often"), (8, "memory_parity", "internal fault"), (10, "gateway_path", "unit ID"),
    (11, "gateway_target", "unit ID"), (128, "exception", "manual")])
def test_each_exception_on_a_line_has_a_reason_and_a_next_step(workshop, code, reason, advice):
    link, _ = line(workshop)
    maps = write_map(workshop, "some", {"first": POINTS["first"]}, defaults=MAP)
    configuration = workshop.configuration(
        maps=maps, links={"bus": {"rtu": str(link), "baud": 115200}},
        devices={"odd": {"map": "some", "link": "bus", "unit_id": 100 + code}})
    result = headgate("read", "odd", "-c", configuration, "--json")
    row = json.loads(result.stdout.splitlines()[0])
    assert result.returncode == 69 and row["reason"] == reason, row
    assert f"exception {code}" in row["explanation"] and advice in row["next"], row


def test_check_notes_a_line_that_is_not_there(workshop):
    link, peer = line(workshop)
    maps = write_map(workshop, "some", POINTS, defaults=MAP)

    def check(path, *arguments):
        return headgate("check", "-c", workshop.configuration(
            maps=maps, links={"bus": {"rtu": str(path)}}, devices={"d": {"map": "some", "link": "bus", "unit_id": 1}},
            outputs={"o": {"stdout": True}}), *arguments)

    assert "bus" not in check(link).stderr
    for path, note in (("/dev/no-such-line", "No such file"), ("/dev/null", "is not a serial line"), (workshop.folder, "is not a serial line")):
        result = check(path)
        # An adapter may be plugged in later.
        assert result.returncode == 0 and "note: HG0235: link bus" in result.stderr and note in result.stderr, result.stderr
        assert "bus" not in check(path, "--no-environment").stderr
    for links, complaint in [({"a": {"rtu": ""}}, "HG0120"),
                             ({"a": {"rtu": str(link)}, "b": {"rtu": str(link), "baud": 9600}}, "HG0224")]:
        result = headgate("check", "-c", workshop.configuration(links=links, outputs={"o": {"stdout": True}}))
        assert result.returncode == 78 and complaint in result.stderr, result.stderr


def test_what_a_unit_owes_is_never_taken_for_another_answer_of_the_same_length(workshop):
    link, _ = line(workshop)
    points = {point: POINTS[point].replace(" }", ", every: 200ms }") for point in ("first", "second")}
    gateway, out = gateway_at(workshop, link, {"late": 2}, points)
    wait_for(lambda: polls_of(gateway, "late") >= 30, seconds=60, what="thirty polls")
    assert gateway.stop() == 0
    seen = values(out, "late")
    assert (set(seen["first"]), set(seen["second"])) == ({2010}, {2020})


def test_a_late_exception_is_not_taken_for_the_answer_to_what_is_asked_now(workshop):
    link, _ = line(workshop)
    places = {"one": (10, "uint16"), "left": (20, "uint32"), "right": (40, "uint32"), "other": (60, "uint16")}
    points = {name: f"{{ address: {at}, type: {kind}, every: 200ms }}" for name, (at, kind) in places.items()}
    gateway, out = gateway_at(workshop, link, {"busy": 9}, points)
    wait_for(lambda: polls_of(gateway, "busy") >= 60, seconds=90, what="sixty polls")
    assert gateway.stop() == 0
    for name, (at, kind) in places.items():
        base = 9000 + at
        assert set(values(out, "busy", points)[name]) <= {base if kind == "uint16" else base << 16 | base + 1}, name


def test_a_unit_that_ignores_what_it_does_not_like_is_read_again_after_a_miss(workshop):
    link, _ = line(workshop)
    gateway, out = gateway_at(workshop, link, {"shy": 8}, {"first": POINTS["first"]})
    wait_for(lambda: states(out, "shy") == ["online", "offline", "online"], seconds=40, what="online again")
    assert gateway.stop() == 0
    assert set(values(out, "shy")["first"]) == {8010}


def test_the_pause_that_a_unit_wants_is_learnt_and_kept(workshop):
    link, _ = line(workshop)
    points = {point: POINTS[point].replace(" }", ", every: 250ms }") for point in POINTS}
    gateway, out = gateway_at(workshop, link, {"slow": 11, "good": 1}, points)

    def learned():
        links = json.loads(headgate("plan", "-c", gateway.configuration, "--json").stdout)["links"]
        return {one["device"]: one["limits"] for one in links[0]["learned"]}

    wait_for(lambda: learned().get("slow"), seconds=90, what="the pause")
    assert learned() == {"slow": "limits: { registers: 125, bits: 2000, gap: 0, turnaround_delay: 50ms }"}
    assert "50 ms" in gateway.peer.log.read_text()
    errors = gateway.metric("headgate_modbus_errors_total", device="slow", cause="timeout")
    assert errors >= 3, "who was not missed has not learnt"
    polls = polls_of(gateway, "slow")
    wait_for(lambda: polls_of(gateway, "slow") >= polls + 20, what="twenty more polls")
    assert gateway.metric("headgate_modbus_errors_total", device="slow", cause="timeout") == errors
    assert not gateway.metric("headgate_modbus_errors_total", device="good")
    assert gateway.stop() == 0
    assert set(values(out, "slow")["pair"]) == {right(11)["pair"]}
    # The next start knows it.
    gateway = workshop.gateway(gateway.configuration)
    wait_for(lambda: polls_of(gateway, "slow") >= 20, what="twenty polls")
    assert not gateway.metric("headgate_modbus_errors_total", device="slow")
    assert gateway.stop() == 0


def test_control_a_master_that_only_flushes_takes_late_answers_for_others(workshop):
    link, _ = line(workshop)
    port = os.open(link, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    wrong = 0
    for turn in range(60):
        address = 10 if turn % 2 else 20
        termios.tcflush(port, termios.TCIFLUSH)
        os.write(port, framed(struct.pack(">BBHH", 2, 3, address, 1)))
        if select.select([port], [], [], PATIENCE)[0]:
            answer = os.read(port, 64)
            wrong += len(answer) == 7 and struct.unpack(">H", answer[3:5])[0] != 2000 + address
    os.close(port)
    assert wrong > 0


def test_an_adapter_that_vanishes_is_used_again_once_it_is_back(workshop):
    link, peer = line(workshop)
    gateway, out = gateway_at(workshop, link, {"good": 1})
    wait_for(lambda: states(out, "good") == ["online"], what="online")
    peer.stop(signal.SIGKILL)
    link.unlink()
    wait_for(lambda: states(out, "good") == ["online", "offline"], what="offline")
    line(workshop)
    wait_for(lambda: states(out, "good") == ["online", "offline", "online"], seconds=30, what="online again")
    assert gateway.stop() == 0

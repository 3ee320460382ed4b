"""What is asked how often is said before anything is opened, and it is what happens then."""

import json

from conftest import events_in, headgate, wait_for
from test_modbus_peer import serve, write_map
from test_rogue_devices import MAP, rogue

POINTS = {
    "a": "{ address: 0, every: 200ms }", "b": "{ address: 4, every: 200ms }", "c": "{ address: 20, every: 1s }",
    "d": "{ address: 90, every: 400ms }",
}


def configuration(workshop, link):
    maps = write_map(workshop, "plan", POINTS, defaults="{ table: holding, type: uint16 }")
    return workshop.configuration(
        maps=maps, links={"bus": link}, devices={"one": {"map": "plan", "link": "bus", "unit_id": 1}},
        outputs={"f": {"file": str(workshop.folder / "events.jsonl")}})


def test_a_line_that_cannot_carry_its_polls_is_refused_with_what_costs_most(workshop):
    path = configuration(workshop, {"rtu": "/dev/none", "baud": 1200})
    result = headgate("check", "-c", path)
    assert result.returncode == 78
    assert "HG0225" in result.stderr and "2 points of one" in result.stderr and "baud: 4800" in result.stderr
    assert headgate("run", "-c", path).returncode == 78
    result = headgate("plan", "-c", path)
    assert result.returncode == 1 and "the points with the highest load: one a" in result.stdout
    path = configuration(workshop, {"rtu": "/dev/none", "baud": 19200})
    assert headgate("check", "-c", path).returncode == 0
    result = headgate("plan", "-c", path, "--json")
    assert result.returncode == 0
    (link,) = json.loads(result.stdout)["links"]
    assert 0 < link["load"] < 1 and link["is_timed"]
    assert headgate("plan", "nowhere", "-c", path).returncode == 64


def test_what_the_plan_says_is_what_is_asked(workshop):
    port = serve(workshop, {"1": {"holding": list(range(100))}})
    path = configuration(workshop, {"tcp": f"127.0.0.1:{port}"})
    (link,) = json.loads(headgate("plan", "-c", path, "--json").stdout)["links"]
    # a and b together, c with them where it falls due with them, d by itself.
    assert {tuple(request["points"]) for request in link["requests"]} == {("a", "b"), ("c",), ("d",)}
    gateway = workshop.gateway(path)

    def counts():
        return gateway.metric("headgate_modbus_requests_total"), gateway.metric("headgate_modbus_polls_total")

    # From one poll that has everything in it to another, a second each.
    wait_for(lambda: counts()[1] >= 5, what="a second")
    requests, polls = counts()
    wait_for(lambda: counts()[1] >= polls + 25, what="five seconds")
    asked = (counts()[0] - requests) / (counts()[1] - polls) * 5
    assert abs(asked - link["requests_per_second"]) < 0.15 * link["requests_per_second"]
    assert gateway.metric("headgate_modbus_polls_missed_total") in (0, None)
    assert gateway.stop() == 0


def test_what_a_device_refuses_is_learnt_once_and_for_all_and_shown(workshop):
    port = rogue(workshop)
    maps = write_map(workshop, "wide", {f"p{place}": f"{{ address: {place} }}" for place in range(60)}, defaults=MAP)
    out = workshop.folder / "events.jsonl"
    path = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"holed": {"map": "wide", "link": "a", "unit_id": 5}, "small": {"map": "wide", "link": "a", "unit_id": 6}},
        outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(path)

    def readings(device, since=0):
        events = [event["data"].get("readings", []) for event in events_in(out) if event["subject"] == device]
        return [event for event in events if event][since:]

    for device in ("holed", "small"):
        wait_for(lambda: len(readings(device)) >= 5, what=f"five polls of {device}")
        for number, poll in enumerate(readings(device)):
            values = {one["point"]: one["value"] for one in poll}
            # What is bad is told once.
            if device == "holed" and number == 0:
                assert values["p37"] is None
            assert device == "small" or values.pop("p37", None) is None
            assert values == {f"p{place}": 7 for place in range(60) if (device, place) != ("holed", 37)}
    splits = {device: gateway.metric("headgate_modbus_requests_split_total", device=device) for device in ("holed", "small")}
    assert 1 <= splits["holed"] <= 6 and 1 <= splits["small"] <= 3
    assert gateway.stop() == 0

    # The next start knows, and so does the plan.
    (link,) = json.loads(headgate("plan", "-c", path, "--json").stdout)["links"]
    learned = {one["device"]: one for one in link["learned"]}
    assert learned["holed"]["refused"] == {"p37": "illegal_address"}
    assert "registers: 15" in learned["small"]["limits"]
    assert sorted(request["count"] for request in link["requests"]) == [15] * 4 + [22, 37]
    assert "remove the point p37: the device does not have it (illegal_address)" in headgate("plan", "-c", path).stdout
    before = len(readings("small"))
    gateway = workshop.gateway(path)
    wait_for(lambda: len(readings("small", before)) >= 3 and len(readings("holed")) > before, what="polls")
    assert not gateway.metric("headgate_modbus_requests_split_total", device="holed")
    assert not gateway.metric("headgate_modbus_requests_split_total", device="small")
    assert gateway.stop() == 0


def test_what_requests_take_is_measured_and_planned_with(workshop):
    # 9,600 baud behind a converter: a byte takes more than a millisecond, so that unused registers are dear.
    port = serve(workshop, {"1": {"holding": [7] * 60, "input": [7] * 2}}, framing="rtu")
    proxy = workshop.proxy(port)
    proxy.rate = 960
    points = {f"p{place}": f"{{ address: {place} }}" for place in (0, 1, 40, 41)} | {"other": "{ address: 0, table: input }"}
    maps = write_map(workshop, "far", points, limits="{ gap: 40 }", defaults="{ table: holding, type: uint16, every: 20ms }")
    path = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{proxy.port}", "framing": "rtu"}}, devices={"d": {"map": "far", "link": "a"}})

    def plan():
        (link,) = json.loads(headgate("plan", "-c", path, "--json").stdout)["links"]
        return link

    assert not plan()["is_measured"] and len(plan()["requests"]) == 2
    gateway = workshop.gateway(path)
    wait_for(lambda: plan()["is_measured"], seconds=40, what="a measurement")
    asked = gateway.metric("headgate_modbus_requests_total", device="d")
    assert gateway.stop() == 0
    # Two short ones are cheaper than one with what nobody wants.
    assert asked >= 100 and sorted(request["count"] for request in plan()["requests"]) == [1, 2, 2]
    assert all(5 <= request["milliseconds"] <= 60 for request in plan()["requests"])
    assert "as measured" in headgate("plan", "-c", path).stdout


def test_the_right_way_to_read_a_register_is_found_whatever_the_map_says(workshop):
    # 230.5 as CDAB, and beside it what is no value at all.
    port = serve(workshop, {"1": {"holding": [17, 0, 0x8000, 0x4366, 0xFFFF, 0xFFFF, 0, 0]}})
    maps = write_map(workshop, "wrong", {"voltage": "{ address: 2, type: float32, unit: V, range: [0, 400] }"},
                     defaults="{ table: holding }")
    path = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}}, devices={"m": {"map": "wrong", "link": "a", "unit_id": 1}})
    result = headgate("read", "m", "voltage", "--raw", "--json", "-c", path)
    ways = json.loads(result.stdout)["ways"]
    assert (ways[0]["value"], ways[0]["type"], ways[0]["order"], ways[0]["address"]) == (230.5, "float32", "CDAB", 2)
    assert sum(way["matches_map"] for way in ways) == 1 and len(ways) > 40
    assert "230.5" in headgate("read", "m", "--raw", "--ways", "1", "-c", path).stdout


def test_a_device_that_is_still_starting_has_its_points_once_it_has_started(workshop):
    port = rogue(workshop)
    maps = write_map(workshop, "some", {f"p{place}": f"{{ address: {place} }}" for place in range(8)}, defaults=MAP)
    out = workshop.folder / "events.jsonl"
    path = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{port}"}}, devices={"slow": {"map": "some", "link": "a", "unit_id": 7}},
        outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(path)

    def good():
        return {one["point"] for event in events_in(out) for one in event["data"].get("readings", [])
                if one["quality"] == "good"}

    wait_for(lambda: gateway.metric("headgate_modbus_requests_split_total", device="slow"), what="a refusal")
    assert not good()
    wait_for(lambda: len(good()) == 8, seconds=25, what="every point")
    assert gateway.stop() == 0
    (link,) = json.loads(headgate("plan", "-c", path, "--json").stdout)["links"]
    assert not link["learned"]

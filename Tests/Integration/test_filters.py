"""What is let go of, what is doubted and what is told in another unit, through the running gateway."""

import json

import pytest

from conftest import HEADGATE, events_in, free_port, headgate, wait_for
from test_mqtt_in import listening, publish

MAP = """\
map: oven
version: 1
title: an oven
source: this test
mqtt: { payload: json, time: { path: t, format: unix } }
points:
  temperature: { path: c, unit: Cel, output_unit: "[degF]", range: [0, 300], deadband: 1 }
  pressure: { path: p, unit: bar }
  flow: { path: f, unit: l/min }
derived:
  power: { expr: pressure * flow, unit: W, range: [0, 500] }
  hot: { expr: "temperature > 300 '[degF]'" }
examples: [{ payload: '{"c": 100, "t": 1790000000}', expect: { temperature: 212 } }]
"""
METER = """\
map: meter
version: 1
title: a meter
source: this test
modbus: { defaults: { table: input, type: uint16 } }
points: { a: { address: 0, range: [0, 100] }, b: { address: 1 } }
derived: { double: { expr: a * 2 } }
examples: [{ registers: { input: { 0: [7] } }, expect: { a: 7, double: 14 } }]
"""
START = 1_790_000_000


@pytest.fixture
def oven(workshop):
    def run(filters):
        broker, _ = workshop.mosquitto()
        maps = workshop.folder / "maps"
        maps.mkdir(exist_ok=True)
        (maps / "oven.yaml").write_text(MAP)
        out = workshop.folder / "events.jsonl"
        gateway = workshop.gateway(workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}}, filters=filters,
            devices={"oven-1": {"map": "oven", "link": "floor", "topic": "oven"}}, outputs={"f": {"file": str(out)}}))
        listening(gateway)
        return gateway, broker, out
    return run


def sent(out, point):
    """(seconds from the start, value, quality, reason), as they were sent."""
    return [(round(float(seconds(one.get("time", event["time"])) - START), 3), rounded(one["value"]),
             one["quality"], one.get("reason"))
            for event in events_in(out) if event["type"] == "headgate.telemetry.v1"
            for one in event["data"].get("readings", []) if one["point"] == point]


def rounded(value):
    return round(value, 6) if isinstance(value, float) else value


def seconds(text):
    from datetime import datetime
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def say(broker, *messages):
    publish(broker, *(json.dumps(message | {"t": START + message["t"]}) for message in messages), topic="oven")


def test_numbers_are_sent_in_the_unit_that_is_asked_for(oven):
    gateway, broker, out = oven([])
    # The deadband is of degrees Celsius: 100.6 is none away, 101.1 is.
    say(broker, {"t": 0, "c": 100}, {"t": 1, "c": 100.6}, {"t": 2, "c": 101.1}, {"t": 3, "c": 350})
    wait_for(lambda: len(sent(out, "temperature")) == 3, what="what is news")
    assert sent(out, "temperature") == [
        (0, 212, "good", None), (2, 213.98, "good", None), (3, 662, "out_of_range", None)]
    units = {(one["point"], one.get("unit")) for event in events_in(out) for one in event["data"].get("readings", [])}
    assert units == {("temperature", "[degF]"), ("hot", None)}
    gateway.stop()


def test_an_output_tells_in_its_own_units(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "oven.yaml").write_text(MAP)
    plain, told = workshop.folder / "plain.jsonl", workshop.folder / "told.jsonl"
    gateway = workshop.gateway(workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"oven-1": {"map": "oven", "link": "floor", "topic": "oven"}},
        rules={"hot": {"when": "temperature > 150 'Cel'"}},
        windows={"w": {"every": "10s", "lateness": "0s", "functions": ["mean", "deviation"], "points": "temperature"}},
        outputs={"plain": {"file": str(plain)}, "told": {"file": str(told), "units": {"[degF]": "Cel", "bar": "kPa"}}}))
    listening(gateway)
    say(broker, {"t": 0, "c": 100, "p": 2}, {"t": 1, "c": 200}, {"t": 11, "c": 100})
    window = lambda out: [event["data"]["points"][0] for event in events_in(out) if "points" in event["data"]]
    wait_for(lambda: window(told) and window(plain), what="the window")
    assert [one[1] for one in sent(plain, "temperature")][:2] == [212, 392]
    assert [one[1] for one in sent(told, "temperature")][:2] == [100, 200]
    assert sent(plain, "pressure")[0][1] == 2 and sent(told, "pressure")[0][1] == 200
    alarms = lambda: [event["data"]["readings"][0] for event in events_in(told) if "rule" in event["data"]]
    wait_for(alarms, what="the alarm")
    alarm = alarms()[0]
    assert (alarm["value"], alarm["unit"]) == (200, "Cel")
    assert window(plain)[0] == {"point": "temperature", "unit": "[degF]", "count": 2, "mean": 302,
                                "deviation": pytest.approx(180 / 2 ** 0.5)}
    assert window(told)[0] == {"point": "temperature", "unit": "Cel", "count": 2, "mean": pytest.approx(150),
                               "deviation": pytest.approx(100 / 2 ** 0.5)}
    gateway.stop()


@pytest.mark.parametrize("units, message", [
    ({"Cel": "bar"}, "HG0130"), ({"Cel": "F"}, "HG0130"), ({"degC": "K"}, "HG0129")])
def test_an_output_cannot_tell_one_kind_in_another(workshop, units, message):
    result = headgate("check", "-c", workshop.configuration(
        links={}, devices={}, outputs={"f": {"stdout": True, "units": units}}))
    assert result.returncode == 78 and message in result.stderr


def test_the_configuration_filters_what_maps_do_not_and_every_reading_is_accounted_for(oven):
    gateway, broker, out = oven([
        {"devices": "oven-*", "points": "pressure", "swinging_door": 0.1},
        {"points": "temperature", "deadband": "none", "spike": 3, "stuck": "5s", "duplicates": "drop"}])
    ramp = [(t, t / 10) for t in range(20)] + [(t, 9.0) for t in range(20, 30)]
    noise = [20.0, 20.2, 19.9, 20.1, 20.0, 19.8, 20.2]
    messages = [{"t": t, "p": p} for t, p in ramp] + [{"t": 40 + n, "c": c} for n, c in enumerate(noise)]
    say(broker, *messages, {"t": 47, "c": 95}, {"t": 48, "c": 20.1}, {"t": 48, "c": 20.1},
        *({"t": 49 + n, "c": 20.1} for n in range(7)))
    wait_for(lambda: len(sent(out, "temperature")) == 15, what="the temperatures")
    temperatures = sent(out, "temperature")
    assert 47 not in [one[0] for one in temperatures] and [one[0] for one in temperatures].count(48) == 1
    assert [one[3] for one in temperatures[-7:]] == [None] * 4 + ["stuck"] * 3
    assert gateway.metric("headgate_readings_filtered_total", filter="spike") == 1
    assert gateway.metric("headgate_readings_filtered_total", filter="duplicates") == 1
    gateway.stop()
    # What was held back is sent when the gateway stops.
    assert [one[:2] for one in sent(out, "pressure")] == [(0, 0), (19, 1.9), (20, 9.0), (29, 9.0)]
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]


def test_what_is_computed_comes_with_what_it_is_computed_of(oven):
    gateway, broker, out = oven([])
    say(broker, {"t": 0, "p": 2}, {"t": 1, "f": 60}, {"t": 2, "p": 2, "f": 30, "c": 200}, {"t": 3, "p": 2, "f": 300},
        {"t": 4, "p": "ERR"}, {"t": 90, "f": 30}, {"t": 91, "p": 1}, {"t": 200, "p": 1})
    wait_for(lambda: len(sent(out, "power")) == 6, what="what is computed")
    assert sent(out, "power") == [
        (1, 200, "good", None), (2, 100, "good", None), (3, 1000, "out_of_range", None),
        # That it is still bad at 90 is no news.
        (4, None, "bad", "wrong_type"), (91, 50, "good", None), (200, 50, "uncertain", "stale")]
    assert [one[:2] for one in sent(out, "hot")] == [(2, True)]
    events = [event for event in events_in(out) if any(one["point"] == "power" for one in event["data"].get("readings", []))]
    assert all(event["data"]["readings"][-1]["point"] in ("power", "hot") for event in events)
    units = {one["point"]: one.get("unit") for event in events for one in event["data"]["readings"]}
    assert units["power"] == "W"
    gateway.stop()


def test_a_read_shows_what_is_computed(workshop):
    configuration = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"line": {"tcp": f"127.0.0.1:{free_port()}"}},
        devices={"meter": {"map": "meter", "link": "line", "unit_id": 1}}, outputs={"f": {"stdout": True}})
    (workshop.folder / "maps").mkdir()
    (workshop.folder / "maps" / "meter.yaml").write_text(METER)
    simulator = workshop.start("simulator", [HEADGATE, "simulate", "-c", configuration])
    wait_for(lambda: b"simulating" in simulator.log.read_bytes(), what="the simulator")
    def read(*points):
        return [json.loads(line) for line in
                headgate("read", "meter", *points, "-c", configuration, "--json").stdout.splitlines()]
    rows = {row["point"]: row for row in read()}
    assert list(rows) == ["a", "b", "double"] and rows["double"]["quality"] == "good"
    assert float(rows["double"]["value"]) == 2 * float(rows["a"]["value"])
    assert [row["point"] for row in read("double")] == ["double"]


def test_a_filter_that_is_meant_for_nothing_is_found_before_anything_is_opened(workshop):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "oven.yaml").write_text(MAP)
    path = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": "mqtt://127.0.0.1:1"}}, filters=[{"points": "presure", "deadband": 1}],
        devices={"oven-1": {"map": "oven", "link": "floor", "topic": "oven"}}, outputs={"f": {"stdout": True}})
    result = headgate("check", "-c", path)
    assert result.returncode == 78 and "HG0232" in result.stderr + result.stdout

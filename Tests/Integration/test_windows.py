"""What readings amount to over a time: through the running gateway, with kills in the middle."""

import json
import time

import pytest

from conftest import events_in, headgate, seeded, wait_for
from test_filters import seconds
from test_mqtt_in import listening, publish

METER = """\
map: meter
version: 1
title: a meter that tells its time
source: this test
mqtt: { payload: json, time: { path: t, format: unix } }
points:
  power: { path: p, unit: W, deadband: 1000 }
  energy: { path: e, unit: kW.h, kind: counter }
  open: { path: open, type: bool }
  name: { path: name, type: string }
examples: [{ payload: '{"p": 70, "t": 1790000000}', expect: { power: 70 } }]
"""
START = 1_790_000_100  # begins a window of 10 s


@pytest.fixture
def plant(workshop):
    broker, _ = workshop.mosquitto(max_inflight_messages=1000)
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "meter.yaml").write_text(METER)
    out = workshop.folder / "events.jsonl"

    def configure(windows):
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}}, windows=windows,
            devices={f"meter-{n}": {"map": "meter", "link": "floor", "topic": f"meter/{n}"} for n in (1, 2)},
            outputs={"f": {"file": str(out)}})
    return workshop, configure, broker, out


def say(broker, *messages, meter=1):
    publish(broker, *(json.dumps(message | {"t": START + message["t"]}) for message in messages),
            topic=f"meter/{meter}")


def aggregates(out, window="w", device="meter-1"):
    events = {event["id"]: event for event in events_in(out) if event["type"] == "headgate.aggregate.v1"}
    return [event for event in events.values() if event["data"]["window"] == window and event["subject"] == device]


def span(event):
    return tuple(round(seconds(event["data"][key]) - START, 3) for key in ("from", "to"))


def point(event, name):
    found = [one for one in event["data"]["points"] if one["point"] == name]
    return {key: value for key, value in found[0].items() if key != "point"} if found else None


def test_a_window_is_told_with_its_figures_and_may_take_the_place_of_the_readings(plant):
    workshop, configure, broker, out = plant
    gateway = workshop.gateway(configure({
        "w": {"every": "10s", "lateness": "0s", "functions": ["mean", "time_mean", "max", "last", "delta", "p50"],
              "raw": "drop"},
        "doors": {"session": "3s", "lateness": "0s", "functions": "last", "points": "open"}}))
    listening(gateway)
    say(broker, {"t": 0, "p": 10, "e": 5, "open": True}, {"t": 2, "p": 20, "e": 6, "name": "a"}, {"t": 4, "p": "ERR"},
        {"t": 9, "p": 40}, {"t": 11, "p": 5, "e": 8, "open": False}, {"t": 25, "p": 7})
    wait_for(lambda: len(aggregates(out)) >= 2, what="two windows")
    first, second = aggregates(out)[:2]
    assert span(first) == (0, 10) and span(second) == (10, 20) and "partial" not in first["data"]
    power = point(first, "power")
    assert abs(power.pop("p50") - 20) <= 0.2
    assert power == {"unit": "W", "count": 3, "unusable": 1, "mean": pytest.approx(70 / 3), "time_mean": 100 / 5, "max": 40, "last": 40,
                     "delta": None}
    assert point(first, "energy") == {"unit": "kW.h", "count": 2, "mean": 5.5, "time_mean": 5.8, "max": 6, "last": 6,
                                      "delta": 1, "p50": pytest.approx(5, rel=0.01)}
    assert point(second, "energy")["delta"] == 2 and point(first, "name") is None
    assert point(first, "open")["time_mean"] == 1 and point(first, "open")["last"] is True
    doors = aggregates(out, "doors")
    assert span(doors[0]) == (0, 3) and point(doors[0], "open") == {"count": 1, "last": True}
    readings = {one["point"] for event in events_in(out) for one in event["data"].get("readings", [])}
    # Texts are told by themselves; what came in place of a number is none, and counted as unusable.
    assert readings == {"name"}
    assert gateway.metric("headgate_readings_filtered_total", filter="windows") > 0
    gateway.stop()
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]


def test_what_was_acknowledged_is_in_its_window_after_kills(plant):
    workshop, configure, broker, out = plant
    configuration = configure({"w": {"every": "10s", "lateness": "2s", "functions": ["mean", "min", "max"], "raw": "drop"}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    _, generator = seeded()
    sent, at = [], 0.0
    for _ in range(6):
        for _ in range(40):
            at += generator.choice([0.1, 0.3, 0.5])
            sent.append((round(at - generator.choice([0, 0, 1.5]), 3), generator.randint(0, 1000)))
        # With QoS 1: the broker sends again what was not acknowledged, and each is told apart by its value.
        batch = sent[-40:]
        say(broker, *({"t": max(0, t), "p": p} for t, p in batch))
        commit = lambda: gateway.metric("headgate_readings_total", device="meter-1")
        wait_for(lambda: (commit() or 0) >= 40, what="the readings")
        if generator.random() < 0.5:
            time.sleep(generator.random() / 20)
            gateway.kill()
        else:
            gateway.stop()
        gateway = workshop.gateway(configuration)
        listening(gateway)
    say(broker, {"t": at + 100, "p": 0})
    last = int((at - 3) // 10) * 10
    wait_for(lambda: any(span(event)[1] >= last for event in aggregates(out)), what="the last window")
    gateway.stop()
    told = {span(event)[0]: point(event, "power") for event in aggregates(out)}
    assert len(told) == len(aggregates(out)), "no window is told twice"
    for start in range(0, last, 10):
        # Some came again after a kill, as nobody had acknowledged them: never fewer, and nothing that was not sent.
        values = [p for t, p in sent if start <= max(0, t) < start + 10]
        figures = told[start]
        assert figures["count"] + figures.get("late", 0) >= len(values)
        assert (figures["min"], figures["max"]) == (min(values), max(values))
        if figures["count"] == len(values):
            assert figures["mean"] == pytest.approx(sum(values) / len(values))


def test_a_window_that_is_no_longer_wanted_is_told_as_far_as_it_is(plant):
    workshop, configure, broker, out = plant
    gateway = workshop.gateway(configure({"w": {"every": "1h", "functions": "mean"}}))
    listening(gateway)
    say(broker, {"t": 0, "p": 10}, {"t": 1, "p": 20})
    wait_for(lambda: gateway.metric("headgate_readings_total", device="meter-1"), what="the readings")
    gateway.stop()
    gateway = workshop.gateway(configure({"other": {"every": "1h"}}))
    wait_for(lambda: aggregates(out), what="the window")
    event = aggregates(out)[0]
    assert event["data"]["partial"] is True and point(event, "power") == {"unit": "W", "count": 2, "mean": 15}
    gateway.stop()


MISTAKES = [
    ({"functions": "mean"}, "HG0124"),
    ({"every": "5s", "session": "3s"}, "HG0112"),
    ({"every": "5s", "size": "12s"}, "HG0321"),
    ({"every": "5s", "functions": "meen"}, "did you mean mean?"),
    ({"every": "5s", "functions": "p100"}, "HG0325"),
    ({"every": "5s", "points": "name"}, "HG0322"),
    ({"every": "5s", "points": "power", "functions": "delta"}, "HG0323"),
    ({"every": "5s", "devices": "x"}, "HG0231"),
    ({"every": "40d"}, "HG0122"),
    ({"every": "5s", "lateness": "2h"}, "HG0122"),
]


def test_more_than_fits_into_memory_is_a_mistake(plant):
    _, configure, _, _ = plant
    many = {f"w{n}": {"every": "1s", "size": "64s", "functions": "p50"} for n in range(80)}
    result = headgate("check", "-c", configure(many))
    assert result.returncode == 78 and "HG0320" in result.stderr


@pytest.mark.parametrize("window, message", MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_window_that_makes_no_sense_is_a_mistake(plant, window, message):
    _, configure, _, _ = plant
    result = headgate("check", "-c", configure({"w": window}))
    assert result.returncode != 0 and message in result.stdout + result.stderr

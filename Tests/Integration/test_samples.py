"""Many samples in a message, as of a vibration, told as what they amount to."""

import cmath
import json
import math
import struct

import paho.mqtt.client as mqtt
import pytest
import yaml

from conftest import events_in, headgate, seeded, wait_for
from test_mqtt_in import listening

RATE = 3200
BANDS = {"shaft": [20, 80], "bearing": [300, 700], "high": [700, 1600]}
PUMP = {
    "map": "pump", "version": 1, "title": "a pump's accelerometer", "source": "this test", "mqtt": {"payload": "json"},
    "points": {
        **{figure: {"path": "a.x", "samples": figure, **({} if figure in ("crest", "kurtosis") else {"unit": "m/s2"})}
           for figure in ("rms", "peak", "crest", "kurtosis", "deviation", "mean", "min", "max")},
        **{name: {"path": "a.x", "unit": "m/s2", "samples": {"band": band, "rate": RATE}} for name, band in BANDS.items()},
        "told": {"path": "a.x", "unit": "m/s2", "samples": {"band": [300, 700], "rate": {"path": "fs"}}},
        "raw_rms": {"topic": "raw", "payload": "registers", "address": 1, "type": "int16", "scale": 0.01, "unit": "m/s2",
                    "samples": "rms", "range": [0, 100], "absent": [-0x8000]},
    },
    "examples": [{"payload": '{"a": {"x": [3, -4, 3, -4]}}', "expect": {"peak": 4, "mean": -0.5, "kurtosis": 1}}],
}


def reference(samples, band):
    """By the book, line by line: mean squares under a Hann window."""
    count, mean = len(samples), sum(samples) / len(samples)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * (place + 0.5) / count) for place in range(count)]
    shaped = [(sample - mean) * weight for sample, weight in zip(samples, window)]
    total = 0
    for line in range(1, count // 2 + 1):
        if band[0] <= line * RATE / count < band[1] or line == count // 2 and band[1] == RATE / 2:
            turned = sum(value * cmath.exp(-2j * math.pi * line * place / count) for place, value in enumerate(shaped))
            # All lines but the last stand for their mirror images too.
            total += abs(turned) ** 2 * (1 if line == count // 2 else 2)
    return math.sqrt(total / (count * sum(weight * weight for weight in window)))


@pytest.fixture
def pump(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "pump.yaml").write_text(yaml.safe_dump(PUMP, sort_keys=False))
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"p-1": {"map": "pump", "link": "floor", "topic": "pump/1"}},
        rules={"worn": {"when": "bearing > 2 'm/s2'"}}, outputs={"local": {"file": str(out)}})
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker)
    client.loop_start()

    def say(payload, topic="pump/1"):
        client.publish(topic, payload if isinstance(payload, bytes) else json.dumps(payload), qos=1).wait_for_publish(10)
    yield workshop, configuration, say, out
    client.disconnect()
    client.loop_stop()


def told(out, count=1):
    events = [event for event in events_in(out) if event["type"] == "headgate.telemetry.v1"]
    return [{reading["point"]: reading for reading in event["data"]["readings"]} for event in events][count - 1:count]


def test_a_vibration_is_told_as_what_it_amounts_to(pump):
    workshop, configuration, say, out = pump
    listening(workshop.gateway(configuration))
    _, noise = seeded()
    samples = [round(0.3 + 1.5 * math.sin(2 * math.pi * 50 * n / RATE) + 4 * math.sin(2 * math.pi * 487.5 * n / RATE + 1)
                     + noise.gauss(0, 0.2), 4) for n in range(1024)]
    say({"a": {"x": samples}, "fs": RATE})
    readings = wait_for(lambda: told(out), what="the event")[0]
    count, mean = len(samples), sum(samples) / len(samples)
    central = [(sample - mean) for sample in samples]
    rms, peak = math.sqrt(sum(s * s for s in samples) / count), max(abs(s) for s in samples)
    variance = sum(s * s for s in central) / count
    wanted = {"rms": rms, "peak": peak, "crest": peak / rms, "mean": mean, "min": min(samples), "max": max(samples),
              "kurtosis": sum(s ** 4 for s in central) / count / variance ** 2,
              "deviation": math.sqrt(variance * count / (count - 1)),
              **{name: reference(samples, band) for name, band in BANDS.items()}, "told": reference(samples, BANDS["bearing"])}
    for name, number in wanted.items():
        assert readings[name]["value"] == pytest.approx(number, rel=1e-5) and readings[name]["quality"] == "good", name
    assert readings["bearing"]["value"] == pytest.approx(4 / math.sqrt(2), rel=0.02)
    assert readings["shaft"]["value"] == pytest.approx(1.5 / math.sqrt(2), rel=0.02)
    wait_for(lambda: any(event["type"] == "headgate.alarm.v1" for event in events_in(out)), what="the alarm")


def test_what_is_no_list_of_numbers_is_told_to_be_none(pump):
    workshop, configuration, say, out = pump
    listening(workshop.gateway(configuration))
    says = [({"a": {"x": [1, "2", 3]}}, "bad", "wrong_type"), ({"a": {"x": 5}}, "bad", "wrong_type"),
            ({"a": {"x": [1, [2], 3]}}, "bad", "wrong_type"), ({"a": {"x": []}}, "absent", None),
            ({"a": {"x": None}}, "absent", None), ({"a": {"x": [0] * 65537}}, "bad", "too_long")]
    for number, (payload, quality, reason) in enumerate(says):
        say(payload)
        # What stays bad is told once.
        say({"a": {"x": [number, 1]}})
        readings = wait_for(lambda: told(out, 2 * number + 1), what="the event")[0]
        assert (readings["rms"]["quality"], readings["rms"].get("reason")) == (quality, reason), payload
    say({"a": {"x": [1.0, -1.0] * 500}, "fs": RATE})
    say({"a": {"x": [1.0, -1.0] * 512}, "fs": "fast"})
    readings = wait_for(lambda: told(out, 2 * len(says) + 2), what="the event")[0]
    assert readings["rms"]["value"] == 1 and readings["told"].get("reason") == "wrong_type"
    say({"a": {"x": [1.0, -1.0] * 20}, "fs": 1000})
    readings = wait_for(lambda: told(out, 2 * len(says) + 3), what="the event")[0]
    assert readings["told"].get("reason") == "illegal_value" and readings["shaft"].get("reason") == "too_short"


def test_raw_bytes_are_samples_too(pump):
    workshop, configuration, say, out = pump
    listening(workshop.gateway(configuration))
    say(b"\0\0" + struct.pack(">200h", *[300, -400] * 100) + b"\1", topic="pump/1/raw")
    readings = wait_for(lambda: told(out), what="the event")[0]
    assert readings["raw_rms"]["value"] == pytest.approx(math.sqrt((9 + 16) / 2), rel=1e-9)
    say(b"\0\0", topic="pump/1/raw")
    assert wait_for(lambda: told(out, 2), what="the event")[0]["raw_rms"].get("reason") == "too_short"
    say(b"\0\0" + struct.pack(">3h", 300, -0x8000, 300), topic="pump/1/raw")
    assert wait_for(lambda: told(out, 3), what="the event")[0]["raw_rms"]["quality"] == "absent"


def test_a_distance_is_not_told_in_a_unit_with_another_zero(workshop):
    maps = workshop.folder / "maps"
    maps.mkdir()
    oven = PUMP | {"map": "oven", "points": {figure: {"path": "t", "unit": "Cel", "samples": figure} for figure in ("mean", "deviation")},
                   "examples": [{"payload": '{"t": [1, 3]}', "expect": {"mean": 2}}]}
    (maps / "oven.yaml").write_text(yaml.safe_dump(oven, sort_keys=False))
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": "mqtt://h"}}, devices={"o": {"map": "oven", "link": "floor", "topic": "o"}},
        outputs={"local": {"file": "x", "units": {"Cel": "K"}}})
    result = headgate("check", "-c", configuration)
    assert result.returncode == 78 and "deviation of oven is a difference" in result.stdout + result.stderr


def test_a_simulated_device_sends_samples(pump):
    workshop, configuration, _, out = pump
    workshop.simulate(configuration)
    workshop.gateway(configuration)
    readings = wait_for(lambda: told(out), what="an event")[0]
    assert readings["rms"]["quality"] == "good" or readings["raw_rms"]["quality"] == "good"
    shown = headgate("map", "docs", str(workshop.folder / "maps" / "pump.yaml"))
    assert "band 300 to 700 Hz of `a.x`" in shown.stdout

"""Many events in a message, by columns: what the reader in deploy/ makes of it is what `format: json` says."""

import importlib.util
import json

import paho.mqtt.client as mqtt
import pytest
import yaml

from conftest import REPOSITORY, events_in, headgate, on_each_kafka, wait_for
from test_avro import MACHINE, MESSAGES, values
from test_mqtt_in import listening

spec = importlib.util.spec_from_file_location("read_block", REPOSITORY / "deploy" / "read_block.py")
read_block = importlib.util.module_from_spec(spec)
spec.loader.exec_module(read_block)


@pytest.fixture
def shop(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "machine.yaml").write_text(yaml.safe_dump(MACHINE | {"mqtt": {"payload": "json", "id": {"level": 2}}}, sort_keys=False))
    out = workshop.folder / "events.jsonl"

    def configure(output, **more):
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
            devices={"saws": {"map": "machine", "link": "floor", "topic": "saw/+", "tags": {"hall": "é 3"}}},
            rules={"fast": {"when": "speed > 1200 '/min'"}},
            outputs={"blocks": output | {"format": "block"}, "local": {"file": str(out)}}, **more)
    return workshop, configure, broker, out


def say(port, *messages):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, message in messages:
        client.publish(topic, json.dumps(message), qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def plain(events):
    """Events by id; when something was sent is no matter."""
    found = {}
    for event in events:
        event["data"].pop("replayed", None)
        found[event["id"]] = event
    return found


@on_each_kafka
def test_a_reader_of_blocks_finds_every_event(shop):
    workshop, configure, broker, out = shop
    kafka = workshop.kafka()
    gateway = workshop.gateway(configure({"kafka": kafka, "topic": "blocks", "max_delay": "300ms"}))
    listening(gateway)
    said = [("saw/1", message) for message in MESSAGES] + [("saw/2", MESSAGES[0])]
    said += [(f"saw/{number % 3}", {"speed": number / 8, "parts": number * 7 - 1000, "running": number % 2 == 0, "state": number % 4,
                                    "oil": 0.1 * number, "program": f"p{number % 5}"}) for number in range(300)]
    said += [("saw/1", {"speed": value}) for value in (0.1 + 0.2, 1e-7, -0.0, 1e15, 1 / 3)]
    say(broker, *said)
    wait_for(lambda: gateway.output("blocks")["acknowledged_events"] == gateway.output("local")["acknowledged_events"] > 310,
             what="all of it")
    gateway.stop()
    told = plain(events_in(out))
    messages = values(kafka, "blocks")
    read = [event for message in messages for event in read_block.events(message)]
    assert len(messages) < len(told) / 5 and {event["type"].split(".")[1] for event in read} >= {"telemetry", "status", "alarm"}
    assert len(read) == len(told) and plain(read) == told
    lanes = [[event["id"].rsplit("/", 1) for event in read if f"/{lane}/" in event["id"]] for lane in ("critical", "normal", "bulk")]
    assert all([int(number) for _, number in lane] == sorted(int(number) for _, number in lane) for lane in lanes)


def test_blocks_gather_and_what_is_critical_does_not_wait(shop):
    workshop, configure, broker, out = shop
    seen = []
    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _, __, message: seen.append((message.topic, read_block.events(message.payload)))
    listener.connect("127.0.0.1", broker)
    listener.subscribe("out/#", qos=1)
    listener.loop_start()
    gateway = workshop.gateway(configure({"mqtt": f"mqtt://127.0.0.1:{broker}", "topic": "out/{lane}", "max_delay": "1h"}))
    listening(gateway)
    say(broker, ("saw/1", {"parts": 1}))
    wait_for(lambda: any(topic == "out/normal" for topic, _ in seen), what="what nothing was before")
    say(broker, *[("saw/1", {"parts": number}) for number in range(2, 40)], ("saw/1", {"speed": 2000}))
    wait_for(lambda: any("rule" in event["data"] for topic, events in seen for event in events), what="the alarm")
    assert sum(topic == "out/normal" for topic, _ in seen) == 1
    # A stop waits for nothing more.
    gateway.stop()
    wait_for(lambda: sum(topic == "out/normal" for topic, _ in seen) == 2, what="the rest")
    read = [event for _, events in seen for event in events]
    assert [reading["value"] for event in read if event["type"] == "headgate.telemetry.v1"
            for reading in event["data"]["readings"] if reading["point"] == "parts"] == list(range(1, 40))
    assert plain(read) == plain(events_in(out))
    listener.disconnect()
    listener.loop_stop()


def test_a_damaged_block_is_no_event(shop):
    with pytest.raises(ValueError):
        read_block.events(b"HGB2" + b"0" * 20)
    with pytest.raises(Exception):
        read_block.events(b"HGB1" + b"0" * 20)


@pytest.mark.parametrize("output,complaint", [
    ({"kafka": "h", "topic": "t.{device}", "format": "block"}, "HG0408"),
    ({"kafka": "h", "topic": "t", "format": "block", "exactly_once": True}, "exactly_once"),
    ({"kafka": "h", "topic": "t", "format": "block", "max_delay": "2h"}, "HG0122"),
    ({"kafka": "h", "topic": "t", "max_delay": "2s"}, "HG0112"),
    ({"file": "x", "format": "block"}, "HG0407"),
])
def test_mistakes_are_told(workshop, output, complaint):
    result = headgate("check", "-c", workshop.configuration(outputs={"o": output}))
    assert result.returncode == 78 and complaint in result.stderr + result.stdout, result.stdout + result.stderr


def listen(port, seen):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _, __, message: seen.append((len(message.payload), read_block.events(message.payload)))
    client.connect("127.0.0.1", port)
    client.subscribe("out", qos=1)
    client.loop_start()
    return client


def numbers(seen):
    return [reading["value"] for _, events in seen for event in events if event["type"] == "headgate.telemetry.v1"
            for reading in event["data"]["readings"] if reading["point"] == "parts"]


def test_a_broker_that_takes_no_large_messages_gets_small_ones(shop, workshop):
    workshop, configure, broker, out = shop
    centre, _ = workshop.mosquitto("centre", max_packet_size=1_000)
    seen = []
    listener = listen(centre, seen)
    gateway = workshop.gateway(configure({"mqtt": f"mqtt://127.0.0.1:{centre}", "topic": "out", "max_delay": "1s"}))
    listening(gateway)
    say(broker, *[("saw/1", {"parts": number, "program": f"{number * 7919:x}" * 3}) for number in range(400)])
    wait_for(lambda: len(numbers(seen)) >= 400, what="all of it")
    assert sorted(set(numbers(seen))) == list(range(400)) and gateway.output("blocks")["dead_letters"] == 0
    assert max(size for size, _ in seen) < 1_000
    # What is too large by itself is given up, and nothing else.
    say(broker, ("saw/1", {"program": "".join(f"{number * 7919:x}" for number in range(1_000))}), ("saw/1", {"parts": 400}))
    wait_for(lambda: 400 in numbers(seen) and gateway.output("blocks")["dead_letters"] == 1, what="what came behind it")
    listener.disconnect()
    listener.loop_stop()


def test_a_backlog_waits_for_nothing(shop, workshop):
    workshop, configure, broker, out = shop
    port, _ = workshop.mosquitto("centre")
    way = workshop.proxy(port)
    to = {"mqtt": f"mqtt://127.0.0.1:{way.port}", "topic": "out", "max_delay": "1h", "backlog": "in_order"}
    seen = []
    listener = listen(port, seen)
    gateway = workshop.gateway(configure(to))
    listening(gateway)
    say(broker, ("saw/1", {"parts": 0}))
    wait_for(lambda: gateway.output("blocks")["acknowledged_readings"] == 1, what="the first")
    gateway.kill()
    way.refuse()
    gateway = workshop.gateway(configure(to))
    listening(gateway)
    say(broker, *[("saw/1", {"parts": number}) for number in range(1, 2_500)])
    wait_for(lambda: gateway.output("local")["acknowledged_readings"] >= 2_499, what="the commits")
    way.mend()
    wait_for(lambda: sorted(set(numbers(seen)))[-1:] == [2_499], what="the backlog")
    assert len(set(numbers(seen)) - {0}) == 2_499 and len(seen) < 20
    listener.disconnect()
    listener.loop_stop()

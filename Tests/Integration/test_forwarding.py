"""The whole way: a simulated plant in, three brokers out, and the sums that must add up."""

import json
import pathlib
import subprocess

import jsonschema
import pytest

from conftest import REPOSITORY, events_in, free_port, headgate, on_each_kafka, readings, wait_for

SCHEMAS = {
    path.stem: json.loads(path.read_text()) for path in (REPOSITORY / "deploy/schemas").glob("*.json")
}


def validate(event):
    jsonschema.validate(event, SCHEMAS[event["type"]], format_checker=jsonschema.FormatChecker())


def plant(workshop, broker, outputs):
    ports = [free_port() for _ in range(2)]
    return workshop.configuration(
        links={
            "a": {"tcp": f"127.0.0.1:{ports[0]}"}, "b": {"tcp": f"127.0.0.1:{ports[1]}"},
            "bus": {"rtu": str(workshop.folder / "bus"), "baud": 115200, "parity": "none"},
            "floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"},
        },
        devices={
            "meter-1": {"map": "eastron-sdm630", "link": "a", "unit_id": 1, "tags": {"line": "A"}},
            "meter-2": {"map": "carlo-gavazzi-em340", "link": "a", "unit_id": 2},
            "drive": {"map": "delta-ms300", "link": "b", "unit_id": 3},
            "oven": {"map": "delta-dtb", "link": "bus", "unit_id": 4},
            "plug-1": {"map": "shelly-plus-plug-s", "link": "floor", "topic": "plug-1"},
            "ward": {"map": "aqara-weather", "link": "floor", "topic": "zigbee2mqtt/+"},
        },
        outputs=outputs,
    )


@on_each_kafka
def test_what_is_polled_is_committed_and_acknowledged_by_every_broker(workshop):
    broker, _ = workshop.mosquitto()
    kafka = workshop.kafka()
    out = workshop.folder / "events.jsonl"
    configuration = plant(workshop, broker, {
        "site": {"mqtt": f"mqtt://127.0.0.1:{broker}", "topic": "headgate/{gateway}/{device}"},
        "local": {"file": str(out)},
        "central": {"kafka": kafka, "topic": "telemetry.{kind}", "compression": "zstd"},
    })
    workshop.simulate(configuration, "--interval", "0.2")
    heard = workshop.folder / "heard.jsonl"
    workshop.start("sub", ["mosquitto_sub", "-p", broker, "-q", "1", "-t", "headgate/#"], stdout=open(heard, "wb"))
    gateway = workshop.gateway(configuration)
    wait_for(lambda: gateway.status()["totals"]["committed"] > 1000, seconds=30, what="a thousand readings")
    assert gateway.stop() == 0
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]
    assert totals["committed"] > 1000
    for output in ("site", "local", "central"):
        assert totals[f"acknowledged.{output}"] == totals["committed"], output

    # The file, the subscriber and Kafka have what the gateway says they have, each event once.
    written = events_in(out)
    assert readings(written) == totals["committed"]
    assert len({event["id"] for event in written}) == len(written)
    wait_for(lambda: len(events_in(heard)) >= len(written), what="the subscriber")
    by_id = {event["id"]: event for event in written}
    assert {event["id"]: event for event in events_in(heard)} == by_id
    for event in written:
        validate(event)
    assert {event["type"] for event in written} == {"headgate.telemetry.v1", "headgate.status.v1"}

    in_kafka = read_kafka(kafka, "telemetry.telemetry") + read_kafka(kafka, "telemetry.status")
    assert len(in_kafka) == len(written)
    for record in in_kafka:
        headers = dict(zip(record["headers"][::2], record["headers"][1::2]))
        whole = by_id[headers["ce_id"]]
        assert record["key"] == whole["subject"] == headers["ce_subject"]
        assert headers["ce_type"] == whole["type"] and headers["ce_time"] == whole["time"]
        assert headers["ce_source"] == whole["source"] and headers["ce_specversion"] == "1.0"
        assert headers["content-type"] == "application/json"
        assert json.loads(record["payload"]) == whole["data"]

    # A broker keeps a device's order where the key is the device.
    for device in {event["subject"] for event in written}:
        numbers = [int(event["id"].rsplit("/", 1)[1]) for event in written
                   if event["subject"] == device and "/normal/" in event["id"]]
        assert numbers == sorted(numbers)


def read_kafka(address, topic):
    result = subprocess.run(
        ["kcat", "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"],
        capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_schema_finds_what_is_wrong():
    event = {
        "specversion": "1.0", "id": "g/0123456789abcdef/normal/1", "source": "/gateways/g/devices/d",
        "type": "headgate.telemetry.v1", "subject": "d", "time": "2026-11-21T09:00:00.123456Z",
        "datacontenttype": "application/json",
        "data": {"gateway": "g", "device": "d", "map": "m", "map_version": 1,
                 "readings": [{"point": "p", "value": 1, "unit": "V", "quality": "good"}]},
    }
    validate(event)
    for spoil in (
        lambda event: event["data"]["readings"][0].update(quality="fine"),
        lambda event: event["data"]["readings"][0].update(quality="bad"),
        lambda event: event["data"].update(readings=[]),
        lambda event: event.update(id="1"),
        lambda event: event.pop("time"),
    ):
        wrong = json.loads(json.dumps(event))
        spoil(wrong)
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong)


def test_a_dead_output_delays_no_other_and_gets_everything_when_it_comes(workshop):
    broker, _ = workshop.mosquitto()
    late = free_port()
    out = workshop.folder / "events.jsonl"
    configuration = plant(workshop, broker, {
        "late": {"mqtt": f"mqtt://127.0.0.1:{late}", "topic": "t/{device}"},
        "nowhere": {"kafka": f"127.0.0.1:{free_port()}", "topic": "t"},
        "local": {"file": str(out)},
    })
    workshop.simulate(configuration, "--interval", "0.2")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: readings(events_in(out)) > 300, what="the file")
    status = gateway.output("late")
    assert not status["up"] and status["last_error"]

    def down():
        return {one["subject"] for one in gateway.status()["warnings"] if one["warning"] == "output_down"}
    wait_for(lambda: down() == {"late", "nowhere"}, what="the warnings")
    assert "output_down: nowhere: " in gateway.get("/readyz") and gateway.get("/readyz").startswith("ready\n")
    assert sum(lane["waiting_events"] for lane in status["lanes"]) > 10
    waited = readings(events_in(out))
    workshop.mosquitto("late", port=late)
    wait_for(lambda: gateway.output("late")["acknowledged_readings"] >= waited, seconds=60, what="all that waited")
    wait_for(lambda: down() == {"nowhere"}, what="the end of a warning")
    # Stops soon with a broker that never was there, and keeps for it what it has not had.
    assert gateway.stop() == 0
    waiting = json.loads(headgate("outbox", "status", "--json", "-c", configuration).stdout)
    nowhere = next(output for output in waiting["outputs"] if output["output"] == "nowhere")
    assert sum(lane["waiting_events"] for lane in nowhere["lanes"]) == len(events_in(out))


def test_what_was_acknowledged_before_the_broker_closed_counts_and_its_reason_is_told(workshop):
    inside, _ = workshop.mosquitto("inside")
    acl = workshop.folder / "acl"
    acl.write_text("topic write up/status/#\ntopic write up/telemetry/good\n")
    acl.chmod(0o600)
    outside, _ = workshop.mosquitto("outside", acl_file=acl)
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "text.yaml").write_text(
        "map: text\nversion: 1\ntitle: t\nsource: s\nmqtt: { payload: text }\npoints: { t: {} }\n"
        "examples: [{ payload: a, expect: { t: a } }]\n")
    late = free_port()
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{inside}"}},
        devices={name: {"map": "text", "link": "floor", "topic": name} for name in ("good", "bad")},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{late}", "topic": "up/{kind}/{device}"}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: b"subscribed" in gateway.peer.log.read_bytes(), what="the subscription")
    for topic in ("good", "good", "bad"):
        subprocess.run(["mosquitto_pub", "-p", str(inside), "-q", "1", "-t", topic, "-m", "x"], check=True)
    wait_for(lambda: gateway.status()["totals"]["committed"] == 3, what="the readings")
    gateway.stop()
    # All in one window now, the refused one last.
    configuration.write_text(configuration.read_text().replace(str(late), str(outside)))
    gateway = workshop.gateway(configuration)
    error = wait_for(lambda: gateway.output("up").get("last_error"), what="the refusal")
    assert "not authorised" in error
    wait_for(lambda: gateway.output("up")["acknowledged_readings"] == 2, what="those before it")
    assert gateway.stop() == 0


def test_what_a_broker_will_never_take_becomes_a_dead_letter(workshop):
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside", max_packet_size=3000)
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "text.yaml").write_text(
        "map: text\nversion: 1\ntitle: t\nsource: s\nmqtt: { payload: text }\npoints: { t: {} }\n"
        "examples: [{ payload: a, expect: { t: a } }]\n")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{inside}"}},
        devices={"d": {"map": "text", "link": "floor", "topic": "d"}},
        outputs={"narrow": {"mqtt": f"mqtt://127.0.0.1:{outside}", "topic": "t"}, "local": {"file": str(out)}},
    )
    gateway = workshop.gateway(configuration)
    wait_for(lambda: b"subscribed" in gateway.peer.log.read_bytes(), what="the subscription")
    for payload in ("small", "x" * 5000, "after"):
        subprocess.run(["mosquitto_pub", "-p", str(inside), "-q", "1", "-t", "d", "-m", payload], check=True)
    wait_for(lambda: gateway.output("narrow")["dead_letters"] == 1, what="a dead letter")
    wait_for(lambda: gateway.output("narrow")["acknowledged_readings"] == 2, what="the others")
    gateway.stop()
    assert readings(events_in(out)) == 3
    status = json.loads(headgate("outbox", "status", "--json", "-c", configuration).stdout)
    narrow = next(output for output in status["outputs"] if output["output"] == "narrow")
    assert sum(lane["dead_letters"] for lane in narrow["lanes"]) == 1
    assert all(lane["waiting_events"] == 0 for lane in narrow["lanes"])

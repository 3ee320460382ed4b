"""Listening to MQTT: versions, TLS, users, sessions, and what is acknowledged when."""

import json
import subprocess

import pytest

from conftest import REPOSITORY, certificates, events_in, free_port, headgate, readings, secret_file, wait_for

NUMBER_MAP = """\
map: counter
version: 1
title: a counter
source: this test
mqtt: { payload: number }
points: { n: {} }
examples: [{ payload: "5", expect: { n: 5 } }]
"""


def counting(workshop, broker, link=None, out=None, **parts):
    maps = workshop.folder / "maps"
    maps.mkdir(exist_ok=True)
    (maps / "counter.yaml").write_text(NUMBER_MAP)
    parts.setdefault("outputs", {"f": {"file": str(out or workshop.folder / "events.jsonl")}})
    return workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"} | (link or {})},
        devices={"d": {"map": "counter", "link": "floor", "topic": "count"}}, **parts)


def publish(port, *values, topic="count", options=()):
    for value in values:
        subprocess.run(
            ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-m", str(value), *map(str, options)], check=True)


def listening(gateway):
    wait_for(lambda: b"subscribed" in gateway.peer.log.read_bytes(), what="the subscription")


def values(path):
    return [one["value"] for event in events_in(path) for one in event["data"].get("readings", [])
            if one["quality"] == "good"]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_is_sent_while_the_gateway_is_away_comes_when_it_is_back(workshop, version):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = counting(workshop, broker, {"version": version}, out)
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, 1)
    wait_for(lambda: values(out) == [1], what="the first message")
    gateway.stop()
    publish(broker, 2, 3)
    gateway = workshop.gateway(configuration)
    wait_for(lambda: values(out) == [1, 2, 3], what="what was sent meanwhile")
    gateway.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_broker_that_restarts_without_its_sessions_is_subscribed_to_again(workshop, version):
    broker, process = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    gateway = workshop.gateway(counting(workshop, broker, {"version": version}, out))
    listening(gateway)
    publish(broker, 1)
    wait_for(lambda: values(out) == [1], what="the first message")
    process.stop()
    workshop.mosquitto(port=broker)
    wait_for(lambda: gateway.peer.log.read_bytes().count(b"subscribed") == 2, seconds=40, what="the second subscription")
    publish(broker, 2)
    wait_for(lambda: values(out) == [1, 2], what="the message after the restart")
    gateway.stop()


def test_tls_with_user_and_password(workshop):
    tls = certificates(workshop.folder)
    passwords = workshop.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "gateway", "s3cret"], check=True)
    passwords.chmod(0o644)
    broker, _ = workshop.mosquitto(
        allow_anonymous="false", password_file=passwords,
        listener_lines=[f"cafile {tls / 'ca.pem'}", f"certfile {tls / 'server.pem'}", f"keyfile {tls / 'server.key'}"])
    secret = secret_file(workshop.folder, "s3cret")
    out = workshop.folder / "events.jsonl"
    url = f"mqtts://localhost:{broker}"
    login = {"username": "gateway", "password": {"file": str(secret)}, "ca": str(tls / "ca.pem")}
    configuration = counting(
        workshop, broker, {"mqtt": url} | login,
        outputs={"f": {"file": str(out)}, "back": {"mqtt": url, "topic": "back/{device}"} | login})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    options = ["-h", "localhost", "--cafile", tls / "ca.pem", "-u", "gateway", "-P", "s3cret"]
    publish(broker, 7, options=options)
    wait_for(lambda: values(out) == [7], what="the message over TLS")
    wait_for(lambda: gateway.output("back")["acknowledged_readings"] == 1, what="the acknowledgement over TLS")
    gateway.stop()
    assert "s3cret" not in gateway.peer.log.read_text()

    # With the wrong password, and with a certificate nobody vouches for, it waits and says why.
    secret.chmod(0o644)
    refused = headgate("run", "-c", configuration)
    assert refused.returncode == 69 and "chmod 600" in refused.stderr
    secret_file(workshop.folder, "wrong")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: "not authori" in gateway.peer.log.read_text().lower().split("gateway stopped")[-1],
             what="the refusal in the log")
    assert gateway.stop() == 0


def test_a_broker_that_asks_for_a_certificate_gets_it(workshop):
    tls = certificates(workshop.folder)
    broker, _ = workshop.mosquitto(
        listener_lines=[f"cafile {tls / 'ca.pem'}", f"certfile {tls / 'server.pem'}", f"keyfile {tls / 'server.key'}",
                        "require_certificate true"])
    out = workshop.folder / "events.jsonl"
    url = f"mqtts://localhost:{broker}"
    trust = {"ca": str(tls / "ca.pem")}
    shown = trust | {"certificate": str(tls / "client.pem"), "key": str(tls / "client.key")}
    configuration = counting(workshop, broker, {"mqtt": url} | shown, outputs={
        "f": {"file": str(out)}, "back": {"mqtt": url, "topic": "back/{device}"} | shown,
        "without": {"mqtt": url, "topic": "none"} | trust})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, 7, options=[
        "-h", "localhost", "--cafile", tls / "ca.pem", "--cert", tls / "client.pem", "--key", tls / "client.key"])
    wait_for(lambda: values(out) == [7], what="the message over TLS")
    wait_for(lambda: gateway.output("back")["acknowledged_readings"] == 1, what="the acknowledgement over TLS")
    wait_for(lambda: gateway.output("without").get("last_error"), what="the refusal of one without a certificate")
    assert gateway.output("without")["acknowledged_readings"] == 0
    assert gateway.stop() == 0


def test_payloads_topics_times_and_wildcards(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "mixed.yaml").write_text("""\
map: mixed
version: 1
title: all payloads
source: this test
mqtt: { topic: state, id: { level: 2 }, time: { path: ts, format: unix_ms } }
points:
  power: { path: "ENERGY.Power", unit: W, range: [0, 100] }
  on: { path: on, type: bool, values: { "ON": true, "OFF": false } }
  rain: { topic: rain, payload: number, unit: mm }
  raw: { topic: raw, payload: registers, address: 1, type: float32, order: CDAB }
examples: [{ topic: rain, payload: "1", expect: { rain: 1 } }]
""")
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"fleet": {"map": "mixed", "link": "floor", "topic": "site/+"}}, outputs={"f": {"file": str(out)}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, '{"ts":1795251600123,"ENERGY":{"Power":12.5},"on":"ON"}', topic="site/a1/state")
    publish(broker, "0.25", topic="site/b2/rain")
    (workshop.folder / "raw").write_bytes(bytes.fromhex("0000 8000 4366"))
    subprocess.run(["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "site/c3/raw", "-f",
                    str(workshop.folder / "raw")], check=True)
    publish(broker, '{"ENERGY":{"Power":250},"on":"PERHAPS"}', topic="site/a1/state")
    publish(broker, '{"ENERGY":', topic="site/a1/state")
    wait_for(lambda: readings(events_in(out)) == 6, what="six readings")
    gateway.stop()
    telemetry = [event for event in events_in(out) if event["type"] == "headgate.telemetry.v1"]
    seen = [(event["subject"], one["point"], one["value"], one["quality"])
            for event in telemetry for one in event["data"]["readings"]]
    assert seen == [
        ("fleet.a1", "power", 12.5, "good"), ("fleet.a1", "on", True, "good"), ("fleet.b2", "rain", 0.25, "good"),
        ("fleet.c3", "raw", 230.5, "good"), ("fleet.a1", "power", 250, "out_of_range"),
        ("fleet.a1", "on", "PERHAPS", "uncertain"),
    ]
    assert telemetry[0]["time"] == "2026-11-21T09:00:00.123000Z"
    assert telemetry[1]["time"] != telemetry[0]["time"]


def test_a_message_is_acknowledged_only_once_it_is_committed(workshop):
    """Stopped dead between reading and commit, the gateway has acknowledged nothing: the broker has it still."""
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = counting(workshop, broker, out=out)
    gateway = workshop.gateway(configuration)
    listening(gateway)
    for round in range(10):
        publish(broker, *range(round * 3, round * 3 + 3))
        gateway.kill()
        gateway = workshop.gateway(configuration)
    wait_for(lambda: set(values(out)) == set(range(30)), what="every number")
    gateway.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_message_that_the_broker_sends_again_is_known_as_one(workshop, version):
    broker, _ = workshop.mosquitto()
    proxy = workshop.proxy(broker)
    out = workshop.folder / "events.jsonl"
    configuration = counting(workshop, proxy.port, {"version": version}, out)
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, 1)
    wait_for(lambda: values(out) == [1], what="the first message")
    proxy.drops_requests = True
    publish(broker, 2)
    wait_for(lambda: values(out) == [1, 2], what="a message whose acknowledgement is lost")
    gateway.kill()
    proxy.cut()
    proxy.mend()
    gateway = workshop.gateway(configuration)
    publish(broker, 3)

    def numbers():
        """Of each event once: the file may have one twice, too, after a kill."""
        events = {event["id"]: event["data"] for event in events_in(out) if event["data"].get("readings")}
        return [(data["readings"][0]["value"], data.get("redelivered", False)) for data in events.values()]

    expected = [(1, False), (2, False), (2, True), (3, False)]
    wait_for(lambda: numbers() == expected, what="the message again")
    gateway.stop()


def states(path, subject="d"):
    return [(event["data"]["state"], event["data"].get("reason")) for event in events_in(path)
            if event["type"] == "headgate.status.v1" and event["subject"] == subject]


def test_a_device_that_falls_silent_is_offline_and_its_points_are_bad(workshop):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = counting(workshop, broker, out=out)
    map = workshop.folder / "maps" / "counter.yaml"
    map.write_text(map.read_text().replace("payload: number", "payload: number, offline_after: 2s"))
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, 1)
    wait_for(lambda: states(out) == [("online", None), ("offline", "silent")], what="offline")
    wait_for(lambda: [(one["quality"], one["reason"]) for event in events_in(out)
                      for one in event["data"].get("readings", []) if one["quality"] != "good"] == [("bad", "offline")],
             what="a bad point")
    publish(broker, 2)
    wait_for(lambda: len(states(out)) == 3 and values(out) == [1, 2], what="online again")
    gateway.stop()


def test_a_device_that_was_never_heard_of_is_shown(workshop):
    gateway = workshop.gateway(counting(workshop, free_port()))
    device = gateway.device("d")
    assert (device["state"], device["points"]) == ("unknown", [])
    gateway.stop()


def test_two_gateways_share_what_comes_and_each_message_is_read_once(workshop):
    broker, _ = workshop.mosquitto()
    gateways, outs = [], []
    for name in ("one", "two"):
        outs.append(workshop.folder / f"{name}.jsonl")
        path = counting(workshop, broker, {"share": "ward"}, outs[-1], gateway=name, state=str(workshop.folder / name))
        gateways.append(workshop.gateway(path.rename(workshop.folder / f"{name}.yaml")))
    # Both write into one log.
    wait_for(lambda: gateways[0].peer.log.read_bytes().count(b"subscribed") == 2, what="two subscriptions")
    publish(broker, *range(20))
    wait_for(lambda: sum(len(values(out)) for out in outs) == 20, what="every message")
    assert all(values(out) for out in outs) and sorted(values(outs[0]) + values(outs[1])) == list(range(20))
    for gateway in gateways:
        gateway.stop()


def test_a_list_of_readings_is_an_event_for_each_with_its_own_time(workshop):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = counting(workshop, broker, out=out)
    (workshop.folder / "maps" / "counter.yaml").write_text(NUMBER_MAP.replace(
        "{ payload: number }", "{ items: readings, time: { path: at, format: unix } }").replace(
        "{ n: {} }", "{ n: { path: n } }").replace(
        '''payload: "5"''', '''payload: '{"readings":[{"n":4,"at":1795251600},{"n":5,"at":1795251660}]}' '''))
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, '{"readings":[{"n":1,"at":1795251600},{"n":2,"at":1795251660}]}', "[]", '{"readings":[]}')
    wait_for(lambda: values(out) == [1, 2], what="both")
    times = [event["time"] for event in events_in(out) if event["type"] == "headgate.telemetry.v1"]
    assert times == ["2026-11-21T09:00:00.000000Z", "2026-11-21T09:01:00.000000Z"]
    wait_for(lambda: gateway.metric("headgate_mqtt_refused_messages_total", cause="malformed") == 1, what="a refusal")
    gateway.stop()

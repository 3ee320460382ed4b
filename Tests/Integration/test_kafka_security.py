"""Kafka as it is met in plants: encrypted, with users, and with records it will not take."""

import json
import subprocess

import pytest

from conftest import accepts, certificates, events_in, free_port, headgate, on_each_kafka, secret_file, wait_for

TEXT_MAP = """\
map: text
version: 1
title: a text
source: this test
points:
  t: { path: t }
""" + "".join(f"  p{number}: {{ path: p{number} }}\n" for number in range(16)) + """\
mqtt: { payload: json }
examples: [{ payload: '{"t":"a"}', expect: { t: a } }]
"""


class Gate:
    """The mock cluster behind a front that asks for TLS and SASL."""

    def __init__(self, workshop, port=None, **settings):
        port = port or free_port()
        self.address = f"127.0.0.1:{port}"
        workshop.python("gate", "kafka_gate.py", port, workshop.kafka(), json.dumps(settings))
        wait_for(lambda: accepts(port), what="the gate")

    def values(self, topic, **options):
        """The values that kcat reads, which has to pass the gate too."""
        flags = [flag for name, value in options.items() for flag in ("-X", f"{name.replace('_', '.')}={value}")]
        result = subprocess.run(
            ["kcat", "-b", self.address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J", *flags],
            capture_output=True, text=True, timeout=60)
        data = [json.loads(json.loads(line)["payload"]) for line in result.stdout.splitlines()]
        return [one["readings"][0]["value"] for one in data if "readings" in one]


def listening_gateway(workshop, outputs, *texts):
    """A gateway that has heard `texts`, one message each, and committed them. The longest is more than Kafka takes."""
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "text.yaml").write_text(TEXT_MAP)
    gateway = workshop.gateway(workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"d": {"map": "text", "link": "floor", "topic": "d"}},
        outputs=outputs | {"local": {"file": str(workshop.folder / "events.jsonl")}}))
    wait_for(lambda: b"subscribed" in gateway.peer.log.read_bytes(), what="the subscription")
    for text in texts:
        payload = {"t": text}
        if text == "large":
            payload |= {f"p{number}": "x" * 64_000 for number in range(16)}
        # Through a pipe, as an argument may not be as long as the longest.
        subprocess.run(["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "d", "-s"], input=json.dumps(payload),
                       text=True, check=True)
    wait_for(lambda: len(events_in(workshop.folder / "events.jsonl")) >= len(texts), what="the messages")
    return gateway


def sent(gateway, output):
    wait_for(lambda: all(lane["waiting_events"] == 0 for lane in gateway.output(output)["lanes"]),
             what=f"the end of what waits for {output}")
    return gateway.output(output)["acknowledged_readings"]


@on_each_kafka
@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-256", "scram-sha-512"])
def test_kafka_over_tls_with_a_user(workshop, mechanism):
    tls = certificates(workshop.folder)
    gate = Gate(workshop, certificate=str(tls / "server.pem"), key=str(tls / "server.key"), users={"edge": "s3cret"})
    login = {"mechanism": mechanism, "username": "edge", "password": {"file": str(secret_file(tls, "s3cret"))}}
    wrong = tls / "wrong"
    wrong.mkdir()
    ways = {
        "central": {"tls": {"ca": str(tls / "ca.pem")}, "sasl": login},
        # Neither goes on without what the other side has to prove.
        "stranger": {"tls": {"ca": str(tls / "ca.pem")},
                     "sasl": login | {"password": {"file": str(secret_file(wrong, "wrong"))}}},
        "unproven": {"tls": {"ca": str(tls / "other.pem")}, "sasl": login},
        "bare": {"sasl": login},
    }
    outputs = {name: {"kafka": gate.address, "topic": name} | way for name, way in ways.items()}
    gateway = listening_gateway(workshop, outputs, "one", "two")
    assert sent(gateway, "central") == 2
    options = {
        "security_protocol": "sasl_ssl", "ssl_ca_location": tls / "ca.pem", "sasl_mechanism": mechanism.upper(),
        "sasl_username": "edge"}
    assert gate.values("central", sasl_password="s3cret", **options) == ["one", "two"]
    assert gate.values("central", sasl_password="wrong", **options) == []
    for name, reason in (("stranger", "authentication"), ("unproven", "certificate"), ("bare", "")):
        error = wait_for(lambda: gateway.output(name).get("last_error"), what=f"the refusal of {name}")
        assert reason in error.lower(), error
        assert gateway.output(name)["acknowledged_readings"] == 0
    assert gateway.stop() == 0
    assert "s3cret" not in gateway.peer.log.read_text()


def test_kafka_that_asks_for_a_certificate(workshop):
    tls = certificates(workshop.folder)
    gate = Gate(workshop, certificate=str(tls / "server.pem"), key=str(tls / "server.key"),
                client_ca=str(tls / "ca.pem"))
    trust = {"ca": str(tls / "ca.pem")}
    shown = trust | {"certificate": str(tls / "client.pem"), "key": str(tls / "client.key")}
    gateway = listening_gateway(workshop, {
        "central": {"kafka": gate.address, "topic": "central", "tls": shown},
        "without": {"kafka": gate.address, "topic": "without", "tls": trust}}, "one")
    assert sent(gateway, "central") == 1
    assert wait_for(lambda: gateway.output("without").get("last_error"), what="the refusal of one without")
    assert gateway.output("without")["acknowledged_readings"] == 0
    assert gateway.stop() == 0


def test_a_record_that_kafka_refuses_is_a_dead_letter_and_the_others_arrive_once(workshop):
    port = free_port()
    # The second broker comes when all wait, so that they go in one request.
    texts = ["zero", "one", "poison", "three", "large", "five"]
    gateway = listening_gateway(
        workshop, {"central": {"kafka": f"127.0.0.1:{port}", "topic": "central"}}, *texts)
    gate = Gate(workshop, port, refuse="poison")
    wait_for(lambda: gateway.output("central")["dead_letters"] == 2, seconds=60, what="two dead letters")
    assert sent(gateway, "central") == 4
    assert gate.values("central") == ["zero", "one", "three", "five"]
    assert gateway.stop() == 0
    status = json.loads(headgate("outbox", "status", "--json", "-c", gateway.configuration).stdout)
    central = next(output for output in status["outputs"] if output["output"] == "central")
    assert sum(lane["dead_letters"] for lane in central["lanes"]) == 2
    assert all(lane["waiting_events"] == 0 for lane in central["lanes"])

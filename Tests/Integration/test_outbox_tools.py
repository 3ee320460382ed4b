"""`headgate outbox`: the same answers from a running gateway and from a stopped one."""

import json
import re
import subprocess

import pytest
import yaml

from conftest import free_port, headgate, wait_for
from oracle import Listener
from test_mqtt_in import counting, listening, publish


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def backlog(workshop):
    """A gateway whose broker upstream is away, with nine numbers in its outbox."""
    inside, _ = workshop.mosquitto("inside")
    up = free_port()
    configuration = counting(
        workshop, inside, outbox={"keep_sent": "1d"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{up}", "topic": "up/{device}", "version": "5"}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(inside, *range(1, 10))
    wait_for(lambda: gateway.metric("headgate_outbox_committed_readings_total") == 9, what="nine readings")
    return configuration, gateway, inside, up


def test_verify_show_and_export_of_a_running_gateway_and_a_stopped_one(workshop, backlog):
    configuration, gateway, _, _ = backlog
    answers = []
    for is_running in (True, False):
        if not is_running:
            assert gateway.stop() == 0
        verdict = headgate("outbox", "verify", "--json", "-c", configuration)
        assert verdict.returncode == 0 and json.loads(verdict.stdout)["findings"] == []
        assert json.loads(verdict.stdout)["readings"] == 9
        exported = headgate("outbox", "export", "--device", "d", "--lane", "normal", "-c", configuration)
        events = lines(exported)
        assert [event["data"]["readings"][0]["value"] for event in events] == list(range(1, 10))
        one = headgate("outbox", "show", events[4]["id"], "-c", configuration)
        assert lines(one) == [events[4]]
        assert lines(headgate("outbox", "show", "normal/5", "-c", configuration)) == [events[4]]
        since = lines(headgate("outbox", "show", "--device", "d", "--since", events[6]["time"], "-c", configuration))
        # Two may have come at one time.
        assert since == [event for event in events if event["time"] >= events[6]["time"]]
        none = headgate("outbox", "show", "normal/5000", "-c", configuration)
        assert none.returncode == 1 and "no such event" in none.stderr
        wrong = headgate("outbox", "show", "--device", "nobody", "-c", configuration)
        assert wrong.returncode == 64 and "HG0230" in wrong.stderr
        answers.append(events)
    assert answers[0] == answers[1]


def test_what_was_sent_is_sent_once_more_under_its_ids(workshop, backlog):
    configuration, gateway, inside, up = backlog
    since, until = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
    workshop.mosquitto("outside", port=up)
    heard = Listener(up, "up/#")
    wait_for(lambda: len(heard.numbers()) == 9, seconds=60, what="the numbers")
    first = {event["id"] for event in heard.events if event["subject"] == "d"}
    wait_for(lambda: all(one["waiting_events"] == 0 for one in gateway.output("up")["lanes"]), what="an empty backlog")
    # Through the running gateway.
    done = headgate("outbox", "replay", "--output", "up", "--since", since, "--until", until, "-c", configuration)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: sum(event["id"] in first for event in heard.events) == 2 * len(first), what="all of them again")
    # And of a stopped one.
    assert gateway.stop() == 0
    done = headgate("outbox", "replay", "--output", "up", "--since", since, "--until", until, "-c", configuration)
    assert done.returncode == 0, done.stderr
    unknown = headgate("outbox", "replay", "--output", "upp", "--since", since, "--until", until, "-c", configuration)
    assert unknown.returncode == 64 and "there is no output upp" in unknown.stderr
    workshop.gateway(configuration)
    wait_for(lambda: sum(event["id"] in first for event in heard.events) == 3 * len(first), what="all a third time")
    heard.stop()


def test_dead_letters_are_listed_sent_once_more_and_dropped(workshop):
    inside, _ = workshop.mosquitto("inside")
    up, broker = workshop.mosquitto("outside", max_packet_size=400)
    configuration = counting(
        workshop, inside, outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{up}", "topic": "up/{device}", "version": "5"}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(inside, 1, 2)
    wait_for(lambda: gateway.output("up")["dead_letters"] >= 2, what="dead letters")
    letters = json.loads(headgate("outbox", "dead", "--json", "-c", configuration).stdout)
    assert {letter["output"] for letter in letters} == {"up"}
    assert all("larger than the broker takes" in letter["reason"] for letter in letters)
    shown = headgate("outbox", "dead", "show", letters[0]["number"], "-c", configuration)
    assert json.loads(shown.stdout)["id"] == letters[0]["id"]
    assert "larger than" in headgate("outbox", "dead", "list", "-c", configuration).stdout

    broker.stop()
    workshop.mosquitto("outside", port=up)
    heard = Listener(up, "up/#")
    one = next(letter for letter in letters if letter["event"]["subject"] == "d")
    assert headgate("outbox", "dead", "retry", one["number"], "-c", configuration).returncode == 0
    wait_for(lambda: [event["id"] for event in heard.events] == [one["id"]], seconds=40, what="the letter")
    again = heard.events[0]
    again["data"].pop("replayed", None)
    assert again == one["event"]
    # The rest of a stopped gateway.
    assert gateway.stop() == 0
    left = json.loads(headgate("outbox", "dead", "--json", "-c", configuration).stdout)
    assert len(left) == len(letters) - 1
    assert headgate("outbox", "dead", "drop", "-c", configuration).returncode == 64
    assert headgate("outbox", "dead", "drop", "--all", "-c", configuration).returncode == 0
    assert json.loads(headgate("outbox", "dead", "--json", "-c", configuration).stdout) == []
    heard.stop()


def test_damage_is_found_and_repaired(workshop, backlog):
    configuration, gateway, _, _ = backlog
    gateway.stop()
    file = workshop.folder / "state/outbox.db"
    good = file.read_bytes()
    body = list(re.finditer(rb"\x28\xb5\x2f\xfd", good))  # zstd's magic number
    file.write_bytes(good[: body[2].start() + 8] + b"\xff" + good[body[2].start() + 9 :])
    verdict = headgate("outbox", "verify", "-c", configuration)
    assert verdict.returncode == 1 and "checksum does not match" in verdict.stdout
    # Not a database any more.
    file.write_bytes(b"x" * 4096 + good[4096:])
    verdict = headgate("outbox", "verify", "-c", configuration)
    assert verdict.returncode == 1 and "outbox repair" in verdict.stderr
    verdict = headgate("outbox", "verify", "--json", "-c", configuration)
    assert verdict.returncode == 1 and len(json.loads(verdict.stdout)["findings"]) == 1
    repaired = headgate("outbox", "repair", "-c", configuration)
    assert repaired.returncode == 0 and "blocks recovered" in repaired.stdout
    exported = lines(headgate("outbox", "export", "--device", "d", "--lane", "normal", "-c", configuration))
    assert [event["data"]["readings"][0]["value"] for event in exported] == list(range(1, 10))
    assert headgate("outbox", "verify", "-c", configuration).returncode == 0


def test_a_change_of_the_outbox_wants_a_header_that_no_page_from_elsewhere_sends(workshop, backlog):
    _, gateway, _, _ = backlog
    refused = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", f"{gateway.address}/api/outbox/dead/drop"],
        capture_output=True, text=True, check=True)
    assert refused.stdout == "403"

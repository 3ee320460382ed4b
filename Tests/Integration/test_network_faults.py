"""A network that fails between the gateway and its broker upstream: nothing acknowledged is lost, duplicates have the
same id, order is kept, and what is fresh does not wait for what has gathered."""

import os
import subprocess
import threading

import yaml

from conftest import certificates, seeded, wait_for
from oracle import Listener, Publisher, Verdict
from test_mqtt_in import counting, listening

ROUNDS = int(os.environ.get("HEADGATE_NETWORK_FAULTS", 10))
# Thirteen hours of a reading a second.
OUTAGE_READINGS = int(os.environ.get("HEADGATE_OUTAGE_READINGS", 46_800))


def through_a_proxy(workshop):
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside")
    proxy = workshop.proxy(outside)
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{proxy.port}", "topic": "up/{device}"}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    return gateway, proxy, inside, Listener(outside, "up/#")


def fault(proxy, choose):
    """One thing that goes wrong."""
    kind = choose.choice(["cut", "refuse", "freeze", "delay", "throttle", "drop the replies"])
    if kind == "cut":
        proxy.cut()
    elif kind == "refuse":
        proxy.refuse()
    elif kind == "freeze":
        proxy.is_frozen = True
    elif kind == "delay":
        proxy.delay = choose.uniform(0.05, 0.5)
    elif kind == "throttle":
        proxy.rate = 10_000
    else:
        proxy.drops_replies = True
    return kind


def test_cuts_refusals_freezes_delays_and_lost_replies(workshop):
    gateway, proxy, inside, heard = through_a_proxy(workshop)
    publisher = Publisher(inside)
    seed, choose = seeded()
    kinds = []
    for _ in range(ROUNDS):
        kinds.append(fault(proxy, choose))
        threading.Event().wait(choose.uniform(0.1, 1.0))
        proxy.mend()
        # What was lost on the way is not missed by TCP: a connection that has lost bytes is ended.
        if kinds[-1] == "drop the replies":
            proxy.cut()
        threading.Event().wait(choose.uniform(0.0, 0.5))
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: heard.numbers() >= wanted, seconds=90, what=f"every acknowledged number (seed {seed}, {kinds})")
    gateway.stop()
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}, {kinds}")
    assert not verdict.gaps
    verdict.report("faults of the network", ROUNDS)


def test_a_link_that_comes_and_goes_every_moment_costs_little(workshop):
    """A flapping link, in a tenth of its time: three tenths of a second there, three away."""
    gateway, proxy, inside, heard = through_a_proxy(workshop)
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 20, what="the first numbers")
    before = cpu_seconds(gateway.pid)
    for _ in range(3 * ROUNDS):
        proxy.refuse()
        threading.Event().wait(0.3)
        proxy.mend()
        threading.Event().wait(0.3)
    spent = (cpu_seconds(gateway.pid) - before) / (3 * ROUNDS * 0.6)
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: heard.numbers() >= wanted, seconds=90, what="every acknowledged number")
    gateway.stop()
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost()
    # At most a window for each time that the link went.
    assert verdict.twice <= 3 * ROUNDS * 1_000 and not verdict.gaps
    assert spent < 0.5, f"{spent:.2f} of a core"
    verdict.report("times a flapping link went", 3 * ROUNDS)


def cpu_seconds(pid):
    """proc(5), fields 14 and 15, counted behind the name in brackets."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def age_of_backlog(gateway):
    """Seconds; 0 where nothing waits."""
    return gateway.output("up")["lanes"][1].get("oldest_age_seconds") or 0


def test_the_readings_of_an_outage_of_thirteen_hours_all_come_after_it(workshop):
    """As many as come in that time, as fast as they are taken, with a kill half-way."""
    gateway, proxy, inside, heard = through_a_proxy(workshop)
    proxy.refuse()
    half = OUTAGE_READINGS // 2
    publish_numbers(inside, range(1, half + 1))
    gateway.kill()
    gateway = workshop.gateway(gateway.configuration)
    publish_numbers(inside, range(half + 1, OUTAGE_READINGS + 1))
    wait_for(lambda: waiting(gateway) >= OUTAGE_READINGS, seconds=60 + OUTAGE_READINGS / 1_000, what="a backlog of them all")
    assert memory_mb(gateway.pid) < 100
    # The fresh ones are no longer: everything is backlog.
    wait_for(lambda: age_of_backlog(gateway) > 12, what="a backlog that has an age")
    proxy.mend()
    wait_for(lambda: waiting(gateway) == 0, seconds=60 + OUTAGE_READINGS / 1_000, what="an empty outbox")
    # The broker has them; the listener may still be on its way through them.
    wait_for(lambda: len(heard.numbers()) >= OUTAGE_READINGS, seconds=60 + OUTAGE_READINGS / 1_000, what="all of them")
    gateway.stop()
    heard.stop()
    verdict = Verdict(heard.events, OUTAGE_READINGS)
    verdict.check_nothing_lost()
    assert not verdict.gaps
    verdict.report("an outage of thirteen hours, compressed", 1)


def publish_numbers(port, numbers):
    """All acknowledged by the broker once this returns."""
    lines = "".join(f"{number}\n" for number in numbers)
    subprocess.run(["mosquitto_pub", "-p", str(port), "-q", "1", "-t", "count", "-l"], input=lines, text=True, check=True)


def waiting(gateway):
    return sum(lane["waiting_events"] for lane in gateway.output("up")["lanes"])


def memory_mb(pid):
    """Anonymous memory of a process: proc(5)."""
    text = open(f"/proc/{pid}/status").read()
    return int(text.split("RssAnon:")[1].split()[0]) / 1024


def test_what_is_fresh_does_not_wait_for_a_backlog_and_the_backlog_says_so(workshop):
    gateway, proxy, inside, heard = through_a_proxy(workshop)
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 20, what="the first numbers")
    proxy.refuse()
    # Ten seconds of it are fresh, and as much again is backlog.
    before = publisher.acknowledged
    wait_for(lambda: age_of_backlog(gateway) > 20, seconds=40, what="a backlog")
    at_return = publisher.acknowledged
    assert at_return > before + 1000
    came = len(heard.payloads)
    # The throttle makes the backlog last.
    proxy.rate = 300_000
    proxy.listen()
    proxy.is_refusing = False
    wait_for(lambda: len(heard.payloads) > came + 50, seconds=40, what="events again")
    mark = publisher.acknowledged
    wait_for(lambda: mark in heard.numbers(), seconds=30, what="what is fresh")
    proxy.mend()
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: heard.numbers() >= wanted, seconds=60, what="every acknowledged number")
    gateway.stop()
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost()
    # Fresh numbers overtook old ones, and the old ones say so.
    order = [(event["data"]["readings"][0]["value"], event["data"].get("replayed", False))
             for event in heard.events if event["subject"] == "d" and event["type"] == "headgate.telemetry.v1"]
    first_fresh = next(place for place, (number, replayed) in enumerate(order) if number > at_return and not replayed)
    late = [entry for entry in order[first_fresh:] if entry[0] < at_return - 1000]
    assert late and all(replayed for _, replayed in late)


def test_a_broker_whose_certificate_expires_gets_nothing_until_it_has_another(workshop):
    tls = certificates(workshop.folder)
    inside, _ = workshop.mosquitto("inside")

    def outside(certificate, port=None):
        lines = [f"cafile {tls / 'ca.pem'}", f"certfile {tls / certificate}", f"keyfile {tls / 'server.key'}"]
        return workshop.mosquitto("outside", port, listener_lines=lines)

    port, broker = outside("server.pem")
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"mqtt": f"mqtts://localhost:{port}", "topic": "up/{device}", "ca": str(tls / "ca.pem")}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publisher = Publisher(inside)
    wait_for(lambda: gateway.output("up")["acknowledged_readings"] > 20, what="readings over TLS")
    for certificate in ("expired.pem", "server.pem"):
        broker.stop()
        _, broker = outside(certificate, port)
        if certificate == "expired.pem":
            wait_for(lambda: "certificate" in (gateway.output("up").get("last_error") or ""), what="the refusal")
            sent = gateway.output("up")["acknowledged_readings"]
            before = publisher.acknowledged
            wait_for(lambda: waiting(gateway) > 200 and publisher.acknowledged > before + 200, what="readings that wait")
            assert gateway.output("up")["acknowledged_readings"] == sent
    acknowledged = publisher.stop()
    wait_for(lambda: waiting(gateway) == 0, seconds=40, what="an empty outbox")
    assert gateway.output("up")["acknowledged_readings"] >= acknowledged
    assert not gateway.metric("headgate_outbox_lost_events_total") and gateway.output("up")["dead_letters"] == 0
    assert gateway.stop() == 0


def test_control_in_order_everything_waits_its_turn(workshop):
    gateway, proxy, inside, heard = through_a_proxy(workshop)
    gateway.stop()
    text = yaml.safe_load(gateway.configuration.read_text())
    text["outputs"]["up"]["backlog"] = "in_order"
    gateway.configuration.write_text(yaml.safe_dump(text))
    gateway = workshop.gateway(gateway.configuration)
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 20, what="the first numbers")
    proxy.refuse()
    wait_for(lambda: age_of_backlog(gateway) > 12, what="a backlog")
    proxy.mend()
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: heard.numbers() >= wanted, seconds=60, what="every acknowledged number")
    gateway.stop()
    heard.stop()
    seen, order = set(), []
    for event in heard.events:
        if event["subject"] == "d" and event["type"] == "headgate.telemetry.v1" and event["id"] not in seen:
            seen.add(event["id"])
            order.append(event["data"]["readings"][0]["value"])
    assert order == sorted(order)

"""A clock that is set: a box that starts in 1970, and jumps back and forth. Numbers order events, not times, and nothing is
let go because its time says that it is old."""

import time

from clock import OtherClock
from conftest import wait_for
from oracle import Listener, Publisher, Verdict
from test_disk_faults import plant, polls
from test_mqtt_in import listening
from test_network_faults import waiting

DAY = 86_400


def test_a_clock_that_jumps_costs_nothing(workshop):
    clock = OtherClock(workshop.folder, offset=3 * DAY - time.time())
    configuration, inside, outside = plant(workshop, max_age="2d")
    proxy = workshop.proxy(outside)
    text = configuration.read_text().replace(f":{outside}", f":{proxy.port}")
    configuration.write_text(text)
    proxy.refuse()
    gateway = workshop.gateway(configuration, env=clock.environment)
    listening(gateway)
    publisher = Publisher(inside)

    def go_on():
        before, polled = waiting(gateway), polls(gateway)
        wait_for(lambda: waiting(gateway) > before + 100 and polls(gateway) > polled + 5, what="events and polls")

    for offset in (3 * DAY - time.time(), 0, -DAY, DAY, 5 * DAY):
        clock.jump_to(offset)
        go_on()
    # What is known of the jumps survives a kill.
    gateway.kill()
    gateway = workshop.gateway(configuration, env=clock.environment)
    go_on()
    assert (gateway.metric("headgate_outbox_lost_events_total") or 0) == 0
    heard = Listener(outside, "up/#")
    proxy.mend()
    acknowledged = publisher.stop()
    wait_for(lambda: waiting(gateway) == 0, seconds=60, what="an empty outbox")
    wait_for(lambda: len(heard.numbers()) >= acknowledged, what="every number")
    assert gateway.stop() == 0
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost()
    assert not verdict.gaps
    assert any(event["time"].startswith("1970-") for event in heard.events)
    assert any(event["data"].get("clock") == "jumped" for event in heard.events)

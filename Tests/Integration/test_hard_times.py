"""A machine and neighbours that are hard on the gateway: floods of the admin address, being stopped for a while. Polls go
on, and nothing is lost."""

import contextlib
import os
import signal
import socket
import threading
import urllib.request

from conftest import wait_for
from oracle import Listener, Publisher
from test_disk_faults import all_came, plant, polls
from test_mqtt_in import listening
from test_network_faults import memory_mb


def test_a_flood_of_the_admin_address_holds_up_no_poll_and_ends_by_itself(workshop):
    configuration, inside, outside = plant(workshop)
    gateway = workshop.gateway(configuration)
    listening(gateway)
    wait_for(lambda: polls(gateway) > 10, what="polls")
    before_all, missed = polls(gateway), gateway.metric("headgate_modbus_polls_missed_total") or 0
    memory = memory_mb(gateway.pid)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    host, port = gateway.address.removeprefix("http://").split(":")

    # Requests that never end, more than there are places for.
    with contextlib.ExitStack() as stack:
        open_before = descriptors(gateway)
        stuck = []
        for _ in range(100):
            one = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-")
            stuck.append(one)
        before = publisher.acknowledged
        wait_for(lambda: before + 200 in heard.numbers(), what="messages meanwhile")
        assert descriptors(gateway) <= open_before + 110
        # Each is put out in its time, and whoever waits is let in.
        for one in stuck:
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""
        wait_for(lambda: is_answering(gateway), what="an answer")

    # And as many whole ones as eight can ask for.
    running = True

    def ask():
        while running:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(gateway.address + "/api/status", timeout=5).read()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    before = publisher.acknowledged
    wait_for(lambda: before + 500 in heard.numbers(), what="messages meanwhile")
    running = False
    for one in threads:
        one.join()
    # Eight clients without a pause take their share of a small machine: it may cost a poll in twenty.
    missed = (gateway.metric("headgate_modbus_polls_missed_total") or 0) - missed
    assert missed <= (polls(gateway) - before_all) / 20
    assert memory_mb(gateway.pid) < memory + 50
    all_came(gateway, publisher, heard)


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.pid}/fd"))


def is_answering(gateway):
    with contextlib.suppress(OSError):
        return gateway.get("/healthz") == "ok\n"


def test_a_gateway_that_is_stopped_for_a_while_goes_on_where_it_was(workshop):
    configuration, inside, outside = plant(workshop)
    gateway = workshop.gateway(configuration)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    for seconds in (0.2, 3):
        mark = publisher.acknowledged + 1
        wait_for(lambda: mark in heard.numbers(), what="messages")
        gateway.peer.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(seconds)
        gateway.peer.process.send_signal(signal.SIGCONT)
        # The polls that were not made are not made up for.
        before = polls(gateway)
        wait_for(lambda: polls(gateway) > before + 5, what="polls")
    # Signals that come in heaps end it once, in order.
    for _ in range(20):
        gateway.peer.process.send_signal(signal.SIGHUP)
        gateway.peer.process.send_signal(signal.SIGTERM)
    assert gateway.peer.process.wait(10) == 0
    gateway = workshop.gateway(configuration)
    assert not all_came(gateway, publisher, heard).gaps

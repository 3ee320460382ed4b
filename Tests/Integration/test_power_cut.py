"""Power cuts under load: what was acknowledged is there afterwards, though only what was synced is sure to be.

A gateway is killed, and its state becomes what a disk may hold then: each file as it was last synced, with any of the
pages written since (unsynced writes land in any order, or not at all). The broker upstream is away meanwhile, so that
everything has to come out of the outbox. In the control arm the log's syncs do nothing, and it has to lose.
"""

import json
import os
import random
import subprocess
import threading

import yaml

from conftest import free_port, wait_for
from disk import shim
from oracle import Listener, Publisher, Verdict
from test_mqtt_in import counting, listening

ROUNDS = int(os.environ.get("HEADGATE_CUTS", 15))
PAGE = 4096


def after_the_cut(state, kept, choose):
    """Makes the state folder what the disk may hold; pages that were not synced are there or not, as `choose` says."""
    names = {path.name for path in kept.iterdir() if not path.name.startswith(".")}
    for path in state.iterdir():
        if path.is_file() and path.name not in names:
            path.unlink()
    for name in names:
        old = (kept / name).read_bytes()
        new = (state / name).read_bytes() if (state / name).exists() else old
        pages = []
        for at in range(0, max(len(old), len(new)), PAGE):
            before, since = old[at:at + PAGE], new[at:at + PAGE]
            if before == since:
                pages.append(before)
            elif choose.random() < 0.5:
                pages.append(before)
            elif choose.random() < 0.8:
                pages.append(since)
            else:
                # Torn: a sector of one, a sector of the other.
                sectors = [choose.choice((before, since))[part:part + 512] for part in range(0, PAGE, 512)]
                pages.append(b"".join(sectors))
            # A page in the middle is never shorter than a page, whatever was there.
            if at + PAGE < max(len(old), len(new)):
                pages[-1] = pages[-1].ljust(PAGE, b"\0")
        (state / name).write_bytes(b"".join(pages))
        (kept / name).write_bytes(b"".join(pages))


def cut_again_and_again(workshop, lies=None):
    """Returns the numbers that were acknowledged and those that reached the broker upstream, with their events."""
    inside, _ = workshop.mosquitto("inside")
    state, kept = workshop.folder / "state", workshop.folder / "kept"
    kept.mkdir()
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{free_port()}", "topic": "up/{device}"}})
    environment = os.environ | {"LD_PRELOAD": shim("only_synced", workshop.folder), "WATCHED": str(state), "KEPT": str(kept)}
    if lies:
        environment["LIES"] = lies
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    gateway = workshop.gateway(configuration, env=environment)
    listening(gateway)
    publisher = Publisher(inside)
    for _ in range(ROUNDS):
        # A random moment is what is tested here, not something to wait for.
        threading.Event().wait(choose.uniform(0.1, 0.7))
        gateway.kill()
        after_the_cut(state, kept, choose)
        gateway = workshop.gateway(configuration, env=environment)
    acknowledged = publisher.stop()
    assert acknowledged > 100
    gateway.kill()
    after_the_cut(state, kept, choose)

    outside, _ = workshop.mosquitto("outside")
    heard = Listener(outside, "up/#")
    text = yaml.safe_load(configuration.read_text())
    text["outputs"]["up"]["mqtt"] = f"mqtt://127.0.0.1:{outside}"
    configuration.write_text(yaml.safe_dump(text))
    gateway = workshop.gateway(configuration)
    wait_for(lambda: all(lane["waitingEvents"] == 0 for lane in gateway.output("up")["lanes"]), seconds=60,
             what=f"an empty outbox (seed {seed})")
    assert gateway.stop() == 0
    # The last of all that the broker hands on.
    subprocess.run(["mosquitto_pub", "-p", str(outside), "-q", "1", "-t", "up/end", "-m", "end"], check=True)
    wait_for(lambda: b"end" in heard.payloads, what="the end")
    heard.stop()
    return acknowledged, [json.loads(payload) for payload in heard.payloads if payload != b"end"], seed


def test_power_cuts_under_load_lose_nothing_acknowledged(workshop):
    acknowledged, events, seed = cut_again_and_again(workshop)
    verdict = Verdict(events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    print(f"{ROUNDS} power cuts: {verdict}")


def test_control_without_the_syncs_of_the_log_power_cuts_do_lose(workshop):
    acknowledged, events, _ = cut_again_and_again(workshop, lies="-wal")
    assert Verdict(events, acknowledged).missing

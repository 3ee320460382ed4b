"""Power cuts under load: what was acknowledged is there afterwards, though only what was synced is sure to be.

A gateway is killed, and its state becomes what a disk may hold then: each file as it was last synced, with any of the
pages written since (unsynced writes land in any order, or not at all). The broker upstream is away meanwhile, so that
everything has to come out of the outbox. In the control arm the log's syncs do nothing, and it has to lose.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import threading

from conftest import free_port, seeded, wait_for
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


def cut_again_and_again(workshop, lies=None, is_forwarding=False, rounds=ROUNDS):
    """Returns the numbers that were acknowledged and those that reached the broker upstream, with their events.

    Where it is forwarding meanwhile, blocks are sent, settled and deleted, and the log, a small one, begins anew again and
    again: the cuts fall into all of that."""
    inside, _ = workshop.mosquitto("inside")
    state, kept = workshop.folder / "state", workshop.folder / "kept"
    kept.mkdir()
    up = free_port()
    heard = None
    if is_forwarding:
        workshop.mosquitto("outside", port=up)
        heard = Listener(up, "up/#")
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"}, outbox={"max_size": "4MiB"} if is_forwarding else {},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{up}", "topic": "up/{device}"}})
    environment = os.environ | {"LD_PRELOAD": shim("only_synced", workshop.folder), "WATCHED": str(state), "KEPT": str(kept)}
    if lies:
        environment["LIES"] = lies
    seed, choose = seeded()
    gateway = workshop.gateway(configuration, env=environment)
    listening(gateway)
    publisher = Publisher(inside)
    for _ in range(rounds):
        # A random moment is what is tested here, not something to wait for.
        threading.Event().wait(choose.uniform(0.1, 0.7))
        gateway.kill()
        after_the_cut(state, kept, choose)
        gateway = workshop.gateway(configuration, env=environment)
    acknowledged = publisher.stop()
    assert acknowledged > 100
    gateway.kill()
    after_the_cut(state, kept, choose)

    if not is_forwarding:
        workshop.mosquitto("outside", port=up)
        heard = Listener(up, "up/#")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: all(lane["waiting_events"] == 0 for lane in gateway.output("up")["lanes"]), seconds=60,
             what=f"an empty outbox (seed {seed})")
    assert gateway.stop() == 0
    # The last of all that the broker hands on.
    subprocess.run(["mosquitto_pub", "-p", str(up), "-q", "1", "-t", "up/end", "-m", "end"], check=True)
    wait_for(lambda: b"end" in heard.payloads, what="the end")
    heard.stop()
    return acknowledged, [json.loads(payload) for payload in heard.payloads if payload != b"end"], seed


def test_power_cuts_under_load_lose_nothing_acknowledged(workshop):
    acknowledged, events, seed = cut_again_and_again(workshop)
    verdict = Verdict(events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    verdict.report("power cuts", ROUNDS)


def test_power_cuts_while_it_forwards_and_deletes_lose_nothing_acknowledged(workshop):
    acknowledged, events, seed = cut_again_and_again(workshop, is_forwarding=True)
    verdict = Verdict(events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    # A torn page of the last commit can be told for damage to it, which is announced though nothing is missing.
    assert {gap["cause"] for gap in verdict.gaps} <= {"log_lost"}, f"seed {seed}"
    verdict.report("power cuts while it forwards and deletes", ROUNDS)


def as_version_5(path):
    """What the version before left behind."""
    database = sqlite3.connect(path)
    later = "".join(f"ALTER TABLE replay DROP COLUMN {column};" for column in ("topic", "template", "events"))
    database.executescript(f"DROP TABLE rule; {later} PRAGMA user_version=5; PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def test_power_cuts_while_a_database_is_brought_to_a_new_version_leave_one_or_the_other(workshop):
    inside, _ = workshop.mosquitto("inside")
    up = free_port()
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{up}", "topic": "up/{device}"}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publisher = Publisher(inside, pause=0)
    wait_for(lambda: publisher.acknowledged > 300, what="a backlog")
    acknowledged = publisher.stop()
    assert gateway.stop() == 0

    state, old = workshop.folder / "state", workshop.folder / "old"
    as_version_5(state / "outbox.db")
    shutil.copytree(state, old)
    seed, choose = seeded()
    versions = set()
    for round in range(ROUNDS):
        shutil.rmtree(state)
        shutil.copytree(old, state)
        kept = workshop.folder / f"kept-{round}"
        shutil.copytree(old, kept)
        environment = os.environ | {
            "LD_PRELOAD": shim("only_synced", workshop.folder), "WATCHED": str(state), "KEPT": str(kept)}
        gateway = workshop.gateway(configuration, wait=False, env=environment)
        threading.Event().wait(choose.uniform(0.03, 0.2))
        gateway.kill()
        after_the_cut(state, kept, choose)
        # A copy is looked into, with the log that belongs to it.
        looked = workshop.folder / f"looked-{round}"
        shutil.copytree(state, looked)
        database = sqlite3.connect(looked / "outbox.db")
        versions.add(database.execute("PRAGMA user_version").fetchone()[0])
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok", f"seed {seed}, round {round}"
        database.close()
    assert versions <= {5, 7}, f"seed {seed}"
    workshop.mosquitto("outside", port=up)
    heard = Listener(up, "up/#")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: heard.numbers() >= set(range(1, acknowledged + 1)), seconds=60, what=f"the backlog (seed {seed})")
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    assert not verdict.gaps
    verdict.report(f"power cuts at a migration, versions found {sorted(versions)}", ROUNDS)


def test_control_without_the_syncs_of_the_log_power_cuts_do_lose(workshop):
    acknowledged, events, _ = cut_again_and_again(workshop, lies="-wal")
    assert Verdict(events, acknowledged).missing

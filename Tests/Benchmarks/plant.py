# Headgate
# SPDX-License-Identifier: Apache-2.0
"""A large plant, 500 devices on 50 links, each with 30 registers once a second; beside collectd on the same one."""

import collections
import contextlib
import statistics
import time

from bench import Row, Void, cpu_seconds, gain, memory_mb, note, tool

LINKS = 50
DEVICES_PER_LINK = 10
POINTS = 30
SERVERS = 5
INTERVAL = 1.0  # seconds

MOST_JITTER = 0.05  # of the interval, 99 of 100
MOST_CPU_SHARE = 0.1

COLLECTD = """
BaseDir "{folder}"
PIDFile "{folder}/collectd-plant.pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
ReadThreads 50
LoadPlugin logfile
LoadPlugin modbus
LoadPlugin write_kafka
<Plugin logfile>
  LogLevel warning
  File stderr
</Plugin>
<Plugin modbus>
{data}
{hosts}
</Plugin>
<Plugin write_kafka>
  Property "metadata.broker.list" "{kafka}"
  <Topic "plant">
    Format JSON
  </Topic>
</Plugin>
"""


def links():
    """The server of each link, and the units on it: no two of a server are the same."""
    per_server = LINKS // SERVERS
    for link in range(LINKS):
        first = link % per_server * DEVICES_PER_LINK + 1
        yield link // per_server, range(first, first + DEVICES_PER_LINK)


def write_map(bench):
    points = "\n".join(f"  r{address:02}: {{ address: {address} }}" for address in range(POINTS))
    (bench.folder / "maps" / "plant.yaml").write_text(f"""map: plant
version: 1
title: {POINTS} neighbouring registers
source: Tests/Benchmarks/plant.py
modbus:
  defaults: {{ table: holding, type: uint16, every: 1s }}
points:
{points}
examples:
  - registers: {{ holding: {{ 0: [7] }} }}
    expect: {{ r00: 7 }}
""")


def collectd_configuration(bench, ports, kafka):
    data = "\n".join(
        f'  <Data "r{n:02}">\n    RegisterBase {n}\n    RegisterType Uint16\n    RegisterCmd ReadHolding\n    Type gauge\n'
        f'    Instance "r{n:02}"\n  </Data>' for n in range(POINTS))
    collect = "\n".join(f'      Collect "r{n:02}"' for n in range(POINTS))
    hosts = "\n".join(
        f'  <Host "link-{number}">\n    Address "127.0.0.1"\n    Port "{ports[server]}"\n    Interval 1\n' + "\n".join(
            f'    <Slave {unit}>\n      Instance "unit-{unit}"\n{collect}\n    </Slave>' for unit in units) + "\n  </Host>"
        for number, (server, units) in enumerate(links()))
    path = bench.folder / "collectd-plant.conf"
    path.write_text(COLLECTD.format(folder=bench.folder, data=data, hosts=hosts, kafka=kafka))
    return path


@contextlib.contextmanager
def servers(bench, prefix):
    with contextlib.ExitStack() as stack:
        arrivals = [bench.folder / f"{prefix}-arrivals-{number}" for number in range(SERVERS)]
        yield [stack.enter_context(bench.modbus_server(arrivals=path)) for path in arrivals], arrivals


def lateness(paths, start, end):
    """How far from a second apart two polls of a device came, in seconds; and how many intervals held none."""
    apart, missed = [], 0
    for path in paths:
        moments = collections.defaultdict(list)
        for line in path.read_text().splitlines():
            unit, moment = line.split()
            if start <= int(moment) / 1e6 <= end:
                moments[unit].append(int(moment) / 1e6)
        for times in moments.values():
            gaps = [after - before for before, after in zip(times, times[1:])]
            apart += [abs(gap - INTERVAL) for gap in gaps]
            missed += sum(round(gap / INTERVAL) - 1 for gap in gaps if gap > 1.5 * INTERVAL)
    return apart, missed


def window(pid, count, seconds):
    readings, cpu, start = count(), cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    readings = count() - readings
    if readings == 0:
        raise Void("nothing was delivered")
    return {"microseconds": (cpu_seconds(pid) - cpu) / readings * 1e6, "rate": readings / (end - start), "start": start,
            "end": end, "resident_mb": memory_mb(pid)}


def gateway_figures(bench, kafka, windows, **more):
    write_map(bench)
    with servers(bench, "headgate") as (ports, arrivals):
        plant = list(links())
        parts = {
            "links": {f"link-{n}": {"tcp": f"127.0.0.1:{ports[server].port}"} for n, (server, _) in enumerate(plant)},
            "devices": {f"link-{n}-unit-{unit}": {"map": "plant", "link": f"link-{n}", "unit": unit}
                        for n, (_, units) in enumerate(plant) for unit in units}}
        with bench.gateway(**parts, **more, outputs={"central": {"kafka": kafka, "topic": "telemetry"}}) as gateway:
            note("plant: Headgate")
            time.sleep(windows.cpu_warm_up)
            before = gateway.metrics()
            figures = window(
                gateway.pid, lambda: gateway.metrics().get("headgate_output_acknowledged_readings_total", 0), windows.cpu)
            gained = gain(before, gateway.metrics())
    if gained.get("headgate_modbus_errors_total"):
        raise Void(f"the gateway met {gained['headgate_modbus_errors_total']:.0f} Modbus errors")
    apart, missed = lateness(arrivals, figures["start"], figures["end"])
    return figures | {
        "jitter": statistics.quantiles(apart, n=100)[98], "missed": missed + gained["headgate_modbus_polls_missed_total"]}


def collectd_figures(bench, kafka, windows, messages_in):
    with servers(bench, "collectd") as (ports, arrivals):
        configuration = collectd_configuration(bench, [server.port for server in ports], kafka)
        with bench.process("collectd", [tool("collectd"), "-f", "-C", configuration]) as collectd:
            note("plant: collectd")
            time.sleep(windows.cpu_warm_up)
            return window(collectd.pid, lambda: messages_in(kafka, "plant"), windows.cpu)


def plant_benchmark(bench, windows, messages_in):
    with bench.kafka() as kafka:
        own = gateway_figures(bench, kafka, windows)
        rival = collectd_figures(bench, kafka, windows, messages_in)
    devices = LINKS * DEVICES_PER_LINK
    share = own["microseconds"] / rival["microseconds"]
    expected = devices * POINTS / INTERVAL
    return [
        Row(f"Readings/s of {devices} devices on {LINKS} links", f"{own['rate']:,.0f}", f"{rival['rate']:,.0f} collectd",
            f"{own['rate'] / expected:.2f} of what is due", "", None),
        Row("Polls missed", f"{own['missed']:.0f}", "", "", "= 0", own["missed"] == 0),
        Row("Jitter of polls, 99 of 100, of the interval", f"{own['jitter'] / INTERVAL:.1%}", "", "",
            f"≤ {MOST_JITTER:.0%}", own["jitter"] <= MOST_JITTER * INTERVAL),
        Row("CPU µs a reading on this plant", f"{own['microseconds']:.1f}", f"{rival['microseconds']:.1f} collectd",
            f"{share:.2f}", f"≤ {MOST_CPU_SHARE}", share <= MOST_CPU_SHARE),
        Row("Resident MB on this plant", f"{own['resident_mb']:.1f}", f"{rival['resident_mb']:.1f} collectd"),
    ], {"headgate": own, "collectd": rival}

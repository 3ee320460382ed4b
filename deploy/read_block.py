#!/usr/bin/env python3
"""Reads messages of an output with `format: block` (block-format.md): files given, or standard input; an event a line."""

import datetime
import itertools
import json
import struct
import sys

try:
    from compression.zstd import decompress
except ImportError:
    from zstandard import decompress  # before Python 3.14; Debian: python3-zstandard


class Body:
    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, count):
        self.at += count
        if self.at > len(self.body):
            raise ValueError("the block ends too early")
        return self.body[self.at - count:self.at]

    def number(self):
        value = self.take(1)[0]
        return value if value < 128 else value - 128 + 128 * self.number()

    def signed(self):
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def json(self):
        return json.loads(self.take(self.number()))

    def differences(self, count):
        return [(sum + 2**63) % 2**64 - 2**63 for sum in itertools.accumulate(self.signed() for _ in range(count))]

    def changes(self, runs):
        start, step, values = 0, 0, []
        for *_, count in runs:
            start += self.signed()
            values.append(start)
            for _ in range(count - 1):
                step += self.signed()
                values.append(values[-1] + step)
        return values

    def values(self, rows, words):
        form = self.number()
        power = 10 ** self.number() if form == 2 else 1
        if form == 3:
            return [struct.unpack("<d", planes[row::rows])[0] for planes in [self.take(8 * rows)] for row in range(rows)]
        values = self.differences(rows) if form else [None] * rows
        return [words[value] for value in values] if form == 4 else [value / power for value in values] if form == 2 else values


def moment(time):
    return f"{datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=time):%Y-%m-%dT%H:%M:%S.%fZ}"


def events(message):
    """The events of a message, in their order: CloudEvents, as `format: json` sends them."""
    if message[:4] != b"HGB1":
        raise ValueError("no block of Headgate")
    body = 8 + int.from_bytes(message[4:8], "little")
    sources, devices, words, points, shapes = json.loads(decompress(message[8:body]))
    block, found = Body(decompress(message[body:])), []
    runs = [[block.number() for _ in range(4)] for _ in range(block.number())]
    rows, tick = [run for run in runs for _ in range(run[3])], block.number()
    columns = [block.changes(runs), block.changes(runs)] + [block.differences(len(rows)) for _ in range(2)]
    for (shape, device, source, _), sequence, ticks, uncertainty, flags in zip(rows, *columns):
        data, flags = devices[device] | {"readings": []}, words[flags]
        event = {"specversion": "1.0", "id": f"{sources[source]}/{sequence}", "type": "headgate.telemetry.v1",
                 "source": f"/gateways/{data['gateway']}/devices/{data['device']}", "subject": data["device"],
                 "time": moment(ticks * tick), "datacontenttype": "application/json",
                 "data": data | flags | ({"time_uncertainty_us": uncertainty} if uncertainty else {})}
        found.append((source, sequence, event, shape, ticks * tick))
    for shape, places in enumerate(shapes):
        own = [row for row in found if row[3] == shape]
        for point in (points[place] for place in places):
            values, exceptions, place = block.values(len(own), words), {}, 0
            for _ in range(block.number()):
                place += block.number()
                exceptions[place] = block.number(), words[block.number()], block.signed()
            for place, (_, _, event, _, time) in enumerate(own):
                has, said, offset = exceptions.get(place, (1, {"quality": "good"}, 0))
                reading = {"value": values[place] if has else None} | ({"time": moment(time + offset)} if offset else {})
                event["data"]["readings"].append(point | reading | said)
    for _ in range(block.number()):
        source, event = block.number(), block.json()
        found.append((source, int(event["id"].rsplit("/", 1)[1]), event))
    return [event for *_, event in sorted((row[:3] for row in found), key=lambda row: row[:2])]


if __name__ == "__main__":
    for file in [open(path, "rb") for path in sys.argv[1:]] or [sys.stdin.buffer]:
        for event in events(file.read()):
            print(json.dumps(event, ensure_ascii=False))

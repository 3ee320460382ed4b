"""Units on a serial line that misbehave: rogue_line.py LINK SECONDS

A pseudo-terminal, named LINK. Each register of a unit holds 1000 × the unit's number + its own address, so that an answer to
another request is known by its values. SECONDS is the longest that the master waits. Written against the MODBUS over Serial
Line specification V1.02.

    unit 1  as it should be
    unit 2  one answer in three comes at up to six times that
    unit 3  every second answer is cut short
    unit 4  every second answer is under another unit's number
    unit 5  every second answer has a wrong bit
    unit 6  the line's echo of the request comes before every second answer
    unit 7  every second answer is exception 5, 6 or 11
    unit 8  misses its fifth request, and never answers one for more than a register
    unit 11 ignores what comes within 30 ms of anything else that was said on the line
    unit 9  one answer in five comes so late, and every second of these is exception 6
    from 101 on every answer is the exception of the unit's number without the hundred
"""

import os
import queue
import random
import struct
import sys
import threading
import time
import tty

LINK, PATIENCE = (sys.argv[1], float(sys.argv[2])) if __name__ == "__main__" else ("", 0.0)
choose = random.Random(1)


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def framed(body):
    return body + crc(body)


def answer(unit, function, address, count):
    registers = struct.pack(f">{count}H", *((1000 * unit + address + place) & 0xFFFF for place in range(count)))
    return bytes([unit, function, len(registers)]) + registers


class Line:
    def __init__(self):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        if os.path.lexists(LINK):
            os.unlink(LINK)
        os.symlink(os.ttyname(slave), LINK)
        self.slave = slave  # Held open, so that the master's end goes on between two clients.
        self.asked = {}
        self.spoken = 0.0  # when something was said last
        self.to_send = {}

    def send(self, unit, frame, after=0.0):
        """A unit answers in the order it was asked; units know nothing of each other."""
        if unit not in self.to_send:
            self.to_send[unit] = queue.Queue()
            threading.Thread(target=self.send_all, args=(self.to_send[unit],), daemon=True).start()
        self.to_send[unit].put((time.monotonic() + after, frame))

    def send_all(self, frames):
        while True:
            at, frame = frames.get()
            time.sleep(max(0, at - time.monotonic()))
            os.write(self.master, frame)
            self.spoken = time.monotonic()

    def serve(self):
        data = b""
        while True:
            heard = os.read(self.master, 256)
            if not data:
                self.silence = time.monotonic() - self.spoken
            self.spoken = time.monotonic()
            data += heard
            while len(data) >= 8:
                if crc(data[:6]) != data[6:8]:
                    data = data[1:]
                    continue
                self.answer(data[:8])
                data = data[8:]

    def answer(self, frame):
        unit, function, address, count = struct.unpack(">BBHH", frame[:6])
        self.asked[unit] = self.asked.get(unit, 0) + 1
        turn = self.asked[unit]
        body = answer(unit, function, address, count)
        good, is_bad = framed(body), turn % 2 == 0
        if unit == 11 and self.silence < 0.03:
            return
        if unit == 2 and choose.random() < 0.35:
            self.send(unit, good, after=PATIENCE * choose.uniform(1, 6))
        elif unit == 9 and choose.random() < 0.2:
            busy = framed(bytes([unit, function | 0x80, 6]))
            self.send(unit, choose.choice([busy, good]), after=PATIENCE * choose.uniform(1, 6))
        elif unit == 3 and is_bad:
            self.send(unit, good[:choose.randrange(1, len(good))])
        elif unit == 4 and is_bad:
            self.send(unit, framed(bytes([10]) + body[1:]))
        elif unit == 5 and is_bad:
            bit = choose.randrange(8 * len(good))
            self.send(unit, bytes(b ^ (1 << bit % 8 if place == bit // 8 else 0) for place, b in enumerate(good)))
        elif unit == 6 and is_bad:
            self.send(unit, frame + good)
        elif unit == 7 and is_bad:
            self.send(unit, framed(bytes([unit, function | 0x80, choose.choice([5, 6, 11])])))
        elif unit > 100:
            self.send(unit, framed(bytes([unit, function | 0x80, unit - 100])))
        elif unit in (1, 2, 3, 4, 5, 6, 7, 9, 11) or unit == 8 and count == 1 and turn != 5:
            self.send(unit, good)


if __name__ == "__main__":
    Line().serve()

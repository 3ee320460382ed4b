"""A Modbus server that nobody here wrote (pymodbus), with registers from a JSON file: {unit: {table: [words]}}.
The units listed as "silent" in the file are listened to and never answered.

    modbus_server.py PORT|LINE FILE [rtu]   on a TCP port of the loopback, with frames of RTU or not; or on a serial line
"""

import asyncio
import json
import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


async def main(place, path, framing="tcp"):
    with open(path) as file:
        plant = json.load(file)
    silent = set(plant.pop("silent", []))
    devices = {}
    for unit, tables in plant.items():
        # pymodbus counts from one inside; a block that starts at 1 answers address 0.
        blocks = {name: ModbusSequentialDataBlock(1, words) for name, words in tables.items()}
        devices[int(unit)] = ModbusDeviceContext(
            co=blocks.get("coil"), di=blocks.get("discrete"), ir=blocks.get("input"), hr=blocks.get("holding")
        )

    def trace(sending, pdu):
        return pdu

    on_line = not place.isdigit()
    # Where the unit stands: first in a frame of RTU, after the transaction, protocol and length in one of TCP.
    unit_at = 0 if on_line or framing == "rtu" else 6

    def drop(sending, data):
        return b"" if sending and len(data) > unit_at and data[unit_at] in silent else data

    context = ModbusServerContext(devices=devices, single=False)
    tracing = {"trace_pdu": trace, "trace_packet": drop}
    if on_line:
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=place, baudrate=19200, **tracing)
    else:
        framer = FramerType.RTU if framing == "rtu" else FramerType.SOCKET
        server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", int(place)), **tracing)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))

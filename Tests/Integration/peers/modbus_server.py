"""A Modbus TCP server that nobody here wrote (pymodbus), with registers from a JSON file: {unit: {table: [words]}}.
A unit of the name "silent" in the file is accepted and never answered."""

import asyncio
import json
import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer


async def main(port, path):
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

    def drop(sending, data):
        # The reply of a silent unit is thrown away: the unit identifier is byte 6 of the header.
        return b"" if sending and len(data) > 6 and data[6] in silent else data

    context = ModbusServerContext(devices=devices, single=False)
    server = ModbusTcpServer(context, address=("127.0.0.1", port), trace_pdu=trace, trace_packet=drop)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))

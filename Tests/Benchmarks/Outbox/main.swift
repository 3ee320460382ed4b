// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Logging
import Outbox

// What one commit costs, beside a plain file that is appended to and synced; and an outbox filled for others to start on.
//
//     OutboxBenchmark commits FOLDER READINGS SECONDS    commits a second and bytes of disk a reading, sent and deleted
//     OutboxBenchmark append FILE BYTES SECONDS          appends and syncs a second
//     OutboxBenchmark fill FOLDER BLOCKS READINGS        blocks that nobody has taken
//
// Prints one line of JSON. The readings are those of a plant: floats that move a little, every one with its time.

struct Plant {
    private var catalog: Catalog
    private let series: [SeriesNumber]
    private let device: DeviceNumber
    private var second: Int64 = 0
    private var noise: UInt64 = 0x9E37_79B9_7F4A_7C15

    init(_ catalog: Catalog) {
        self.catalog = catalog
        let device = catalog.number(of: Device(id: "meter", map: "benchmark", mapVersion: 1, tags: []))
        self.device = device
        series = (0..<50).map {
            catalog.number(of: Series(device: device, point: "point\($0)", unit: "V", lane: .normal))
        }
    }

    mutating func batch(_ readings: Int) -> Batch {
        var batch = Batch()
        for index in 0..<readings {
            if index % series.count == 0 {
                if index > 0 { close(&batch) }
                second += 1
            }
            noise ^= noise << 13
            noise ^= noise >> 7
            noise ^= noise << 17
            batch.readings.append(
                Reading(
                    series: series[index % series.count], time: time,
                    value: .single(230 + Float(index % series.count) + Float(noise % 8) * 0.1)))
        }
        close(&batch)
        return batch
    }

    private var time: Timestamp { Timestamp(microseconds: 1_795_251_600_000_000 + second * 1_000_000) }

    private func close(_ batch: inout Batch) {
        batch.closeTelemetry(device: device, time: time)
    }
}

/// Bytes that this process has caused to be written to disks (proc(5), io).
func written() -> Int {
    guard let file = fopen("/proc/self/io", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    while fgets(&line, Int32(line.count), file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        if text.hasPrefix("write_bytes: ") { return Int(text.dropFirst(13).filter(\.isNumber)) ?? 0 }
    }
    return 0
}

func openOutbox(_ folder: String) throws -> Outbox {
    mkdir(folder, 0o750)
    var settings = OutboxSettings(folder: folder)
    settings.maxSize = 8 << 30
    var logger = Logger(label: "benchmark")
    logger.logLevel = .error
    return try Outbox(settings, outputs: [OutboxOutput(name: "up")], logger: logger)
}

let blocksInWindow = 16

/// On the outbox's own thread, as its loop commits while there is something to commit.
func commits(_ outbox: isolated Outbox, readings: Int, seconds: Int) {
    var plant = Plant(outbox.catalog)
    var count = 0
    let before = written()
    let start = ContinuousClock.now
    while start.duration(to: .now) < .seconds(seconds) {
        outbox.intake.offer(plant.batch(readings), .normal)
        outbox.flush()
        count += 1
        // As a forwarder does that a broker answers every few milliseconds: a window of several blocks, whose cursor and whose
        // deletion go with the next commit.
        guard count.isMultiple(of: blocksInWindow) else { continue }
        while let portion = outbox.next(for: 0, bytes: 1 << 20, events: 1_000) {
            guard let last = portion.blocks.last else { break }
            outbox.settle(0, portion.stream, last, done: last.events)
        }
    }
    let elapsed = start.duration(to: .now) / .seconds(1)
    let bytes = Double(written() - before) / Double(count * readings)
    print("{\"commits_per_second\":\(Double(count) / elapsed),\"bytes_per_reading\":\(bytes)}")
}

func append(_ path: String, bytes: Int, seconds: Int) {
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o640)
    guard file >= 0 else { exit(EX_CANTCREAT) }
    let record = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var count = 0
    let start = ContinuousClock.now
    while start.duration(to: .now) < .seconds(seconds) {
        guard write(file, record, record.count) == record.count, fdatasync(file) == 0 else { exit(EX_IOERR) }
        count += 1
    }
    let elapsed = start.duration(to: .now) / .seconds(1)
    print("{\"commits_per_second\":\(Double(count) / elapsed)}")
}

func fill(_ folder: String, blocks: Int, readings: Int) async throws {
    let outbox = try openOutbox(folder)
    var plant = Plant(outbox.catalog)
    for _ in 0..<blocks {
        outbox.intake.offer(plant.batch(readings), .normal)
        await outbox.flush()
    }
    let run = Task { await outbox.run() }
    run.cancel()
    await run.value
    print("{\"readings\":\(blocks * readings)}")
}

let words = CommandLine.arguments.dropFirst().map { $0 }
let numbers = words.map { Int($0) ?? 0 }
switch (words.first, words.count) {
case ("commits", 4): await commits(try openOutbox(words[1]), readings: numbers[2], seconds: numbers[3])
case ("append", 4): append(words[1], bytes: numbers[2], seconds: numbers[3])
case ("fill", 4): try await fill(words[1], blocks: numbers[2], readings: numbers[3])
default:
    print("OutboxBenchmark commits FOLDER READINGS SECONDS | append FILE BYTES SECONDS | fill FOLDER BLOCKS READINGS")
    exit(EX_USAGE)
}

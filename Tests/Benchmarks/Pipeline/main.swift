// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Pipeline
import YAMLText

// What the way from a device's readings to what is told of them costs, on one core:
//
//     PipelineBenchmark SECONDS
//
// 50 devices of 20 points, a poll each a second: a range and a deadband that one reading in ten passes, then a window of a
// minute as well, then a rule for each device as well; then what they are written as. Prints one line of JSON: readings a second of
// each, and the bytes of one.

struct Plant {
    static let devices = 50
    static let points = 20

    var batches: [Batch] = []

    /// A second of polls, with numbers that move a little.
    init() {
        for device in 0..<Self.devices {
            var batch = Batch()
            for point in 0..<Self.points {
                batch.readings.append(
                    Reading(
                        series: Self.series(device, point), time: Timestamp(microseconds: 0), value: .number(230)))
            }
            batch.closeTelemetry(device: DeviceNumber(raw: Int32(device)), time: Timestamp(microseconds: 0))
            batches.append(batch)
        }
    }

    static func series(_ device: Int, _ point: Int) -> SeriesNumber {
        SeriesNumber(raw: Int32(device * points + point))
    }
}

let mapText = """
    map: plant
    version: 1
    title: t
    source: s
    modbus: { defaults: { table: input, type: float32 } }
    points: { p: { address: 0, unit: V, range: [0, 500], deadband: 4.5 } }
    examples: [{ registers: { input: { 0: [0x4366, 0x8000] } }, expect: { p: 230.5 } }]
    """

struct Stages {
    var pipeline = Pipeline()
    var windows: Windows
    var rules = Rules()
    let hasWindows: Bool

    init(windows hasWindows: Bool, rules hasRules: Bool) throws {
        self.hasWindows = hasWindows
        let window = Window(
            name: "w", span: .fixed(size: 60_000_000, every: 60_000_000), lateness: 5_000_000,
            figures: [.min, .max, .mean, .last])
        windows = Windows { series in
            Windows.Membership(
                point: WindowPoint(series: series), device: DeviceNumber(raw: Int32(series.index / Plant.points)),
                windows: [window])
        }
        let map = DeviceMapFile.read(mapText, name: "plant", file: "plant.yaml", problems: Problems())
        guard let point = map?.points.first else { return }
        let program = try ExpressionCompiler.compile("a > 400 and b < 5", unit: nil, names: [], isRule: true) { _ in
            .number(unit: nil)
        }
        for device in 0..<Plant.devices {
            for number in 0..<Plant.points {
                let series = Plant.series(device, number)
                pipeline.add(series, point)
                if hasWindows { pipeline.setWindowed(series, isTold: true) }
            }
            guard hasRules else { continue }
            rules.add(
                Rule(name: "r", condition: .holds(program)), device: DeviceNumber(raw: Int32(device)),
                deviceID: "\(device)", now: Timestamp(microseconds: 0)
            ) { Plant.series(device, $0.point == "a" ? 0 : 1) }
        }
    }

    /// - Returns: readings that are told.
    mutating func take(_ batch: inout Batch, now: Timestamp) -> Int {
        pipeline.interpret(&batch, now: now)
        let alarms = rules.note(batch, now: now)
        var feed: [Reading] = []
        var counts = FilterCounts()
        pipeline.filter(&batch, feed: &feed, &counts, now: now)
        var aggregates = Batch()
        if hasWindows { windows.take(feed, now: now, into: &aggregates) }
        return batch.readings.count + alarms.events.count + aggregates.events.count
    }
}

func measure(windows: Bool, rules: Bool, seconds: Double) throws -> Double {
    var stages = try Stages(windows: windows, rules: rules)
    let plant = Plant()
    let clock = ContinuousClock()
    var (readings, told, time) = (0, 0, Int64(1_795_251_600_000_000))
    var noise: UInt64 = 0x9E37_79B9_7F4A_7C15
    var spent = Duration.zero
    while spent < .seconds(seconds) {
        time += 1_000_000
        var batches = plant.batches
        for device in batches.indices {
            for index in batches[device].readings.indices {
                noise ^= noise << 13
                noise ^= noise >> 7
                noise ^= noise << 17
                batches[device].readings[index].time = Timestamp(microseconds: time)
                batches[device].readings[index].value = .number(230 + Double(noise % 100) * 0.05)
            }
        }
        let now = Timestamp(microseconds: time)
        // Making the numbers up is no part of it.
        let start = clock.now
        for device in batches.indices { told += stages.take(&batches[device], now: now) }
        spent += start.duration(to: clock.now)
        readings += Plant.devices * Plant.points
    }
    guard told > 0 else { return 0 }
    return Double(readings) / (spent / .seconds(1))
}

let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 5
let filtered = try measure(windows: false, rules: false, seconds: seconds)
let windowed = try measure(windows: true, rules: false, seconds: seconds)
let watched = try measure(windows: true, rules: true, seconds: seconds)
let encoders = Encoders()
let json = encoders.json(seconds: seconds)
let avro = encoders.avro(seconds: seconds)
let block = encoders.block(seconds: seconds)
var blocks = Blocks()
let signals = Blocks.Signal.allCases.map { signal in
    let (bytes, bound) = blocks.bytes(of: signal)
    return "\"\(signal)\":[\(bytes),\(bound)]"
}
print(
    """
    {"filtered":\(filtered),"windowed":\(windowed),"watched":\(watched),\
    "json":\(json.readingsASecond),"avro":\(avro.readingsASecond),\
    "json_bytes":\(json.bytes),"json_compressed":\(json.compressed),\
    "avro_bytes":\(avro.bytes),"avro_compressed":\(avro.compressed),\
    "block":\(block.readingsASecond),"block_compressed":\(block.compressed),\
    "signals":{\(signals.joined(separator: ","))}}
    """)

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Proves a map: what it makes of its own examples.
public enum ExampleProof {
    /// Where the map makes something else of an example than it says.
    public struct Failure: Sendable, Equatable, CustomStringConvertible {
        public var line: Int
        public var point: String
        public var expected: String
        public var found: String

        public var description: String {
            "the example expects `\(point)` to be \(expected), but the map computes \(found)"
        }
    }

    public static func failures(of map: DeviceMap) -> [Failure] {
        map.examples.flatMap { example in
            let (readings, batch) = read(example, map)
            return message(example, map)
                + example.gives.compactMap { name, expected -> Failure? in
                    let reading = readings[name]
                    guard let reading else {
                        return Failure(
                            line: example.line, point: name, expected: describe(expected),
                            found: "nothing: it is not given"
                        )
                    }
                    if matches(reading, expected, batch) { return nil }
                    return Failure(
                        line: example.line, point: name, expected: describe(expected), found: describe(reading, batch))
                }
        }
    }

    /// What a message says of its time and its device. Of a list, the first element's counts.
    private static func message(_ example: Example, _ map: DeviceMap) -> [Failure] {
        guard case .message(let topic, let payload) = example.given, case .mqtt(let form) = map.form else { return [] }
        var batch = Batch()
        let layout = MessageLayout(points: map.points, topic: topic, form: form)
        let contents = (try? layout.readAll(payload, into: &batch))?.first
        let whole = [example.deviceTopic, topic].filter { !$0.isEmpty }.joined(separator: "/")
        var failures: [Failure] = []
        func expect(_ what: String, _ expected: String, _ found: String) {
            if expected == found { return }
            failures.append(Failure(line: example.line, point: what, expected: expected, found: found))
        }
        if let wanted = example.time, let time = form.time {
            let found =
                switch time.read(time.leaf(of: contents, topic: whole), arrival: wanted) {
                case .time(let time): time.iso8601
                case .absent: "nothing: no time is given"
                case .unreadable: "none: it cannot be read in this format"
                case .impossible: "one that cannot be"
                }
            expect("time", wanted.iso8601, found)
        }
        if let wanted = example.device, let id = form.id {
            let parts = id.parts(of: whole, contents?.id)
            expect("device", wanted, parts?.joined(separator: "/") ?? "nothing: the message has no id")
        }
        return failures
    }

    /// Every point that the example gives enough to read.
    private static func read(_ example: Example, _ map: DeviceMap) -> ([String: Reading], Batch) {
        var batch = Batch()
        var readings: [String: Reading] = [:]
        func keep(_ point: Point, _ raw: (value: Value, quality: Quality, reason: Reason)) {
            var reading = Reading(
                series: SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), value: raw.value, quality: raw.quality,
                reason: raw.reason)
            point.interpret(&reading, texts: &batch)
            readings[point.name] = reading
        }
        switch example.given {
        case .registers(let tables):
            for point in map.points {
                guard case .register(let source) = point.source else { continue }
                let places = source.span
                let words = places.compactMap { tables[source.table]?[$0] }
                guard words.count == places.count else { continue }
                keep(point, words.withUnsafeBufferPointer { source.decode($0, into: &batch) })
            }
        case .message(let topic, let payload):
            guard case .mqtt(let form) = map.form else { break }
            let layout = MessageLayout(points: map.points, topic: topic, form: form)
            // Of a list, each point's last value.
            guard let items = try? layout.readAll(payload, into: &batch) else { break }
            for value in items.flatMap(\.values) {
                keep(map.points[value.point], (value.value, value.quality, value.reason))
            }
        }
        for point in map.points {
            guard let derived = point.derived else { continue }
            let inputs = derived.program.inputs.map { readings[$0.point] }
            readings[point.name] = derived.reading(SeriesNumber(raw: 0), within: point.range) { inputs[$0] }
        }
        return (readings, batch)
    }

    private static func matches(_ reading: Reading, _ expected: Example.Expected, _ batch: Batch) -> Bool {
        switch expected {
        case .quality(let quality): return reading.quality == quality
        case .whole(let wanted):
            guard reading.quality == .good, let distance = reading.value.distance(to: wanted) else { return false }
            if case .integer = reading.value { return distance == 0 }
            if case .unsigned = reading.value { return distance == 0 }
            return distance <= max(abs(wanted.asNumber ?? 0) * 1e-6, 1e-12)
        case .number(let wanted):
            guard reading.quality == .good, let found = reading.value.asNumber else { return false }
            if case .integer = reading.value { return found == wanted }
            // Single precision has seven digits.
            return abs(found - wanted) <= max(abs(wanted) * 1e-6, 1e-12)
        case .boolean(let wanted): return reading.quality == .good && reading.value == .boolean(wanted)
        case .text(let wanted):
            guard reading.quality == .good, case .text(let index) = reading.value else { return false }
            return batch.text(at: index) == wanted
        }
    }

    private static func describe(_ expected: Example.Expected) -> String {
        switch expected {
        case .number(let number): "\(number)"
        case .whole(let value): json(value)
        case .boolean(let boolean): "\(boolean)"
        case .text(let text): "“\(text)”"
        case .quality(let quality): "\(quality.name)"
        }
    }

    private static func json(_ value: Value) -> String {
        var out = ByteWriter()
        out.json(value, of: Batch())
        return String(decoding: out.bytes, as: UTF8.self)
    }

    private static func describe(_ reading: Reading, _ batch: Batch) -> String {
        var out = ByteWriter()
        out.json(reading.value, of: batch)
        let value = String(decoding: out.bytes, as: UTF8.self)
        if reading.quality == .good { return value }
        let reason = reading.reason == .none ? "" : ", \(reading.reason.name)"
        return "\(value) (\(reading.quality.name)\(reason))"
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Glibc

/// What a device publishes on one topic: what `MessageLayout` reads.
struct PayloadWriter: Sendable {
    private let points: [(point: SimulatedPoint, payload: MessageSource.Payload)]
    private let form: MQTTForm

    init(_ device: Plant.MQTTDevice, topic: String, id: String) {
        points = device.map.points.compactMap { point in
            guard case .message(let source) = point.source, source.topic == topic else { return nil }
            return (SimulatedPoint(point, of: id), source.payload)
        }
        form = device.form
    }

    func payload(at seconds: Double, id: String) -> [UInt8] {
        var tree = JSONTree.object([:])
        var registers: [Int: UInt16] = [:]
        for (point, payload) in points {
            switch payload {
            case .number: return Array("\(point.raw(at: seconds))".utf8)
            case .text: return Array(Self.text(point, seconds).utf8)
            case .registers(let address, let layout, _):
                for (offset, word) in SimulatedUnit.registers(of: point, layout, seconds).enumerated() {
                    registers[address + offset, default: 0] |= word
                }
            case .samples(let path, let figure):
                let samples = Self.samples(point, figure, seconds).map { JSONTree.literal("\($0)") }
                tree.set(.list(samples), at: path.steps[...])
                if case .path(let rate) = figure.rate { tree.set(.literal("\(Self.rate)"), at: rate.steps[...]) }
            case .rawSamples(let address, let layout, _, let figure):
                for (place, sample) in Self.samples(point, figure, seconds).enumerated() {
                    for (offset, word) in layout.registers(of: layout.pattern(of: sample) ?? 0).enumerated() {
                        registers[address + place * layout.registers + offset] = word
                    }
                }
            case .json(let path, let type): tree.set(Self.leaf(point, type, seconds), at: path.steps[...])
            }
        }
        if let last = registers.keys.max() {
            return (0...last).flatMap { [UInt8((registers[$0] ?? 0) >> 8), UInt8((registers[$0] ?? 0) & 0xFF)] }
        }
        if let time = form.time, case .path(let path) = time.place {
            tree.set(Self.time(seconds, time.format), at: path.steps[...])
        }
        if let path = form.id?.path { tree.set(.string(id), at: path.steps[...]) }
        if let items = form.items {
            var message = JSONTree.object([:])
            message.set(.list([tree]), at: items.steps[...])
            tree = message
        }
        var out = ByteWriter()
        tree.write(to: &out)
        return out.bytes
    }

    private static func leaf(_ point: SimulatedPoint, _ type: MessageSource.JSONType, _ seconds: Double) -> JSONTree {
        if !point.point.conversion.values.isEmpty { return .string(text(point, seconds)) }
        switch type {
        case .string: return .string("simulated")
        case .boolean: return .literal(point.isOn(at: seconds) ? "true" : "false")
        case .integer: return .literal("\(Int64(saturating: point.raw(at: seconds)))")
        case .number, .measured, .any: return .literal("\((point.raw(at: seconds) * 1_000).rounded() / 1_000)")
        }
    }

    /// Samples a second, where the message says how many.
    private static let rate = 6_400.0

    /// A tone whose root mean square is the point's value, in the middle of its band.
    private static func samples(_ point: SimulatedPoint, _ figure: SampleFigure, _ seconds: Double) -> [Double] {
        var (frequency, rate) = (Self.rate / 16, Self.rate)
        if case .hertz(let hertz) = figure.rate { rate = hertz }
        if case .band(let band) = figure.kind { frequency = (band.lowerBound + min(band.upperBound, rate / 2)) / 2 }
        let amplitude = point.raw(at: seconds) * 2.0.squareRoot()
        return (0..<512).map { place in
            let sample = amplitude * sin(2 * Double.pi * frequency / rate * Double(place))
            return (sample * 1_000).rounded() / 1_000
        }
    }

    private static func text(_ point: SimulatedPoint, _ seconds: Double) -> String {
        let wanted = Value.boolean(point.isOn(at: seconds))
        let values = point.point.conversion.values
        return values.first { $0.value == wanted }?.key ?? values.keys.min() ?? "simulated"
    }

    private static func time(_ seconds: Double, _ format: DeviceTime.Format) -> JSONTree {
        switch format {
        case .unix: .literal("\(seconds)")
        case .unixMilliseconds: .literal("\(Int64(seconds * 1e3))")
        case .unixMicroseconds: .literal("\(Int64(seconds * 1e6))")
        case .unixNanoseconds: .literal("\(Int64(seconds * 1e6))000")
        case .iso8601: .string(Timestamp(microseconds: Int64(seconds * 1e6)).iso8601)
        }
    }
}

/// JSON in the making, filled path by path.
indirect enum JSONTree {
    case object([String: JSONTree])
    case list([JSONTree])
    case string(String)
    /// A number, true, false or null, as it is written.
    case literal(String)

    mutating func set(_ leaf: JSONTree, at steps: ArraySlice<JSONPath.Step>) {
        guard let step = steps.first else {
            self = leaf
            return
        }
        let rest = steps.dropFirst()
        switch step {
        case .key(let key):
            var members: [String: JSONTree] = if case .object(let members) = self { members } else { [:] }
            members[key, default: .object([:])].set(leaf, at: rest)
            self = .object(members)
        case .element(let index):
            var elements: [JSONTree] = if case .list(let elements) = self { elements } else { [] }
            while elements.count <= index { elements.append(.literal("null")) }
            elements[index].set(leaf, at: rest)
            self = .list(elements)
        }
    }

    func write(to out: inout ByteWriter) {
        switch self {
        case .literal(let text): out.raw(text.utf8)
        case .string(let text): out.jsonString(text)
        case .list(let elements):
            out.byte(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.byte(UInt8(ascii: ",")) }
                element.write(to: &out)
            }
            out.byte(UInt8(ascii: "]"))
        case .object(let members):
            out.byte(UInt8(ascii: "{"))
            for (index, (key, member)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { out.byte(UInt8(ascii: ",")) }
                out.jsonString(key)
                out.byte(UInt8(ascii: ":"))
                member.write(to: &out)
            }
            out.byte(UInt8(ascii: "}"))
        }
    }
}

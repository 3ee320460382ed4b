// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import YAMLText

/// The `derived` of a map: points that are computed of its others; and of a configuration, of points of several devices.
public struct DerivedKeys {
    /// What is doubted is what is read.
    private static let filters = ["deadband", "max_interval", "min_interval", "swinging_door"]
    /// At least so far apart may what is put together be, in microseconds.
    private static let leastWithin: Int64 = 60_000_000

    /// The points that can be meant without a device.
    private let names: [String]
    /// What a formula's input is; nil where there is no such point.
    private let lookup: (Program.Input) -> Point?

    /// - Parameter points: what is read.
    init(points: [Point]) {
        self.init(names: points.map(\.name)) { input in
            input.device == nil ? points.first { $0.name == input.point } : nil
        }
    }

    public init(names: [String] = [], lookup: @escaping (Program.Input) -> Point?) {
        self.names = names
        self.lookup = lookup
    }

    public func points(_ listed: YAMLMapping) -> [Point] {
        listed.all().compactMap { name, value in
            guard let text = name.scalar, let mapping = value.mapping() else { return nil }
            defer { mapping.finish() }
            if !DeviceMapFile.isName(text) { name.problem(.invalidName, "must be a name of a-z, 0-9 and _", fix: "") }
            if names.contains(text) {
                name.problem(.nameTaken, "is already the name of a point under `points`", fix: "choose another name")
            }
            return point(named: text, PointKeys(mapping, defaults: nil))
        }
    }

    private func point(named name: String, _ keys: PointKeys) -> Point? {
        let unit = keys.take("unit").flatMap(PointKeys.unit)
        let lane = keys.lane
        let within = keys.take("within")?.duration(atLeast: 1_000)
        let written = keys.takeOwn("expr")
        if written == nil {
            keys.problem(.missingKey, "must have `expr`", fix: "write a formula: expr: sqrt(p*p + q*q)")
        }
        let text = written?.string() ?? ""
        let program = written.flatMap { self.program(text, unit, $0) }
        let isNumber = !(program?.isBoolean ?? false)
        let range = keys.take("range", where: isNumber).flatMap(PointKeys.range)
        let filters = keys.filters(isNumber: isNumber, lane, keys: Self.filters)
        guard let program else { return nil }
        let intervals = program.inputs.map { lookup($0)?.every }
        let slowest = intervals.compactMap(\.self).max()
        let derived = Derived(
            text: text, program: program, within: within ?? max(Self.leastWithin, (slowest ?? 0) &* 3),
            every: intervals.contains(nil) ? nil : slowest)
        return Point(
            name: name, unit: unit ?? "", kind: .gauge, lane: lane, source: .derived(derived), conversion: Conversion(),
            range: range, filters: filters)
    }

    private func program(_ text: String, _ unit: String?, _ written: YAMLValue) -> Program? {
        do throws(ExpressionError) {
            return try ExpressionCompiler.compile(text, unit: unit, names: names) { lookup($0)?.operand }
        } catch {
            written.problem(error.code, "\(error.message), at character \(error.offset + 1) of `\(text)`")
            return nil
        }
    }
}

extension Point {
    /// How often it is read, in microseconds; nil where it is told when its device likes.
    public var every: Int64? {
        switch source {
        case .register(let source): source.every
        case .derived(let derived): derived.every
        case .message: nil
        }
    }

    /// What it is to a formula.
    public var operand: ExpressionCompiler.Operand {
        if !conversion.labels.isEmpty { return .text(labels: Set(conversion.labels.values).sorted()) }
        if source.isText {
            let isTruth = conversion.values.values.contains { if case .boolean = $0 { true } else { false } }
            return isTruth ? .boolean : .text()
        }
        guard source.isNumber else { return .boolean }
        // What it is told in does not change what a formula says of it.
        return .number(
            unit: UnitOfMeasure(unit).flatMap { unit.isEmpty ? nil : $0 },
            told: report.flatMap { UnitOfMeasure($0.unit) })
    }
}

extension Point.Source {
    /// The numbers that its registers can say, before any scale; nil where there is no bound worth naming.
    var reach: ClosedRange<Double>? {
        // A power of ten that the device says moves them.
        if case .register(let register) = self, register.scaleFactor != nil { return nil }
        return layout?.reach
    }

    /// Whether its numbers are whole, before any scale.
    var isWhole: Bool {
        if case .register(let register) = self, register.scaleFactor != nil { return false }
        if let layout { return layout.type.isInteger }
        if case .message(let message) = self, case .json(_, .integer) = message.payload { return true }
        return false
    }

    fileprivate var isText: Bool {
        if let layout { return layout.type == .string }
        guard case .message(let message) = self else { return false }
        switch message.payload {
        case .text, .json(_, .string): return true
        case .json, .number, .registers, .samples, .rawSamples: return false
        }
    }
}

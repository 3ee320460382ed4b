// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// The registers of one simulated Modbus device.
struct SimulatedUnit: Sendable {
    private let points: [(point: SimulatedPoint, source: RegisterSource)]
    private let limits: ModbusLimits
    /// From the first to the last address of each table.
    private let spans: [RegisterTable: ClosedRange<Int>]
    /// Where somebody may write, and what somebody has written.
    private let writable: [RegisterTable: Set<Int>]
    private var written: [RegisterTable: [Int: UInt16]] = [:]

    init(_ device: Plant.ModbusDevice) {
        var points: [(point: SimulatedPoint, source: RegisterSource)] = []
        var spans: [RegisterTable: ClosedRange<Int>] = [:]
        var writable: [RegisterTable: Set<Int>] = [:]
        for point in device.map.points {
            guard case .register(let source) = point.source else { continue }
            if point.writable != nil { writable[source.table, default: []].formUnion(source.span) }
            points.append((SimulatedPoint(point, of: device.name), source))
            let (first, last) = (source.span.lowerBound, source.span.upperBound - 1)
            let known = spans[source.table] ?? first...last
            spans[source.table] = min(known.lowerBound, first)...max(known.upperBound, last)
        }
        self.points = points
        self.spans = spans
        self.writable = writable
        limits = if case .modbus(let limits) = device.map.form { limits } else { ModbusLimits() }
    }

    /// The registers or bits from `address` on at a moment; nil where the device has none there.
    func read(_ table: RegisterTable, at address: Int, count: Int, seconds: Double) -> [UInt16]? {
        let wanted = address..<(address + count)
        guard let span = spans[table], span.contains(address), span.contains(wanted.upperBound - 1) else { return nil }
        var words = [UInt16](repeating: 0, count: count)
        var covered = [Bool](repeating: false, count: count)
        for (point, source) in points where source.table == table {
            guard source.span.overlaps(wanted) else { continue }
            for (place, word) in Self.registers(of: point, source, seconds) where wanted.contains(place) {
                words[place - address] |= word
                covered[place - address] = true
            }
        }
        for (place, word) in written[table] ?? [:] where wanted.contains(place) { words[place - address] = word }
        // A map that reads through gaps says that the device allows it.
        return limits.gap > 0 || covered.allSatisfy(\.self) ? words : nil
    }

    /// - Returns: false where the map does not say that all of it is writable.
    mutating func write(_ table: RegisterTable, at address: Int, _ words: [UInt16]) -> Bool {
        let span = address..<(address + words.count)
        guard !words.isEmpty, span.allSatisfy({ writable[table]?.contains($0) ?? false }) else { return false }
        for (place, word) in zip(span, words) { written[table, default: [:]][place] = word }
        return true
    }

    /// The most a request may ask for.
    func limit(of table: RegisterTable) -> Int { table.holdsBits ? limits.bits : limits.registers }

    /// By address; with a scale factor of 10^-1 where there is one.
    private static func registers(
        of point: SimulatedPoint, _ source: RegisterSource, _ seconds: Double
    ) -> [(place: Int, word: UInt16)] {
        let words = registers(of: point, source.layout, seconds, factor: source.scaleFactor == nil ? 1 : 10)
        let own = zip(source.own, words).map { (place: $0, word: $1) }
        guard let factor = source.scaleFactor else { return own }
        return own + [(Int(factor), UInt16(bitPattern: -1))]
    }

    static func registers(
        of point: SimulatedPoint, _ layout: RegisterLayout, _ seconds: Double, factor: Double = 1
    ) -> [UInt16] {
        if layout.type == .string {
            let (text, all) = (layout.text ?? TextLayout(), "SIM \(point.point.name)")
            // As much of it as the registers hold.
            return (0...all.count).lazy.compactMap {
                text.registers(of: String(all.dropLast($0)), count: layout.length)
            }
            .first ?? Array(repeating: 0, count: layout.length)
        }
        let number = point.raw(at: seconds) * factor
        guard let bits = layout.bits else { return layout.registers(of: layout.pattern(of: number) ?? 0) }
        let mask = bits.count >= 64 ? UInt64.max : (1 << UInt64(bits.count)) - 1
        return layout.registers(of: (UInt64(max(0, number)) & mask) << UInt64(bits.lowerBound))
    }
}

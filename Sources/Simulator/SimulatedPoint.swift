// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Glibc
import Waiting

/// A plausible, moving value for one point of one device: the same at the same moment, so that runs can be compared.
struct SimulatedPoint: Sendable {
    let point: Point
    /// Differs between devices and points, 0 to 1.
    private let character: Double

    init(_ point: Point, of device: String) {
        self.point = point
        character = Spread.fraction(of: "\(device)/\(point.name)")
    }

    /// Whether the point is one of on and off.
    var isBoolean: Bool {
        switch point.source {
        case .register(let source): source.layout.type == .bool || source.layout.bits?.count == 1
        // Nobody sends it.
        case .derived: false
        case .message(let source):
            switch source.payload {
            case .json(_, let type): type == .boolean || point.conversion.values.values.contains(.boolean(true))
            case .registers(_, let layout, _): layout.bits?.count == 1
            case .samples, .rawSamples: false
            case .number, .text: point.conversion.values.values.contains(.boolean(true))
            }
        }
    }

    /// On for about a third of the time.
    func isOn(at seconds: Double) -> Bool {
        sin(seconds / 7 + character * 100) > 0.5
    }

    /// The raw number the device sends at a moment.
    /// - Parameter seconds: since 1970.
    func raw(at seconds: Double) -> Double {
        if isBoolean { return isOn(at: seconds) ? 1 : 0 }
        if !point.conversion.labels.isEmpty {
            let labels = point.conversion.labels.keys.sorted()
            return Double(labels[Int(seconds / 20 + character * 50) % labels.count])
        }
        return point.conversion.raw(of: value(at: seconds))
    }

    /// What it means.
    func value(at seconds: Double) -> Double {
        if point.kind == .counter {
            // Since the start of 2026, so that it goes on where an earlier run left it.
            let ends = point.range ?? 0...1e6
            let rate = 0.001 + character * 0.01
            return (character * 1_000 + (seconds - 1_767_225_600) * rate).truncatingRemainder(
                dividingBy: max(ends.upperBound, 1))
        }
        let (middle, swing) = Self.scene(point, character)
        let slow = sin(seconds / (40 + character * 200) + character * 6)
        let fast = sin(seconds * 1.7 + character * 40)
        return middle + swing * (0.8 * slow + 0.2 * fast)
    }

    /// Around which value it moves, and how far.
    private static func scene(_ point: Point, _ character: Double) -> (middle: Double, swing: Double) {
        let usual: [String: (Double, Double)] = [
            "V": (230, 4), "A": (4, 2), "W": (900, 400), "kW": (9, 4), "var": (120, 60), "V.A": (950, 400),
            "Hz": (50, 0.04), "Cel": (23, 3), "%": (48, 9), "hPa": (1_013, 6), "kPa": (101, 1), "m/s": (4, 2),
            "mm/s": (1.8, 0.7), "kW.h": (1_200, 0), "W.h": (1_200, 0), "lx": (400, 200),
        ]
        if let (middle, swing) = usual[point.unit], point.range?.contains(middle) ?? true {
            // Devices differ a little, by less than they swing.
            return (middle + swing * (character - 0.5), swing)
        }
        guard let range = point.range else { return (10 + 40 * character, 4) }
        let span = min(range.upperBound - range.lowerBound, 1_000)
        let start = range.lowerBound <= 0 && range.upperBound >= 0 ? 0 : range.lowerBound
        let middle = start + (range.upperBound - start) * (0.3 + 0.2 * character)
        return (middle, min(span * 0.05, abs(range.upperBound - middle)))
    }
}

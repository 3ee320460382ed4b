// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

/// The keys that say how a point is filtered: of a point in a map, and of an entry of `filters` in a configuration.
public enum FilterKeys {
    public static let all = [
        "deadband", "max_interval", "min_interval", "swinging_door", "spike", "stuck", "duplicates",
    ]
    /// Those that mean something for numbers only.
    static let ofNumbers: Set = ["swinging_door", "spike", "stuck"]

    /// - Parameters:
    ///   - take: the value of a key, nil where it is not there.
    ///   - canClear: whether `none` takes away what the map says.
    public static func changes(canClear: Bool, _ take: (String) -> YAMLValue?) -> [Filters.Change] {
        all.compactMap { key in
            guard let value = take(key) else { return nil }
            let isCleared = canClear && value.scalar == "none"
            return change(key, isCleared ? nil : value)
        }
    }

    /// - Parameter value: nil for none.
    private static func change(_ key: String, _ value: YAMLValue?) -> Filters.Change? {
        switch key {
        case "deadband": read(value, deadband).map(Filters.Change.deadband)
        case "max_interval": read(value) { $0.duration(atLeast: 1_000) }.map(Filters.Change.atLeast)
        case "min_interval": read(value) { $0.duration(atLeast: 1_000) }.map(Filters.Change.atMost)
        case "stuck": read(value) { $0.duration(atLeast: 1_000) }.map(Filters.Change.stuck)
        case "swinging_door": read(value, bound).map(Filters.Change.swing)
        case "spike": read(value, spike).map(Filters.Change.spike)
        case "duplicates":
            read(value) { $0.word(["drop": true, "keep": false]) }.map { .duplicates(isDropped: $0 ?? false) }
        default: nil
        }
    }

    /// - Returns: nil where the value is a mistake, which is recorded.
    private static func read<Read>(_ value: YAMLValue?, _ read: (YAMLValue) -> Read?) -> Read?? {
        guard let value else { return .some(nil) }
        return read(value).map { .some($0) }
    }

    static func deadband(_ value: YAMLValue) -> Deadband? {
        let text = value.scalar ?? ""
        let isPercent = text.hasSuffix("%")
        guard let number = Double(isPercent ? String(text.dropLast()) : text), number >= 0, number.isFinite else {
            value.problem(
                .invalidDeadband, "must be an amount in the unit of the point, or a percentage", fix: "write 0.05 or 1%"
            )
            return nil
        }
        return isPercent ? .relative(number / 100) : .absolute(number)
    }

    private static func bound(_ value: YAMLValue) -> Double? {
        guard let number = value.number() else { return nil }
        if number > 0 { return number }
        value.problem(
            .invalidDeadband, "must be greater than 0, in the unit of the point", fix: "write swinging_door: 0.5")
        return nil
    }

    private static func spike(_ value: YAMLValue) -> Filters.Spike? {
        var spike = Filters.Spike()
        guard value.isMapping, let mapping = value.mapping() else {
            spike.limit = value.number().flatMap { limit($0, value) } ?? spike.limit
            return spike
        }
        if let window = mapping.take("window")?.integer(in: 3...99) { spike.window = window }
        if let limit = mapping.take("limit"), let number = limit.number() {
            spike.limit = Self.limit(number, limit) ?? spike.limit
        }
        if let floor = mapping.take("floor"), let number = floor.number() {
            if number < 0 { floor.problem(.valueOutOfBounds, "must be at least 0, in the unit of the point") }
            spike.floor = number
        }
        if let send = mapping.take("send")?.word(["doubtful": true, "nothing": false]) { spike.isKept = send }
        mapping.finish()
        return spike
    }

    private static func limit(_ number: Double, _ value: YAMLValue) -> Double? {
        if number >= 1 { return number }
        value.problem(.valueOutOfBounds, "must be at least 1 standard deviation", fix: "3 is usual")
        return nil
    }
}

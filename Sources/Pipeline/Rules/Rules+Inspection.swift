// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// Rules that cannot raise an alarm as things are.

extension Rules {
    /// Why a rule can raise no alarm of a device as things are.
    public struct Impediment: Sendable {
        public enum Cause: Sendable {
            /// The last reading of an input is good, and too old to count.
            /// - Parameters:
            ///   - age: of the reading, in microseconds.
            ///   - validity: how long it counts.
            case stale(SeriesNumber, age: Int64, validity: Int64)
            /// The condition holds, and no reading says whether it still does before `for` is over.
            case holdUnknown
        }

        public var rule: String
        public var deviceID: String
        public var cause: Cause
    }

    /// So often in a row an input has to be too old.
    private static let fewestStale: UInt8 = 30
    private static let fewestBrokenHolds = 3

    /// Finds the rules that can raise no alarm now. A cause counts once thirty calls in a row have found it.
    /// - Returns: the causes, and the watches, as rule and device, that nothing impedes any more.
    public mutating func inspect() -> (found: [Impediment], over: [(rule: String, deviceID: String)]) {
        var (found, over) = ([Impediment](), [(rule: String, deviceID: String)]())
        if staleness.count < watches.count {
            staleness += repeatElement(0, count: watches.count - staleness.count)
            isImpeded += repeatElement(false, count: watches.count - isImpeded.count)
        }
        for number in watches.indices {
            let causes = impediments(of: number)
            if causes.isEmpty, !isImpeded[number] { continue }
            isImpeded[number] = !causes.isEmpty
            let (rule, device) = (watches[number].shared.rule.name, watches[number].deviceID)
            if causes.isEmpty { over.append((rule, device)) }
            found += causes.map { Impediment(rule: rule, deviceID: device, cause: $0) }
        }
        return (found, over)
    }

    private mutating func impediments(of number: Int) -> [Impediment.Cause] {
        var causes: [Impediment.Cause] = []
        if let stale = watches[number].staleInput(looks) {
            staleness[number] = min(staleness[number], .max - 1) + 1
            if staleness[number] >= Self.fewestStale, let series = looks.series(stale.look) {
                causes.append(.stale(series, age: stale.age, validity: stale.validity))
            }
        } else {
            staleness[number] = 0
        }
        if watches[number].brokenHolds >= Self.fewestBrokenHolds { causes.append(.holdUnknown) }
        return causes
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

extension Point {
    /// How much a counter counts before its registers begin again with zero, in the unit that it is told in; nil where
    /// nobody knows.
    public var counterSpan: Double? {
        guard kind == .counter, let reach = source.layout?.reach, reach.lowerBound == 0 else { return nil }
        let told = { (raw: Double) in
            let value = conversion.scaled(raw)
            return report?.scaling.scaled(value) ?? value
        }
        let span = told(reach.upperBound + 1) - told(0)
        return span > 0 ? span : nil
    }
}

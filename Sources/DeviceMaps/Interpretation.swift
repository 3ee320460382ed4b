// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

extension Point {
    /// Says `out_of_range` of a good number that lies outside the point's range, and bad of what is no number though
    /// the map gives a range for it.
    public static func check(_ range: ClosedRange<Double>, _ reading: inout Reading) {
        guard reading.quality == .good else { return }
        guard let isWithin = reading.value.lies(in: range) else { return reading.spoil(.bad, .wrongType) }
        if !isWithin { reading.quality = .outOfRange }
    }

    /// From raw to meaning, as the pipeline does it for batches.
    public func interpret(_ reading: inout Reading, texts batch: inout Batch) {
        conversion.apply(to: &reading, texts: &batch)
        if let range { Self.check(range, &reading) }
        report?.scaling.tell(&reading)
    }
}

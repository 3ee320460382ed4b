// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A point that is computed of others of its device.
public struct Derived: Sendable, Equatable {
    /// As it is written in the map.
    public var text: String
    public var program: Program
    /// How far apart the times of what it is computed of may be, in microseconds.
    public var within: Int64
    /// How often the slowest of what it is computed of is read, in microseconds; nil where one says when it likes.
    public var every: Int64?

    /// What the formula says of the last readings of its inputs; nil where it says nothing without one that was never read.
    ///
    /// First by those that are good and not older than `within` beside the newest, as a rule does: what is known by them
    /// alone, such as `a or b` where one of them is true, is good. Else it has the worst quality of its inputs: a bad one
    /// makes it bad, with the same reason, and a doubtful one doubtful.
    /// - Parameters:
    ///   - range: of the point.
    ///   - input: by its place in `program.inputs`.
    public func reading(
        _ series: SeriesNumber, within range: ClosedRange<Double>?, of input: (Int) -> Reading?
    ) -> Reading? {
        guard var reading = computed(series, of: input) else { return nil }
        if let range { Point.check(range, &reading) }
        return reading
    }

    private func computed(_ series: SeriesNumber, of input: (Int) -> Reading?) -> Reading? {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: program.inputs.count) { numbers in
            var reading = Reading(series: series, time: Timestamp(microseconds: .min), value: .none)
            for place in program.inputs.indices {
                if let one = input(place) { reading.time = max(reading.time, one.time) }
            }
            var isAllGood = true
            var isStale = false
            for place in program.inputs.indices {
                guard let one = input(place) else {
                    numbers[place] = .nan
                    isAllGood = false
                    continue
                }
                let isTooOld = reading.time.microseconds(since: one.time) > within
                let isKnown = one.quality == .good && !isTooOld && !one.value.isRoundedNumber
                let number = isKnown ? one.value.asTruth : nil
                isAllGood = isAllGood && number != nil
                isStale = isStale || isTooOld
                numbers[place] = number ?? .nan
            }
            var result = program.evaluate(UnsafeBufferPointer(numbers))
            if !result.isFinite, !isAllGood {
                for place in program.inputs.indices {
                    guard let one = input(place) else { return nil }
                    Self.degrade(&reading, by: one)
                    numbers[place] = one.value.asTruth ?? .nan
                }
                if reading.quality >= .absent {
                    reading.value = .none
                    return reading
                }
                if reading.quality == .good, isStale { (reading.quality, reading.reason) = (.uncertain, .stale) }
                result = program.evaluate(UnsafeBufferPointer(numbers))
            }
            guard result.isFinite else {
                reading.spoil(.bad, .notANumber)
                return reading
            }
            reading.value = program.isBoolean ? .boolean(result != 0) : .number(result)
            return reading
        }
    }

    private static func degrade(_ reading: inout Reading, by input: Reading) {
        if input.value.asTruth == nil, input.quality < .absent, reading.quality < .absent {
            return reading.spoil(.bad, .wrongType)
        }
        if input.quality == .good, input.value.isRoundedNumber, reading.quality == .good {
            (reading.quality, reading.reason) = (.uncertain, .imprecise)
        }
        guard input.quality > .good else { return }
        if input.quality >= .absent {
            guard input.quality > reading.quality else { return }
            (reading.quality, reading.reason) = (input.quality, input.reason)
        } else if reading.quality == .good {
            // Out of its range an input may be, and what it makes within that of the point.
            (reading.quality, reading.reason) = (.uncertain, .doubtfulInput)
        }
    }
}

extension Quality: Comparable {
    /// The better first.
    public static func < (one: Quality, other: Quality) -> Bool { one.rawValue < other.rawValue }
}

extension Value {
    /// As a number to compute with: yes is 1 and no is 0. Nil of what is none.
    public var asTruth: Double? {
        if case .boolean(let value) = self { return value ? 1 : 0 }
        return asNumber
    }

    /// Whether a formula, which computes in double precision, gets another number than this.
    public var isRoundedNumber: Bool { asNumber != nil && !isExactNumber }
}

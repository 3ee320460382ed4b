// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Keeps the shape of each series: in each interval its least, its greatest and its last value, each change of what is no
/// number, and where a value stops or starts being good.
///
/// Looks at all blocks of an interval first, then goes over them again.
struct Thinning {
    private struct Place: Hashable {
        var series: SeriesNumber
        var interval: Int64
    }

    private struct Shape {
        var least: (value: Double, at: Int)?
        var greatest: (value: Double, at: Int)?
        var last: Int
    }

    /// Microseconds.
    private let interval: Int64
    private var shapes: [Place: Shape] = [:]
    /// What a series had before, by what makes a change.
    private var before: [SeriesNumber: State] = [:]
    private var changes: Set<Int> = []
    private var looked = 0
    /// How many readings the blocks had before each.
    private var starts: [Int] = []

    private enum State: Equatable {
        case number(Quality)
        case boolean(Bool)
        case text(String)
        case nothing(Quality)
    }

    init(interval: Int64) {
        self.interval = max(1, interval)
    }

    mutating func look(at batch: Batch) {
        starts.append(looked)
        for event in batch.events {
            for position in event.readings {
                // Alarms and aggregates are whole or nothing.
                if event.kind == .telemetry { look(at: batch.readings[position], of: batch) }
                looked += 1
            }
        }
    }

    private mutating func look(at reading: Reading, of batch: Batch) {
        let state = Self.state(reading, of: batch)
        if before.updateValue(state, forKey: reading.series) != state { changes.insert(looked) }
        let place = Place(series: reading.series, interval: reading.time.microseconds / interval)
        var shape = shapes[place] ?? Shape(last: looked)
        shape.last = looked
        if reading.quality == .good, let value = reading.value.asNumber {
            if shape.least.map({ value < $0.value }) ?? true { shape.least = (value, looked) }
            if shape.greatest.map({ value > $0.value }) ?? true { shape.greatest = (value, looked) }
        }
        shapes[place] = shape
    }

    private static func state(_ reading: Reading, of batch: Batch) -> State {
        switch reading.value {
        case .none: .nothing(reading.quality)
        case .boolean(let value): .boolean(value)
        case .text(let index): .text(batch.text(at: index))
        case .number, .single, .integer, .unsigned: .number(reading.quality)
        }
    }

    /// A block without what its shape does not need.
    /// - Parameter number: which of those that were looked at, from 0.
    /// - Returns: also how many of its events have lost something.
    func thinned(_ opened: OpenedBlock, number: Int) -> (opened: OpenedBlock, changed: Int) {
        var thin = OpenedBlock(batch: Batch(), first: opened.first, sequences: [])
        var changed = 0
        for (place, event) in opened.batch.events.enumerated() {
            let count = thin.batch.readings.count
            var position = event.readings.lowerBound
            let eventsBefore = thin.batch.events.count
            thin.batch.append(event, of: opened.batch) { reading in
                defer { position += 1 }
                return event.kind != .telemetry || isNeeded(reading, starts[number] + position)
            }
            if thin.batch.readings.count - count < event.readings.count { changed += 1 }
            if thin.batch.events.count > eventsBefore { thin.sequences.append(opened.sequence(at: place)) }
        }
        return (thin, changed)
    }

    private func isNeeded(_ reading: Reading, _ at: Int) -> Bool {
        if changes.contains(at) { return true }
        guard let shape = shapes[Place(series: reading.series, interval: reading.time.microseconds / interval)] else {
            return true
        }
        return shape.last == at || shape.least?.at == at || shape.greatest?.at == at
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Events on their way, with their readings side by side so that stages change them in place.
public struct Batch: Sendable, Equatable {
    /// One event: what one device said at one moment, or something about it.
    public struct Event: Sendable, Equatable {
        public var detail: EventDetail
        public var device: DeviceNumber
        public var time: Timestamp
        /// The event's readings, as places in the batch's `readings`. Events follow one another without holes.
        public var readings: Range<Int>
        public var origin = Origin()

        public var kind: EventKind { detail.kind }

        /// Readings that a device gave; those of alarms and aggregates are copies and sums.
        public var measured: Int { kind == .telemetry ? readings.count : 0 }
    }

    public private(set) var events: [Event] = []
    public var readings: [Reading] = []
    public private(set) var texts: [String] = []
    /// Bytes of all texts: what makes a batch large beside its numbers.
    public private(set) var textBytes = 0
    /// Of all provenances, likewise.
    public private(set) var provenanceBytes = 0

    public init() {}

    public var isEmpty: Bool { events.isEmpty }

    /// Readings that devices gave.
    public var measured: Int { events.reduce(0) { $0 + $1.measured } }

    public mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        readings.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        textBytes = 0
        provenanceBytes = 0
    }

    // MARK: Building

    /// Adds a text that a value of this batch may then stand for.
    public mutating func text(_ text: String) -> Value {
        append(text: text)
        return .text(Int32(truncatingIfNeeded: texts.count - 1))
    }

    public func text(at index: Int32) -> String {
        texts.indices.contains(Int(index)) ? texts[Int(index)] : ""
    }

    /// Makes a telemetry event of the readings added since the last event. None without readings.
    public mutating func closeTelemetry(device: DeviceNumber, time: Timestamp, origin: Origin = Origin()) {
        guard events.last?.readings.upperBound ?? 0 < readings.count else { return }
        close(.telemetry, device: device, time: time, origin: origin)
    }

    public mutating func append(_ status: StatusChange, device: DeviceNumber, time: Timestamp) {
        append(.status(status), device: device, time: time)
    }

    public mutating func append(_ attempt: WriteAttempt, device: DeviceNumber, time: Timestamp) {
        append(.write(attempt), device: device, time: time)
    }

    public mutating func append(_ gap: Gap, time: Timestamp) {
        append(.gap(gap), device: .gateway, time: time)
    }

    private mutating func append(_ detail: EventDetail, device: DeviceNumber, time: Timestamp) {
        let end = readings.count
        events.append(Event(detail: detail, device: device, time: time, readings: end..<end))
    }

    /// Makes an event as it was stored, of the readings added since the last one.
    public mutating func close(
        _ detail: EventDetail, device: DeviceNumber, time: Timestamp, origin: Origin = Origin()
    ) {
        let start = events.last?.readings.upperBound ?? 0
        provenanceBytes += origin.provenance?.bytes ?? 0
        events.append(
            Event(detail: detail, device: device, time: time, readings: start..<readings.count, origin: origin))
    }

    /// Says of every event how far the system's clock was to be trusted.
    public mutating func mark(_ clock: ClockState) {
        for index in events.indices { events[index].origin.clock = clock }
    }

    /// Adds a text where reading back needs it at its old place.
    public mutating func append(text: String) {
        texts.append(text)
        textBytes += text.utf8.count
    }

    /// Adds an event of another batch with those of its readings that `isWanted`; a telemetry event needs one.
    public mutating func append(
        _ event: Event, of other: Batch, where isWanted: (Reading) -> Bool = { _ in true }
    ) {
        let start = readings.count
        for reading in other.readings[event.readings] where isWanted(reading) {
            var reading = reading
            if case .text(let index) = reading.value { reading.value = text(other.text(at: index)) }
            readings.append(reading)
        }
        guard event.kind != .telemetry || readings.count > start else { return }
        var event = event
        event.readings = start..<readings.count
        provenanceBytes += event.origin.provenance?.bytes ?? 0
        events.append(event)
    }

    public mutating func append(_ other: Batch) {
        for event in other.events { append(event, of: other) }
    }

    /// Adds readings behind those of their events.
    /// - Parameter more: in the order of the events.
    public mutating func insert(_ more: [(event: Int, reading: Reading)]) {
        guard let first = more.first else { return }
        if first.event == events.count - 1 {
            for one in more { readings.append(one.reading) }
            events[first.event].readings = events[first.event].readings.lowerBound..<readings.count
            return
        }
        var all: [Reading] = []
        all.reserveCapacity(readings.count + more.count)
        var next = more.startIndex
        for index in events.indices {
            let start = all.count
            all += readings[events[index].readings]
            while next < more.endIndex, more[next].event == index {
                all.append(more[next].reading)
                next += 1
            }
            events[index].readings = start..<all.count
        }
        readings = all
    }

    // MARK: Filtering

    /// Lets go of the readings that stages did not keep, and of the telemetry events left without any.
    /// - Returns: how many readings went.
    @discardableResult
    public mutating func compact() -> Int {
        let gone = Self.compact(&events, &readings)
        guard gone > 0 else { return 0 }
        events.removeAll { $0.kind == .telemetry && $0.readings.isEmpty }
        return gone
    }

    /// Lets go of the texts that no reading stands for any more.
    public mutating func dropUnusedTexts() {
        let old = texts
        texts.removeAll(keepingCapacity: true)
        textBytes = 0
        for index in readings.indices {
            guard case .text(let place) = readings[index].value else { continue }
            readings[index].value = text(old.indices.contains(Int(place)) ? old[Int(place)] : "")
        }
    }

    private static func compact(_ events: inout [Event], _ readings: inout [Reading]) -> Int {
        var kept = 0
        var all = readings.mutableSpan
        for index in events.indices {
            let start = kept
            for position in events[index].readings where all[position].isKept {
                if kept < position { all[kept] = all[position] }
                kept += 1
            }
            events[index].readings = start..<kept
        }
        let gone = all.count - kept
        if gone > 0 { readings.removeLast(gone) }
        return gone
    }
}

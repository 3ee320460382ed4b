// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Whether the system's clock was to be trusted as an event was made. The raw values are stored: never change the meaning
/// of one.
public enum ClockState: UInt8, Sendable, CaseIterable {
    case good = 0
    /// Nothing keeps it to the time of day (adjtimex(2): STA_UNSYNC).
    case unsynchronised = 1
    /// It was set, ahead or back, a moment ago.
    case jumped = 2

    /// The word that stands in events.
    public var name: StaticString {
        switch self {
        case .good: "good"
        case .unsynchronised: "unsynchronised"
        case .jumped: "jumped"
        }
    }
}

/// Where an event's time and readings come from.
public struct Origin: Hashable, Sendable {
    /// How far the time may be off, in microseconds: half of the longest way there and back. 0 where nobody knows, as of
    /// messages.
    public var uncertainty: UInt32
    public var clock: ClockState
    /// Whether a broker sent it again: an event of the same message may have been made before.
    public var isRedelivered: Bool
    /// Whether the device gave a time that cannot be read or cannot be: the event has the time of its arrival.
    public var isTimeRefused: Bool
    /// Where the configuration asks for it.
    public var provenance: Provenance?

    public init(
        uncertainty: UInt32 = 0, clock: ClockState = .good, isRedelivered: Bool = false,
        isTimeRefused: Bool = false, provenance: Provenance? = nil
    ) {
        self.uncertainty = uncertainty
        self.clock = clock
        self.isRedelivered = isRedelivered
        self.isTimeRefused = isTimeRefused
        self.provenance = provenance
    }
}

/// What readings were made of, so that they can be made again.
public struct Provenance: Hashable, Sendable {
    /// Registers or bits that were read in one request.
    public struct Span: Hashable, Sendable {
        public var table: String
        public var address: UInt16
        public var words: [UInt16]

        public init(table: String, address: UInt16, words: [UInt16]) {
            self.table = table
            self.address = address
            self.words = words
        }
    }

    /// Of the map's file, SHA-256 in hexadecimal.
    public var mapHash: String
    public var spans: [Span]

    /// What it takes in memory, about.
    var bytes: Int {
        spans.reduce(mapHash.utf8.count + 64) { $0 + MemoryLayout<Span>.stride + $1.words.count * 2 + 32 }
    }

    public init(mapHash: String, spans: [Span] = []) {
        self.mapHash = mapHash
        self.spans = spans
    }
}

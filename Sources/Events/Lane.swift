// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How urgent an event is. A critical one never waits behind a backlog of others.
/// The raw values are stored, and are the numbers of the outbox's tables.
public enum Lane: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case critical = 0
    case normal = 1
    case bulk = 2

    public var name: String {
        switch self {
        case .critical: "critical"
        case .normal: "normal"
        case .bulk: "bulk"
        }
    }

    public init?(name: String) {
        guard let lane = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = lane
    }
}

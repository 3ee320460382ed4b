// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc
import SQLite

/// Why the outbox cannot be opened or used.
public struct OutboxError: CodedError, Equatable {
    public enum Kind: Sendable {
        /// Another process has it open.
        case inUse
        /// It is no outbox, or another gateway's.
        case foreign
        /// It is an outbox, of which a part that all depends on is damaged.
        case damaged
        /// It is sealed with a key that is not there.
        case sealed
        /// It was made by a newer version.
        case newer
        /// The system or SQLite refused; it may be better later.
        case retry
    }

    public let kind: Kind
    public let description: String

    public var code: Code {
        switch kind {
        case .inUse: .outboxInUse
        case .sealed: .keyMissing
        case .foreign, .damaged, .newer, .retry: .outboxNotReadable
        }
    }

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    static func system(_ what: String, _ code: Int32) -> OutboxError {
        OutboxError(.retry, "\(what): \(String(cString: strerror(code)))")
    }
}

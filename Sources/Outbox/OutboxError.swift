// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SQLite

/// Why the outbox cannot be opened or used.
package struct OutboxError: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// Another process has it open.
        case inUse
        /// It was made by a newer version, or is no outbox.
        case foreign
        /// The system or SQLite refused; it may be better later.
        case retry
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    static func system(_ what: String, _ code: Int32) -> OutboxError {
        OutboxError(.retry, "\(what): \(String(cString: strerror(code)))")
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Synchronization

/// What parts have warned of.
public final class HeardWarnings: WarningSink {
    private let heard = Mutex([(name: String, count: Int, next: String)]())

    public init() {}

    public func warn(_ kind: Warning.Kind, of subject: String, count: Int, _ text: String, next: String) {
        heard.withLock { $0.append(("\(kind.rawValue) \(subject)", count, next)) }
    }

    public func clear(_ kind: Warning.Kind, of subject: String) {}

    /// How often, by kind and subject.
    public var counts: [String: Int] {
        heard.withLock { all in all.reduce(into: [:]) { $0[$1.name, default: 0] += $1.count } }
    }

    /// What to do, each as often as it was said.
    public var advice: [String] { heard.withLock { $0.map(\.next) } }
}

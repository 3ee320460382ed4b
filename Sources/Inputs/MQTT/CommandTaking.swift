// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import MQTT

/// Who understands what comes over a broker's command topic.
public protocol CommandTaking: Sendable {
    /// Without wildcards.
    var topic: String { get }

    /// Puts what is to be said of a command into the batch.
    /// - Returns: what is to be done once that is committed, in the order of the messages; nil where nothing is. Never
    ///   waits.
    func take(_ message: MQTTMessage, into batch: inout Batch) -> (@Sendable () -> Void)?
}

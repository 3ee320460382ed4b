// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging

/// A logger for each part, at its own level.
package struct Logs: Sendable {
    private let levels: [String: Logger.Level]

    /// - Parameter levels: by part; `default` for the others.
    package init(levels: [String: Logger.Level]) {
        self.levels = levels
    }

    package subscript(part: String) -> Logger {
        var logger = Logger(label: "headgate.\(part)")
        logger.logLevel = levels[part] ?? levels["default"] ?? .info
        return logger
    }
}

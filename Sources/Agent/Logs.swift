// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging

/// A logger for each part, at its own level.
public struct Logs: Sendable {
    private let levels: [String: Logger.Level]

    /// - Parameter levels: by part; `default` for the others.
    public init(levels: [String: Logger.Level]) {
        self.levels = levels
    }

    public subscript(part: String) -> Logger {
        var logger = Logger(label: "headgate.\(part)")
        logger.logLevel = levels[part] ?? levels["default"] ?? .info
        return logger
    }
}

extension Logger {
    /// For one-off questions to a device: what goes wrong is in the answer.
    static var silent: Logger {
        var logger = Logger(label: "headgate.silent")
        logger.logLevel = .critical
        return logger
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging

extension Logger {
    /// Logs a warning with its code, which the log shows before the message.
    public func warning(
        _ code: Code, _ message: @autoclosure () -> Logger.Message, metadata: Logger.Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(.warning, code, message(), metadata, file, function, line)
    }

    /// Logs an error with its code.
    public func error(
        _ code: Code, _ message: @autoclosure () -> Logger.Message, metadata: Logger.Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(.error, code, message(), metadata, file, function, line)
    }

    /// Logs a critical error with its code.
    public func critical(
        _ code: Code, _ message: @autoclosure () -> Logger.Message, metadata: Logger.Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(.critical, code, message(), metadata, file, function, line)
    }

    private func log(
        _ level: Logger.Level, _ code: Code, _ message: @autoclosure () -> Logger.Message, _ metadata: Logger.Metadata,
        _ file: String, _ function: String, _ line: UInt
    ) {
        guard level >= logLevel else { return }
        var metadata = metadata
        metadata["code"] = "\(code)"
        log(level: level, message(), metadata: metadata, file: file, function: function, line: line)
    }
}

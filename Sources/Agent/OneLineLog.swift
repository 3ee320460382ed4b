// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging

/// Writes each entry as one line, whatever is in it: a name or a topic that a stranger chose must not look like an entry
/// of its own, nor command the terminal that shows it. The code of a warning or an error is the start of its message.
struct OneLineLog: LogHandler {
    private var inner: StreamLogHandler

    init(label: String) {
        inner = .standardError(label: label)
    }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = Self.oneLine(newValue) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: PrintableText.line(key)] = newValue.map(Self.oneLine) }
    }

    func log(event: LogEvent) {
        var event = event
        let code = event.metadata?.removeValue(forKey: "code").map { "\($0): " } ?? ""
        event.message = "\(code)\(PrintableText.line(event.message.description))"
        event.metadata = event.metadata.map(Self.oneLine)
        if let error = event.error {
            event.metadata = (event.metadata ?? [:]).merging(["error": "\(PrintableText.line("\(error)"))"]) { $1 }
            event.error = nil
        }
        inner.log(event: event)
    }

    private static func oneLine(_ metadata: Logger.Metadata) -> Logger.Metadata {
        Dictionary(
            metadata.map { (PrintableText.line($0), oneLine($1)) }, uniquingKeysWith: { first, _ in first })
    }

    private static func oneLine(_ value: Logger.MetadataValue) -> Logger.MetadataValue {
        "\(PrintableText.line(value.description))"
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Waiting

/// Prints events, a line each. What reads them is not asked to confirm, so an event is settled once it is written.
public actor StandardOutput: Output {
    nonisolated private let executor = BlockingExecutor(label: "stdout")
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    public init() {}

    public func send(_ window: Outgoing) -> SendOutcome {
        for (index, message) in window.messages.enumerated() {
            var line = Array(window.bytes[message.payload])
            line.append(UInt8(ascii: "\n"))
            guard Self.write(line) else {
                return SendOutcome(
                    settled: index, failure: OutputFailure("standard output: \(String(cString: strerror(errno)))"))
            }
        }
        return SendOutcome(settled: window.messages.count)
    }

    private static func write(_ bytes: [UInt8]) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }

    public func tend() {}
    public func close() {}
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Readings with their times, and the events that are to come of them.
struct TrialCase {
    struct Step {
        /// Microseconds from the start.
        var at: Int64
        var device: String
        var said: [(point: String, said: Trial.Said)]
    }

    struct Expectation {
        enum What {
            case alarm(rule: String, phase: String, reason: String?, priority: String?)
            /// - Parameters:
            ///   - from: microseconds from the start.
            ///   - points: figures by point.
            case window(name: String, from: Int64?, points: [String: [String: Double]])
            case readings([String: Trial.Said])

            /// What is told of it.
            var kind: EventKind {
                switch self {
                case .alarm: .alarm
                case .window: .aggregate
                case .readings: .telemetry
                }
            }
        }

        var line: Int
        /// As it is written.
        var text: String
        var at: Int64?
        var device: String?
        var what: What
    }

    var name: String
    var line: Int
    var start: Timestamp
    /// In the order of their times.
    var steps: [Step] = []
    /// Microseconds.
    var length: Int64 = 0
    var expected: [Expectation] = []

    func moment(_ at: Int64) -> Timestamp { start.advanced(byMicroseconds: at) }
}

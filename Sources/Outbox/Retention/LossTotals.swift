// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// The number of lost events by output and cause, for the operator.
public struct LossTotals: Sendable {
    public struct Entry: Sendable {
        public var output: String
        public var cause: Gap.Cause
        /// 0 where the number is unknown, as of a damaged file.
        public var events: UInt64
        public var since: Timestamp
        public var last: Timestamp
    }

    public private(set) var entries: [Entry] = []
    private let outputs: [String]

    /// - Parameter outputs: the names of all outputs.
    init(of gaps: [Gap] = [], outputs: [String]) {
        self.outputs = outputs
        for gap in gaps { add(gap) }
    }

    /// The outputs that a gap affects: events lost before they are stored are lost for all outputs.
    func outputs(of gap: Gap) -> [String] { gap.outputs.isEmpty ? outputs : gap.outputs }

    mutating func add(_ gap: Gap) {
        for output in self.outputs(of: gap) {
            if let place = entries.firstIndex(where: { $0.output == output && $0.cause == gap.cause }) {
                let (sum, isTooMuch) = entries[place].events.addingReportingOverflow(gap.count)
                entries[place].events = isTooMuch ? .max : sum
                entries[place].since = min(entries[place].since, gap.since)
                entries[place].last = max(entries[place].last, gap.until)
            } else {
                entries.append(
                    Entry(output: output, cause: gap.cause, events: gap.count, since: gap.since, last: gap.until))
            }
        }
    }
}

extension Gap.Cause {
    /// The cause, in a sentence.
    var explanation: String {
        switch self {
        case .maxSize: "events are lost: the outbox is full (`outbox: max_size`)"
        case .maxAge: "events are lost: they waited for longer than `outbox: max_age`"
        case .databaseLost: "events are lost: the database of the outbox was missing or could not be used"
        case .corruptBlock: "events are lost: a part of the database of the outbox is damaged"
        case .overload: "events are lost: readings arrive faster than they can be stored"
        case .deadLetters: "dead letters are lost: there were more than the outbox keeps"
        case .logLost: "events are lost: the log of the last commits was missing"
        case .thinned: "events are thinned: the outbox is full (`outbox: max_size`)"
        case .diskFull: "events are lost: the disk is full"
        case .tooManyDevices: "events are lost: messages come from more devices than `max_devices`"
        }
    }

    /// What to do about it.
    var remedy: String {
        switch self {
        case .maxSize, .thinned:
            "check why the output does not send them (`headgate status`), or write a larger `max_size`"
        case .maxAge: "check why the output does not send them (`headgate status`), or write a longer `max_age`"
        case .databaseLost, .corruptBlock, .logLost: "check the disk, and which program writes to the state folder"
        case .overload: "poll less often, filter more, or use a faster disk"
        case .deadLetters: "check the reasons: headgate outbox dead list"
        case .diskFull: "free space on the disk"
        case .tooManyDevices: "raise `max_devices`, or list the allowed IDs in `ids`"
        }
    }
}

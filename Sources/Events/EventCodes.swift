// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

// The codes of the words in events and warnings. A word and its code are stored or sent by others: neither changes.

extension Reason {
    /// `HG2000` and the stored number; nil for `none`.
    public var code: Code? { self == .none ? nil : Code(rawValue: 2_000 + UInt16(rawValue)) }
}

extension Gap.Cause {
    /// `HG2100` and the stored number.
    public var code: Code? { Code(rawValue: 2_100 + UInt16(rawValue)) }
}

extension Alarm.Remark {
    /// `HG2200` and the stored number; nil for `none`.
    public var code: Code? { self == .none ? nil : Code(rawValue: 2_200 + UInt16(rawValue)) }
}

extension WriteAttempt {
    /// The code of `reason`; nil where nothing went wrong.
    public var code: Code? { Self.code(ofReason: reason) }

    /// The code of the reason of a write: one of a write alone, or the reason of a reading.
    public static func code(ofReason reason: String) -> Code? {
        codes[reason] ?? Reason.allCases.first { "\($0.name)" == reason }?.code
    }

    private static let codes: [String: Code] = [
        "unknown_device": .writeUnknownDevice, "not_allowed": .writeNotAllowed, "unknown_point": .writeUnknownPoint,
        "not_writable": .writeNotWritable, "out_of_range": .writeOutOfRange, "wrong_type": .writeWrongType,
        "ambiguous": .writeAmbiguous, "unknown_label": .writeUnknownLabel,
        "not_representable": .writeNotRepresentable, "expired": .writeExpired,
        "deadline_too_far": .writeDeadlineTooFar, "stopping": .writeStopping, "busy": .writeBusy,
        "not_kept": .writeNotKept, "absent_register": .writeAbsentRegister, "retained": .commandRetained,
        "no_deadline": .commandWithoutDeadline, "no_id": .commandWithoutID, "clock_unset": .commandClockUnset,
        "duplicate": .commandDuplicate, "too_many_commands": .commandTooMany, "ids_lost": .commandIDsLost,
        "disk_failed": .commandIDsNotSaved, "malformed": .commandNotJSON,
    ]
}

extension Warning.Kind {
    public var code: Code {
        switch self {
        case .ruleInputsStale: .ruleInputsStale
        case .ruleHoldUnknown: .ruleHoldUnknown
        case .linkDown: .linkDown
        case .clientIDTaken: .clientIDInUse
        case .sessionLeft: .sessionLeft
        case .subscriptionRefused: .subscriptionRefused
        case .messageRefused: .messageRefused
        case .tooManyDevices: .tooManyDevices
        case .devicesMerged: .devicesMerged
        case .pollsLost: .pollsLost
        case .otherUnitAnswered: .otherUnitAnswered
        case .dialInRefused: .dialInRefused
        case .allPointsRefused: .allPointsRefused
        case .neverHeard: .neverHeard
        case .pointNeverRead: .pointNeverRead
        case .deviceTime: .deviceTimeRefused
        case .deviceTimeMissing: .deviceTimeMissing
        case .outputDown: .outputDown
        case .topicRefused: .topicRefused
        case .stateFileDamaged: .stateFileDamaged
        case .eventsLost: .eventsLost
        case .adminRequestRefused: .adminRequestRefused
        case .adminConnectionsClosed: .adminConnectionsClosed
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// How far a value can be trusted. The raw values are stored: never change the meaning of one.
public enum Quality: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case good = 0
    /// The device answered, but what it said has no meaning in the map (a number without a label).
    case uncertain = 1
    /// Outside the range the map gives for it.
    case outOfRange = 2
    /// The device says that it has no value.
    case absent = 3
    /// It could not be read; the reason says why.
    case bad = 4

    /// The word that stands in events.
    public var name: StaticString {
        switch self {
        case .good: "good"
        case .uncertain: "uncertain"
        case .outOfRange: "out_of_range"
        case .absent: "absent"
        case .bad: "bad"
        }
    }
}

/// Why a reading is not good. The raw values are stored: never change the meaning of one.
public enum Reason: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case none = 0
    case timeout = 1
    case disconnected = 2
    case garbledAnswer = 3
    case linkSetup = 4
    case illegalFunction = 5
    case illegalAddress = 6
    case illegalValue = 7
    case deviceFailure = 8
    case deviceBusy = 9
    case gatewayPath = 10
    case gatewayTarget = 11
    /// Another Modbus exception.
    case exception = 12
    /// The device is offline.
    case offline = 13
    /// NaN or an infinity that the map does not list as `absent`.
    case notANumber = 14
    /// A raw number that the map's `labels` or `values` do not name.
    case unknownLabel = 15
    /// The payload has something else where the map expects this type (a text for a number).
    case wrongType = 16
    /// Digits that no binary-coded decimal has.
    case notDecimal = 17
    /// The payload is shorter than the map says.
    case tooShort = 18
    /// A retained MQTT message without a time of its own: nobody knows how old it is.
    case retained = 19
    /// A text longer than any that is kept.
    case tooLong = 20
    /// Nothing was heard of it for much longer than is usual for it.
    case silent = 21
    /// The device does not say which power of ten its value is to be multiplied with.
    case noScaleFactor = 22
    /// Messages of its edge node are lost, which may have said what this one means.
    case sequenceGap = 23
    /// The device itself says that the value is not to be trusted.
    case deviceQuality = 24
    /// Its edge node, or the broker for it, says that it is gone.
    case death = 25
    /// The device no longer has the point.
    case withdrawn = 26
    /// It answers, and does not say by SunSpec what it has.
    case notSunSpec = 27
    /// Far from the values before it.
    case spike = 28
    /// It has not moved at all for longer than can be expected.
    case stuck = 29
    /// It is computed of a value that is not good.
    case doubtfulInput = 30
    /// What it is computed of is of different times.
    case stale = 31
    /// A whole number of more digits than can be kept exactly.
    case imprecise = 32
    /// Bytes that are no text in the encoding that it should have.
    case notText = 33
    /// Another unit answered than the one that was asked.
    case otherUnit = 34
    /// No address of the device's host is known.
    case unknownHost = 35
    /// The host is there, and nothing listens at the port.
    case connectionRefused = 36
    /// The connection was not answered in time.
    case connectTimeout = 37
    /// There is no way to the host.
    case hostUnreachable = 38
    /// No device has dialled in.
    case notConnected = 39
    /// The serial line is not there.
    case noSuchDevice = 40
    /// The gateway may not use the serial line.
    case permissionDenied = 41
    /// The system allows no more open files.
    case noFileDescriptors = 42
    /// Exceptions 5, 7 and 8 of Modbus.
    case acknowledge = 43
    case negativeAcknowledge = 44
    case memoryParity = 45

    /// The word that stands in events.
    public var name: StaticString {
        switch self {
        case .none: "none"
        case .timeout: "timeout"
        case .disconnected: "disconnected"
        case .garbledAnswer: "garbled_answer"
        case .linkSetup: "link_setup"
        case .illegalFunction: "illegal_function"
        case .illegalAddress: "illegal_address"
        case .illegalValue: "illegal_value"
        case .deviceFailure: "device_failure"
        case .deviceBusy: "device_busy"
        case .gatewayPath: "gateway_path"
        case .gatewayTarget: "gateway_target"
        case .exception: "exception"
        case .offline: "offline"
        case .notANumber: "not_a_number"
        case .unknownLabel: "unknown_label"
        case .wrongType: "wrong_type"
        case .notDecimal: "not_decimal"
        case .tooShort: "too_short"
        case .retained: "retained"
        case .tooLong: "too_long"
        case .silent: "silent"
        case .noScaleFactor: "no_scale_factor"
        case .sequenceGap: "sequence_gap"
        case .deviceQuality: "device_quality"
        case .death: "death"
        case .withdrawn: "withdrawn"
        case .notSunSpec: "not_sunspec"
        case .spike: "spike"
        case .stuck: "stuck"
        case .doubtfulInput: "doubtful_input"
        case .stale: "stale"
        case .imprecise: "imprecise"
        case .notText: "not_text"
        case .otherUnit: "other_unit"
        case .unknownHost: "unknown_host"
        case .connectionRefused: "connection_refused"
        case .connectTimeout: "connect_timeout"
        case .hostUnreachable: "host_unreachable"
        case .notConnected: "not_connected"
        case .noSuchDevice: "no_such_device"
        case .permissionDenied: "permission_denied"
        case .noFileDescriptors: "no_file_descriptors"
        case .acknowledge: "acknowledge"
        case .negativeAcknowledge: "negative_acknowledge"
        case .memoryParity: "memory_parity"
        }
    }
}

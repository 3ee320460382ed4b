// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

extension MessageRouter {
    /// Why a message gave nothing, or not all that it could.
    enum Refusal: Error, Equatable {
        /// No device has this topic.
        case unmatched
        case malformed(device: String, JSONError)
        /// The map takes the device's id from the message, and it is not there.
        case noID(device: String)
        /// One more device than messages may bring.
        case tooManyDevices(device: String)
        /// It lacks what the map says that its messages have: another product behind the same wildcard.
        case notOfMap(device: String)
        /// The configuration does not allow a device of this id.
        case notAllowed(device: String)
        /// It has none of the points of its topic.
        case nothing
        /// A word that is neither in `online` nor in `offline`.
        case unknownPresence(device: String)

        /// Behind a wildcard, other products and devices are expected.
        var isExpected: Bool {
            switch self {
            case .unmatched, .notOfMap, .notAllowed, .nothing: true
            case .malformed, .noID, .tooManyDevices, .unknownPresence: false
            }
        }

        /// Of several refusals of a message, the first that an operator has to know of counts.
        func isMoreTelling(than other: Refusal?) -> Bool { other.map { $0.isExpected && !isExpected } ?? true }

        /// As metrics call it.
        enum Cause: String, CaseIterable {
            case unmatched
            case malformed
            case noID = "no_id"
            case tooManyDevices = "too_many_devices"
            case notOfMap = "not_of_map"
            case notAllowed = "not_allowed"
            case nothing
            case unknownPresence = "unknown_presence"
        }

        var cause: Cause {
            switch self {
            case .unmatched: .unmatched
            case .malformed: .malformed
            case .noID: .noID
            case .tooManyDevices: .tooManyDevices
            case .notOfMap: .notOfMap
            case .notAllowed: .notAllowed
            case .nothing: .nothing
            case .unknownPresence: .unknownPresence
            }
        }
    }
}

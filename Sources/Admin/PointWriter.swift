// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import FoundationEssentials
import NIOCore
import Schemas

/// Somebody wants a point of a device written.
public struct WriteRequest: Sendable {
    public var device: String
    public var point: String
    /// As in a command line: a number, true, false or a label.
    public var value: String
    public var by: String
    /// The longest it may wait before it is begun, in milliseconds.
    public var within: Int

    public init(device: String, point: String, value: String, by: String, within: Int) {
        self.device = device
        self.point = point
        self.value = value
        self.by = by
        self.within = within
    }
}

/// What became of it.
public struct WriteReport: Codable, Sendable {
    /// The same in the events of it.
    public var id: String
    public var device: String
    public var point: String
    /// What it was to become.
    public var value: JSONDocument
    /// done, refused (nothing was sent to the device) or failed.
    public var phase: String
    public var reason: String?
    /// The code of the reason.
    public var code: String?
    /// The reason in words.
    public var explanation: String?
    /// What was read back.
    public var found: JSONDocument?

    public init(
        id: String, device: String, point: String, value: JSONDocument, phase: String, reason: String?, code: Code?,
        explanation: String?,
        found: JSONDocument?
    ) {
        self.id = id
        self.device = device
        self.point = point
        self.value = value
        self.phase = phase
        self.reason = reason
        self.code = code?.description
        self.explanation = explanation
        self.found = found
    }
}

/// Who writes points, where the configuration allows it.
public protocol PointWriter: Sendable {
    /// Waits until the device has it, or has it not.
    func write(_ request: WriteRequest) async -> WriteReport
}

extension AdminClient {
    /// Has the running gateway write a point.
    public func write(_ request: WriteRequest) async throws -> WriteReport {
        let path = Self.path(
            "/api/write",
            [
                ("device", request.device), ("point", request.point), ("value", request.value), ("by", request.by),
                ("within_ms", "\(request.within)"),
            ])
        try await requireAnswer()
        let patience = Self.patience + .milliseconds(Int64(clamping: request.within))
        return try APIJSON.decode(WriteReport.self, from: await post(path, patience: patience))
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin

/// A point written by the running gateway.
public enum RemoteWrite {
    /// - Throws: where no gateway answers, or another than the configuration's.
    public static func write(_ request: WriteRequest, _ configuration: Configuration) async throws -> WriteReport {
        _ = try await RunningGateway.status(of: configuration)
        return try await RunningGateway.client(of: configuration).write(request)
    }
}

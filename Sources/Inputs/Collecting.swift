// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What inputs hand their batches to.
public protocol Collecting: Sendable {
    /// Makes a series known before its first reading comes.
    func add(_ series: SeriesNumber, _ point: Point)

    /// Takes readings that cannot be asked for again. Never waits; empties the batch.
    func take(_ batch: inout Batch)

    /// Takes readings whose source waits for an acknowledgement. Returns true once they survive a power cut; false
    /// where the gateway stops before that, and nothing may be acknowledged.
    func takeDurably(_ batch: Batch) async -> Bool
}

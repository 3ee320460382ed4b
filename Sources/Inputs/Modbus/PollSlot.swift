// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

/// What is needed of a point for each of its readings: small and trivially copied, where a point would retain and
/// release what it refers to.
struct PollSlot {
    var series: SeriesNumber
    var address: UInt16
    var layout: RegisterLayout
    var hasAbsent: Bool
    var hasScaleFactor: Bool
    var isCritical: Bool

    init(_ point: ModbusDevice.Point) {
        series = point.series
        address = point.source.address
        layout = point.source.layout
        hasAbsent = !point.source.absent.isEmpty
        hasScaleFactor = point.source.scaleFactor != nil
        isCritical = point.lane == .critical
    }
}

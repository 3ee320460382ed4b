// Headgate
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Every device and series there is or was, by number.
///
/// Only ever grows: what is stored refers to it by number, and is read back under the description it was stored with,
/// whatever the configuration says by then. A device whose map or tags change gets a new number.
public final class Catalog: Sendable {
    /// What the catalog held at one moment. Cheap to copy.
    public struct Contents: Sendable {
        public fileprivate(set) var devices: [Device] = []
        public fileprivate(set) var series: [Series] = []

        public init() {}

        public subscript(number: DeviceNumber) -> Device? {
            devices.indices.contains(number.index) ? devices[number.index] : nil
        }

        public subscript(number: SeriesNumber) -> Series? {
            series.indices.contains(number.index) ? series[number.index] : nil
        }

        /// Whether everything a batch refers to is known. Where a description was damaged on the disk it is not, and
        /// what refers to it cannot be told from something else.
        public func describes(_ batch: Batch) -> Bool {
            batch.events.allSatisfy { $0.device == .gateway || self[$0.device].map { !$0.id.isEmpty } ?? false }
                && batch.readings.allSatisfy { self[$0.series].map { !$0.point.isEmpty } ?? false }
        }
    }

    private struct State {
        var contents: Contents
        var deviceNumbers: [Device: DeviceNumber] = [:]
        var seriesNumbers: [Series: SeriesNumber] = [:]
    }

    private let state: Mutex<State>

    /// - Parameters: what was kept from earlier runs, in the order of its numbers.
    public init(devices: [Device] = [], series: [Series] = []) {
        var state = State(contents: Contents())
        state.contents.devices = devices
        state.contents.series = series
        for (index, device) in devices.enumerated() {
            state.deviceNumbers[device] = DeviceNumber(raw: Int32(index))
        }
        for (index, one) in series.enumerated() {
            state.seriesNumbers[one] = SeriesNumber(raw: Int32(index))
        }
        self.state = Mutex(state)
    }

    public var contents: Contents {
        state.withLock { $0.contents }
    }

    public func number(of device: Device) -> DeviceNumber {
        state.withLock { state in
            if let known = state.deviceNumbers[device] { return known }
            let number = DeviceNumber(raw: Int32(state.contents.devices.count))
            state.contents.devices.append(device)
            state.deviceNumbers[device] = number
            return number
        }
    }

    /// The number of a device that there is or was.
    public func known(_ device: Device) -> DeviceNumber? {
        state.withLock { $0.deviceNumbers[device] }
    }

    public func number(of series: Series) -> SeriesNumber {
        state.withLock { state in
            if let known = state.seriesNumbers[series] { return known }
            let number = SeriesNumber(raw: Int32(state.contents.series.count))
            state.contents.series.append(series)
            state.seriesNumbers[series] = number
            return number
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Outbox
import Pipeline
import Synchronization

/// Which series the windows of the configuration are about.
final class WindowPlan: Sendable {
    private let windows: [ConfiguredWindow]
    private let minimise: MinimiseRules
    private let devices: [Configuration.ConfiguredDevice]
    private let known = Mutex<[SeriesNumber: Windows.Membership]>([:])

    init(_ configuration: Configuration) {
        windows = configuration.windows
        minimise = configuration.minimise
        devices = configuration.devices
    }

    var isEmpty: Bool { windows.isEmpty }

    /// Makes a point known.
    /// - Returns: whether its readings are told of beside what they amount to; nil where no window is about it.
    func add(_ number: SeriesNumber, _ point: Point, _ catalog: Catalog) -> Bool? {
        guard !windows.isEmpty, let device = device(of: number, catalog) else { return nil }
        let meant = windows.filter { $0.isMeant(for: point, of: device.described) }
        let isCounter = point.kind == .counter
        return add(meant, WindowPoint(series: number, isCounter: isCounter, span: point.counterSpan), device.number)
    }

    /// A point of which only the series is known, as a birth has brought it.
    func add(_ number: SeriesNumber, _ catalog: Catalog) -> Bool? {
        guard !windows.isEmpty, let device = device(of: number, catalog),
            let name = catalog.contents[number]?.point
        else { return nil }
        let meant = windows.filter { $0.isMeant(for: name, of: device.described) }
        return add(meant, WindowPoint(series: number), device.number)
    }

    private func add(_ meant: [ConfiguredWindow], _ point: WindowPoint, _ device: DeviceNumber) -> Bool? {
        guard !meant.isEmpty else { return nil }
        let membership = Windows.Membership(point: point, device: device, windows: meant.map(\.window))
        known.withLock { $0[point.series] = membership }
        return meant.allSatisfy(\.keepsRaw)
    }

    private func device(of number: SeriesNumber, _ catalog: Catalog) -> (number: DeviceNumber, described: Device)? {
        let contents = catalog.contents
        guard let series = contents[number], let device = contents[series.device] else { return nil }
        return (series.device, device)
    }

    func membership(_ series: SeriesNumber) -> Windows.Membership? { known.withLock { $0[series] } }

    fileprivate var minimised: String { minimise.word }

    /// Whether something of a series is taken away before windows have it.
    fileprivate func isMinimised(_ number: SeriesNumber, _ contents: Catalog.Contents) -> Bool {
        guard let series = contents[number], let device = contents[series.device] else { return true }
        return minimise.way(of: series.point, device) != nil
    }

    /// Whether a window that was open when the gateway stopped is still wanted.
    fileprivate func isWanted(_ point: WindowPoint, _ window: Window, _ contents: Catalog.Contents) -> Bool {
        guard let series = contents[point.series], let device = contents[series.device],
            devices.named(device.id) != nil
        else { return false }
        return windows.contains { $0.window == window && $0.isMeant(for: series.point, of: device) }
    }
}

/// The windows, as the outbox has them.
struct WindowCondenser: Condensing {
    private var windows: Windows
    private let plan: WindowPlan
    private let catalog: Catalog
    /// What was taken away when the state was written down.
    private var minimised: String

    init(_ plan: WindowPlan, _ catalog: Catalog) {
        minimised = plan.minimised
        windows = Windows { plan.membership($0) }
        self.plan = plan
        self.catalog = catalog
    }

    mutating func take(_ readings: [Reading], at now: Timestamp) -> Batch {
        var batch = Batch()
        windows.take(readings, now: now, into: &batch)
        return batch
    }

    var nextDue: Timestamp? { windows.nextDue }
    /// With what was taken away then: what was not is not told later.
    var state: [UInt8] {
        var out = ByteWriter()
        out.string(plan.minimised)
        out.raw(windows.state)
        return out.bytes
    }
    var isChanged: Bool { windows.isChanged }
    mutating func wasKept() { windows.isChanged = false }
    mutating func restore(_ state: [UInt8]) throws {
        var reader = ByteReader(state)
        minimised = try reader.string()
        try windows.restore(Array(try reader.raw(reader.remaining)))
    }

    mutating func resume() -> Batch {
        var batch = Batch()
        let contents = catalog.contents
        if minimised != plan.minimised { windows.discard { plan.isMinimised($0, contents) } }
        windows.reconcile(isWanted: { point, _, window in plan.isWanted(point, window, contents) }, into: &batch)
        return batch
    }
}

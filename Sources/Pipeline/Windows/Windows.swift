// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// All windows over all devices: readings in, aggregates out. What is open can be written down and gone on with.
public struct Windows: Sendable {
    /// What a series is to windows.
    public struct Membership: Sendable {
        public var point: WindowPoint
        public var device: DeviceNumber
        public var windows: [Window]

        public init(point: WindowPoint, device: DeviceNumber, windows: [Window]) {
            self.point = point
            self.device = device
            self.windows = windows
        }
    }

    private struct Place {
        var window: Int
        var member: Int
    }

    private(set) var open: [DeviceWindow] = []
    /// By window, when it is to be looked at.
    private var dues: [Timestamp] = []
    /// Whether something is open that no state that was written down knows of.
    public var isChanged = false
    private var slots = SeriesSlots()
    /// By slot, where its readings go.
    private var places: [[Place]] = []
    private let membership: @Sendable (SeriesNumber) -> Membership?

    /// - Parameter membership: of a series that is met for the first time; nil for none.
    public init(membership: @escaping @Sendable (SeriesNumber) -> Membership?) {
        self.membership = membership
    }

    /// Takes readings, and closes the windows that they end.
    /// - Parameter now: what the system's clock says.
    public mutating func take(_ readings: [Reading], now: Timestamp, into out: inout Batch) {
        for reading in readings {
            let slot = slots[reading.series] ?? add(reading.series)
            for place in places[slot] {
                open[place.window].take(reading, member: place.member, now: now, &out)
                dues[place.window] = .soon
            }
        }
        advance(to: now, into: &out)
    }

    /// Closes the windows that are over.
    public mutating func advance(to now: Timestamp, into out: inout Batch) {
        for index in open.indices where dues[index] <= now {
            open[index].advance(to: now, &out)
            dues[index] = open[index].nextDue ?? .never
        }
    }

    /// When a window is closed even where nothing comes, by the system's clock.
    public var nextDue: Timestamp? { dues.min().flatMap { $0 == .never ? nil : $0 } }

    private mutating func add(_ series: SeriesNumber) -> Int {
        let slot = slots.add(series)
        if places.count <= slot { places += repeatElement([], count: slot - places.count + 1) }
        if let found = membership(series) {
            for window in found.windows { places[slot].append(place(found.point, found.device, window)) }
        }
        return slot
    }

    private mutating func place(_ point: WindowPoint, _ device: DeviceNumber, _ window: Window) -> Place {
        let known = open.firstIndex { $0.device == device && $0.window == window }
        if known == nil {
            open.append(DeviceWindow(window, device: device))
            dues.append(.never)
        }
        let number = known ?? open.count - 1
        if let member = open[number].members.firstIndex(where: { $0.point.series == point.series }) {
            // What it counted before was counted otherwise.
            if open[number].members[member].point != point { open[number].members[member] = WindowMember(point) }
            return Place(window: number, member: member)
        }
        open[number].add(point)
        isChanged = true
        return Place(window: number, member: open[number].members.count - 1)
    }

    // MARK: An earlier run

    /// Forgets the windows that a series is in, untold.
    public mutating func discard(where isForbidden: (SeriesNumber) -> Bool) {
        open.removeAll { one in one.members.contains { isForbidden($0.point.series) } }
        dues = open.map { $0.nextDue ?? .never }
        isChanged = true
        slots = SeriesSlots()
        places = []
    }

    /// Goes on with the windows that were open, but for those that are no longer wanted so: they are told as far as they are.
    /// - Parameter isWanted: whether a point is still taken together so.
    public mutating func reconcile(
        isWanted: (WindowPoint, DeviceNumber, Window) -> Bool, into out: inout Batch
    ) {
        var kept: [DeviceWindow] = []
        for var one in open {
            if one.members.allSatisfy({ isWanted($0.point, one.device, one.window) }) {
                one.resume()
                kept.append(one)
            } else {
                one.cut(&out)
            }
        }
        open = kept
        dues = kept.map { $0.nextDue ?? .never }
        isChanged = true
        slots = SeriesSlots()
        places = []
    }

    /// As they were written down, to hear again what came since.
    mutating func replace(_ windows: [DeviceWindow]) {
        open = windows
        dues = windows.map { $0.nextDue ?? .never }
        slots = SeriesSlots()
        places = []
        for (number, one) in windows.enumerated() {
            for (member, known) in one.members.enumerated() {
                let slot = slots.add(known.point.series)
                if places.count <= slot { places += repeatElement([], count: slot - places.count + 1) }
                places[slot].append(Place(window: number, member: member))
            }
        }
    }
}

extension Timestamp {
    fileprivate static let soon = Timestamp(microseconds: .min)
    fileprivate static let never = Timestamp(microseconds: .max)
}

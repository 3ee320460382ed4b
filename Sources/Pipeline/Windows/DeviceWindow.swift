// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// A window over the readings of one device.
///
/// Readings wait until no earlier one is waited for any more, and are then taken in the order of their times. How far that
/// is, is told by the newest reading: a device whose clock is wrong has windows by its own. Where none comes, the time since
/// closes the windows that are over, and no more. Where moments come late one after the other the device's clock was set
/// back, or what was newest was no time at all: what is open is closed, and it begins anew.
struct DeviceWindow: Equatable {
    /// Readings side by side in time.
    struct Pane: Equatable {
        var from: Timestamp
        /// By member.
        var points: [Accumulator]
    }

    /// So many late moments in a row are not late.
    private static let mostLate = 16
    /// More do not wait, however long they might.
    private static let mostWaiting = 65_536

    let window: Window
    let device: DeviceNumber
    var members: [WindowMember] = []
    /// In the order of their times, those that came first before others of the same time.
    var waiting: [(member: Int, reading: Reading)] = []
    /// The newest time that a reading had, and when it came by the system's clock.
    var newest: Timestamp?
    var newestCame = Timestamp(microseconds: 0)
    /// Readings before it are late.
    var frontier = Timestamp(microseconds: .min)
    /// Of a window that is open, the panes that are closed; then the one that is filled.
    var panes: [Pane] = []
    /// The last reading of a session.
    var lastInSession = Timestamp(microseconds: .min)
    /// The first reading: what was before is not known.
    var began: Timestamp?
    /// Late moments in a row, and the last of them.
    var lateInARow = 0
    var lastLate = Timestamp(microseconds: .min)
    /// While the gateway was stopped: after the newest reading before, until the first after.
    var unwatchedFrom: Timestamp?
    var unwatchedUntil = Timestamp(microseconds: .max)

    init(_ window: Window, device: DeviceNumber) {
        self.window = window
        self.device = device
    }

    static func == (one: DeviceWindow, other: DeviceWindow) -> Bool {
        one.window == other.window && one.device == other.device && one.members == other.members
            && one.waiting.elementsEqual(other.waiting) { $0 == $1 } && one.newest == other.newest
            && one.newestCame == other.newestCame && one.frontier == other.frontier && one.panes == other.panes
            && one.lastInSession == other.lastInSession && one.began == other.began
            && one.lateInARow == other.lateInARow && one.lastLate == other.lastLate
            && one.unwatchedFrom == other.unwatchedFrom && one.unwatchedUntil == other.unwatchedUntil
    }

    // MARK: In

    /// - Parameter now: what the system's clock says.
    mutating func take(_ reading: Reading, member: Int, now: Timestamp, _ out: inout Batch) {
        if reading.time < frontier {
            if reading.time != lastLate { lateInARow += 1 }
            lastLate = reading.time
            guard lateInARow >= Self.mostLate else {
                members[member].late += 1
                return
            }
            cut(&out)
        }
        lateInARow = 0
        if unwatchedFrom != nil { unwatchedUntil = min(unwatchedUntil, reading.time) }
        let place = waiting.lastIndex { $0.reading.time <= reading.time }.map { $0 + 1 } ?? 0
        waiting.insert((member, reading), at: place)
        if newest.map({ reading.time > $0 }) ?? true { (newest, newestCame) = (reading.time, now) }
    }

    // MARK: Out

    /// Until where readings are in order: those that come from now on and are older are late.
    private func reach(at now: Timestamp) -> Timestamp {
        guard let newest else { return frontier }
        let inOrder = newest.advanced(byMicroseconds: -window.lateness)
        let elapsed = inOrder.advanced(byMicroseconds: max(0, now.microseconds(since: newestCame)))
        // A device that has nothing to say is not late: its clock counts where it ends a window.
        switch window.span {
        case .fixed: return max(frontier, inOrder, start(of: elapsed))
        case .session(let gap):
            let end = newest.advanced(byMicroseconds: gap)
            return max(frontier, inOrder, elapsed > end ? end.advanced(byMicroseconds: 1) : inOrder)
        }
    }

    /// When the next window is closed where nothing comes, by the system's clock; nil while none is open.
    var nextDue: Timestamp? {
        guard let newest, let end = nextEnd(newest) else { return nil }
        return newestCame.advanced(byMicroseconds: end.microseconds(since: newest))
            .advanced(byMicroseconds: window.lateness)
    }

    /// Where `reach` comes to next by time alone.
    private func nextEnd(_ newest: Timestamp) -> Timestamp? {
        guard let first = panes.last?.from ?? waiting.first?.reading.time else { return nil }
        switch window.span {
        case .session(let gap): return newest.advanced(byMicroseconds: gap).advanced(byMicroseconds: 1)
        case .fixed(_, let every): return start(of: first).advanced(byMicroseconds: every)
        }
    }

    /// Takes the readings that are in order, and closes the windows that are over.
    mutating func advance(to now: Timestamp, _ out: inout Batch) {
        var reach = reach(at: now)
        if waiting.count > Self.mostWaiting {
            reach = max(reach, waiting[waiting.count - Self.mostWaiting].reading.time)
        }
        var taken = 0
        while taken < waiting.count, waiting[taken].reading.time <= reach {
            let (member, reading) = waiting[taken]
            close(before: reading.time, &out)
            put(reading, member)
            taken += 1
        }
        waiting.removeFirst(taken)
        frontier = reach
        close(before: reach, &out)
    }

    /// Closes what is open as it is: it is not watched until its end.
    mutating func cut(_ out: inout Batch) {
        for (member, reading) in waiting {
            close(before: reading.time, &out)
            put(reading, member)
        }
        waiting.removeAll()
        if !panes.isEmpty { closePane(isCut: true, &out) }
        panes.removeAll()
        for index in members.indices { members[index].standing = nil }
        (newest, frontier, began) = (nil, Timestamp(microseconds: .min), nil)
    }

    private mutating func put(_ reading: Reading, _ member: Int) {
        if panes.isEmpty || panes.last?.from != start(of: reading.time) { open(at: reading.time) }
        lastInSession = reading.time
        let last = panes.count - 1
        forgetStanding(of: member, at: reading.time)
        members[member].take(reading, from: panes[last].from, &panes[last].points[member])
    }

    private func start(of time: Timestamp) -> Timestamp {
        guard case .fixed(_, let every) = window.span else { return panes.last?.from ?? time }
        return Self.floor(time, every)
    }

    private static func floor(_ time: Timestamp, _ every: Int64) -> Timestamp {
        let (quotient, rest) = time.microseconds.quotientAndRemainder(dividingBy: max(1, every))
        return Timestamp(microseconds: (rest < 0 ? quotient - 1 : quotient) &* every)
    }

    private mutating func open(at time: Timestamp) {
        let from = start(of: time)
        let accumulator = Accumulator(hasSketch: window.wantsQuantiles)
        panes.append(Pane(from: from, points: members.map { _ in accumulator }))
        began = began ?? time
    }

    // MARK: Closing

    /// Closes the panes that end at a moment or before it.
    private mutating func close(before time: Timestamp, _ out: inout Batch) {
        while let pane = panes.last {
            let end = self.end(of: pane)
            guard isOver(end, at: time) else { return }
            closePane(&out)
            guard case .fixed(_, let every) = window.span else { return panes.removeAll() }
            if panes.count >= window.panes { panes.removeFirst(panes.count - window.panes + 1) }
            var next = pane.from.advanced(byMicroseconds: every)
            if panes.allSatisfy(isEmpty) {
                // Those of a window of several also count by what stood.
                guard panes.count > 0, members.contains(where: { $0.standing != nil }) else { return panes.removeAll() }
                let needed = start(of: time).advanced(byMicroseconds: -every * Int64(window.panes - 1))
                if next < needed {
                    panes.removeAll()
                    next = needed
                }
            }
            open(at: next)
        }
    }

    private func end(of pane: Pane) -> Timestamp {
        switch window.span {
        case .fixed(_, let every): pane.from.advanced(byMicroseconds: every)
        case .session(let gap): lastInSession.advanced(byMicroseconds: gap)
        }
    }

    /// A reading at the very end of a session's pause still belongs to it.
    private func isOver(_ end: Timestamp, at time: Timestamp) -> Bool {
        if case .session = window.span { end < time } else { end <= time }
    }

    private func isEmpty(_ pane: Pane) -> Bool { pane.points.allSatisfy { $0.count == 0 && $0.unusable == 0 } }

    private mutating func closePane(isCut: Bool = false, _ out: inout Batch) {
        let last = panes.count - 1
        let end = self.end(of: panes[last])
        for member in members.indices {
            forgetStanding(of: member, at: end)
            members[member].stand(until: end, from: panes[last].from, &panes[last].points[member])
        }
        tell(until: end, isCut: isCut, &out)
    }

    private mutating func tell(until end: Timestamp, isCut: Bool, _ out: inout Batch) {
        let figures = window.told
        var first = panes.startIndex
        var from = panes[first].from
        if case .fixed(let size, _) = window.span {
            from = end.advanced(byMicroseconds: -size)
            first = panes.firstIndex { $0.from >= from } ?? panes.endIndex - 1
        }
        for member in members.indices {
            var sum = panes[first].points[member]
            for pane in panes[(first + 1)...] { sum.merge(pane.points[member]) }
            guard sum.count > 0 || sum.unusable > 0 else { continue }
            let late = members[member].late
            members[member].late = 0
            for figure in figures {
                out.readings.append(
                    Reading(
                        series: members[member].point.series, time: end, value: sum.value(of: figure, late: late)))
            }
        }
        guard out.readings.count > out.events.last?.readings.upperBound ?? 0 else { return }
        let wasUnwatched = unwatchedFrom.map { $0 < end && from < unwatchedUntil } ?? false
        let isPartial = isCut || wasUnwatched || from < began ?? from
        let aggregate = Aggregate(window: window.name, from: from, to: end, figures: figures, isPartial: isPartial)
        out.close(.aggregate(aggregate), device: device, time: end)
    }
}

extension DeviceWindow {
    mutating func add(_ point: WindowPoint) {
        members.append(WindowMember(point))
        for pane in panes.indices { panes[pane].points.append(Accumulator(hasSketch: window.wantsQuantiles)) }
    }

    /// Nobody watched from the newest reading on; what stood then is not known to stand.
    mutating func resume() {
        guard let newest else { return }
        let isOpen = unwatchedFrom != nil && panes.first.map { $0.from < unwatchedUntil } ?? false
        if !isOpen { unwatchedFrom = newest }
        unwatchedUntil = Timestamp(microseconds: .max)
    }

    /// What stood when nobody watched any more is not known to stand after that.
    fileprivate mutating func forgetStanding(of member: Int, at time: Timestamp) {
        guard let unwatchedFrom, time > unwatchedFrom, members[member].since <= unwatchedFrom else { return }
        members[member].standing = nil
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// What is open, as bytes: written down with the commits, and read back after a stop. Complete in itself, as the
// configuration may be another by then.

extension Windows {
    /// Of the form below; another one gets another number.
    private static let form: UInt8 = 2

    public var state: [UInt8] {
        var out = ByteWriter()
        out.byte(Self.form)
        out.varint(UInt64(open.count))
        for one in open { one.write(to: &out) }
        return out.bytes
    }

    /// Goes back to what was written down.
    public mutating func restore(_ state: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(state)
        guard try reader.byte() == Self.form else { throw MalformedBytes(expected: "windows of form \(Self.form)") }
        var windows: [DeviceWindow] = []
        for _ in 0..<(try reader.count()) { windows.append(try DeviceWindow(reading: &reader)) }
        guard reader.isAtEnd else { throw MalformedBytes(expected: "the end") }
        replace(windows)
    }
}

extension Window {
    fileprivate func write(to out: inout ByteWriter) {
        out.string(name)
        switch span {
        case .fixed(let size, let every):
            out.byte(0)
            out.zigzag(size)
            out.zigzag(every)
        case .session(let gap):
            out.byte(1)
            out.zigzag(gap)
        }
        out.zigzag(lateness)
        out.varint(UInt64(figures.count))
        for figure in figures { out.varint(figure.code) }
    }

    fileprivate init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.string()
        let span: Span =
            switch try reader.byte() {
            case 0: .fixed(size: try reader.zigzag(), every: try reader.zigzag())
            case 1: .session(gap: try reader.zigzag())
            default: throw MalformedBytes(expected: "a span")
            }
        self.init(name: name, span: span, lateness: try reader.zigzag(), figures: [])
        for _ in 0..<(try reader.count()) {
            guard let figure = Figure(code: try reader.varint()) else { throw MalformedBytes(expected: "a figure") }
            figures.append(figure)
        }
    }
}

extension DeviceWindow {
    fileprivate func write(to out: inout ByteWriter) {
        window.write(to: &out)
        out.zigzag(Int64(device.raw))
        out.varint(UInt64(members.count))
        for member in members { member.write(to: &out) }
        out.varint(UInt64(waiting.count))
        for (member, reading) in waiting {
            out.varint(UInt64(member))
            out.write(reading)
        }
        for time in [newest, began] { out.write(time) }
        for time in [newestCame, frontier, lastInSession] { out.zigzag(time.microseconds) }
        out.varint(UInt64(lateInARow))
        for time in [lastLate, unwatchedUntil] { out.zigzag(time.microseconds) }
        out.write(unwatchedFrom)
        out.varint(UInt64(panes.count))
        for pane in panes {
            out.zigzag(pane.from.microseconds)
            for point in pane.points { point.write(to: &out) }
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            try Window(reading: &reader), device: DeviceNumber(raw: Int32(truncatingIfNeeded: try reader.zigzag())))
        for _ in 0..<(try reader.count()) { members.append(try WindowMember(reading: &reader)) }
        for _ in 0..<(try reader.count()) {
            let member = Int(clamping: try reader.varint())
            guard members.indices.contains(member) else { throw MalformedBytes(expected: "a member") }
            waiting.append((member, try reader.reading()))
        }
        newest = try reader.time()
        began = try reader.time()
        newestCame = Timestamp(microseconds: try reader.zigzag())
        frontier = Timestamp(microseconds: try reader.zigzag())
        lastInSession = Timestamp(microseconds: try reader.zigzag())
        lateInARow = Int(clamping: try reader.varint())
        lastLate = Timestamp(microseconds: try reader.zigzag())
        unwatchedUntil = Timestamp(microseconds: try reader.zigzag())
        unwatchedFrom = try reader.time()
        for _ in 0..<(try reader.count()) {
            var pane = Pane(from: Timestamp(microseconds: try reader.zigzag()), points: [])
            for _ in members { pane.points.append(try Accumulator(reading: &reader)) }
            panes.append(pane)
        }
    }
}

extension WindowMember {
    fileprivate func write(to out: inout ByteWriter) {
        out.zigzag(Int64(point.series.raw))
        out.byte(point.isCounter ? 1 : 0)
        out.write(point.span)
        out.write(standing)
        out.zigzag(since.microseconds)
        out.write(counted)
        out.varint(UInt64(late))
    }

    fileprivate init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let series = SeriesNumber(raw: Int32(truncatingIfNeeded: try reader.zigzag()))
        let isCounter = try reader.byte() != 0
        self.init(WindowPoint(series: series, isCounter: isCounter, span: try reader.number()))
        standing = try reader.number()
        since = Timestamp(microseconds: try reader.zigzag())
        counted = try reader.number()
        late = Int(clamping: try reader.varint())
    }
}

extension Accumulator {
    fileprivate func write(to out: inout ByteWriter) {
        out.varint(UInt64(count))
        out.varint(UInt64(unusable))
        for number in [least, greatest, mean, squares, cubes, fourths, integral, covered] {
            out.fixed(number.bitPattern)
        }
        out.write(delta)
        out.write(last)
        out.byte(sketch == nil ? 0 : 1)
        guard let sketch else { return }
        out.varint(UInt64(sketch.zeros))
        for side in [sketch.positive, sketch.negative] {
            out.zigzag(Int64(side.first))
            out.varint(UInt64(side.counts.count))
            for count in side.counts { out.varint(UInt64(count)) }
        }
    }

    fileprivate init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(hasSketch: false)
        count = Int(clamping: try reader.varint())
        unusable = Int(clamping: try reader.varint())
        least = Double(bitPattern: try reader.fixed())
        greatest = Double(bitPattern: try reader.fixed())
        mean = Double(bitPattern: try reader.fixed())
        squares = Double(bitPattern: try reader.fixed())
        cubes = Double(bitPattern: try reader.fixed())
        fourths = Double(bitPattern: try reader.fixed())
        integral = Double(bitPattern: try reader.fixed())
        covered = Double(bitPattern: try reader.fixed())
        delta = try reader.number()
        last = try reader.value()
        guard try reader.byte() != 0 else { return }
        var sketch = QuantileSketch()
        sketch.zeros = UInt32(clamping: try reader.varint())
        sketch.positive = try reader.side()
        sketch.negative = try reader.side()
        self.sketch = sketch
    }
}

extension ByteReader {
    fileprivate mutating func side() throws(MalformedBytes) -> QuantileSketch.Side {
        var side = QuantileSketch.Side()
        side.first = Int(try zigzag())
        for _ in 0..<(try count()) { side.counts.append(UInt32(clamping: try varint())) }
        return side
    }
}

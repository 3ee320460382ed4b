// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

// MARK: Details

extension BlockBody {
    static func write(_ detail: EventDetail, to out: inout ByteWriter) {
        switch detail {
        case .telemetry: break
        case .status(let status):
            out.byte(status.state.rawValue)
            out.byte(status.reason.rawValue)
            out.zigzag(status.since.microseconds)
        case .gap(let gap):
            out.byte(gap.cause.rawValue)
            out.byte(gap.lane.rawValue)
            out.varint(gap.first)
            out.varint(gap.last)
            out.varint(gap.count)
            out.zigzag(gap.since.microseconds)
            out.zigzag(gap.until.microseconds)
            out.varint(UInt64(gap.outputs.count))
            for output in gap.outputs { out.string(output) }
        case .write(let attempt):
            out.byte(attempt.phase.rawValue)
            out.zigzag(attempt.deadline.microseconds)
            for text in [
                attempt.id, attempt.device, attempt.point, attempt.value, attempt.found, attempt.by, attempt.reason,
            ] { out.string(text) }
        case .alarm(let alarm): write(alarm, to: &out)
        case .aggregate(let aggregate):
            out.string(aggregate.window)
            out.zigzag(aggregate.from.microseconds)
            out.zigzag(aggregate.to.microseconds)
            out.byte(aggregate.isPartial ? 1 : 0)
            out.varint(UInt64(aggregate.figures.count))
            for figure in aggregate.figures { out.varint(figure.code) }
        }
    }

    static func write(_ alarm: Alarm, to out: inout ByteWriter) {
        out.byte(alarm.phase.rawValue)
        out.byte(alarm.priority.rawValue)
        out.byte(alarm.remark.rawValue | (alarm.evidence.isEmpty ? 0 : hasEvidence))
        out.zigzag(alarm.since.microseconds)
        for text in [alarm.id, alarm.rule, alarm.text] { out.string(text) }
        if !alarm.evidence.isEmpty { write(alarm.evidence, to: &out) }
    }

    /// Beside an alarm's remark: evidence follows.
    private static let hasEvidence: UInt8 = 0x80

    private static func write(_ evidence: [Alarm.Evidence], to out: inout ByteWriter) {
        out.varint(UInt64(evidence.count))
        for one in evidence {
            out.zigzag(Int64(one.series.raw))
            out.string(one.detector)
            for number in [one.score, one.mean, one.deviation] { out.fixed(number.bitPattern) }
            out.varint(UInt64(clamping: one.readings))
        }
    }

    private static func readEvidence(_ reader: inout ByteReader) throws(MalformedBytes) -> [Alarm.Evidence] {
        var evidence: [Alarm.Evidence] = []
        for _ in 0..<(try reader.count()) {
            evidence.append(
                Alarm.Evidence(
                    series: SeriesNumber(raw: Int32(truncatingIfNeeded: try reader.zigzag())),
                    detector: try reader.string(), score: Double(bitPattern: try reader.fixed()),
                    mean: Double(bitPattern: try reader.fixed()), deviation: Double(bitPattern: try reader.fixed()),
                    readings: Int(clamping: try reader.varint())))
        }
        return evidence
    }

    static func readDetail(
        _ kind: EventKind, _ reader: inout ByteReader
    ) throws(MalformedBytes) -> EventDetail {
        switch kind {
        case .telemetry: return .telemetry
        case .status:
            guard let state = StatusChange.State(rawValue: try reader.byte()),
                let reason = Reason(rawValue: try reader.byte())
            else { throw MalformedBytes(expected: "a status") }
            let since = Timestamp(microseconds: try reader.zigzag())
            return .status(StatusChange(state: state, since: since, reason: reason))
        case .gap:
            guard let cause = Gap.Cause(rawValue: try reader.byte()), let lane = Lane(rawValue: try reader.byte())
            else { throw MalformedBytes(expected: "a gap") }
            var gap = Gap(
                cause: cause, lane: lane, first: try reader.varint(), last: try reader.varint(),
                count: try reader.varint(), since: Timestamp(microseconds: try reader.zigzag()),
                until: Timestamp(microseconds: try reader.zigzag()), outputs: [])
            for _ in 0..<(try reader.count()) { gap.outputs.append(try reader.string()) }
            return .gap(gap)
        case .write:
            guard let phase = WriteAttempt.Phase(rawValue: try reader.byte()) else {
                throw MalformedBytes(expected: "a phase of writing")
            }
            let deadline = Timestamp(microseconds: try reader.zigzag())
            var texts: [String] = []
            for _ in 0..<7 { texts.append(try reader.string()) }
            return .write(
                WriteAttempt(
                    id: texts[0], device: texts[1], point: texts[2], value: texts[3], by: texts[5], deadline: deadline,
                    phase: phase, reason: texts[6], found: texts[4]))
        case .alarm: return .alarm(try readAlarm(&reader))
        case .aggregate: return .aggregate(try readAggregate(&reader))
        }
    }

    static func readAlarm(_ reader: inout ByteReader) throws(MalformedBytes) -> Alarm {
        guard let phase = Alarm.Phase(rawValue: try reader.byte()),
            let priority = Alarm.Priority(rawValue: try reader.byte()),
            case let flags = try reader.byte(), let remark = Alarm.Remark(rawValue: flags & ~hasEvidence)
        else { throw MalformedBytes(expected: "an alarm") }
        let since = Timestamp(microseconds: try reader.zigzag())
        let (id, rule, text) = (try reader.string(), try reader.string(), try reader.string())
        var alarm = Alarm(
            id: id, rule: rule, phase: phase, priority: priority, since: since, remark: remark, text: text)
        if flags & hasEvidence != 0 { alarm.evidence = try readEvidence(&reader) }
        return alarm
    }

    private static func readAggregate(_ reader: inout ByteReader) throws(MalformedBytes) -> Aggregate {
        var aggregate = Aggregate(
            window: try reader.string(), from: Timestamp(microseconds: try reader.zigzag()),
            to: Timestamp(microseconds: try reader.zigzag()), figures: [], isPartial: try reader.byte() != 0)
        for _ in 0..<(try reader.count()) {
            guard let figure = Figure(code: try reader.varint()) else { throw MalformedBytes(expected: "a figure") }
            aggregate.figures.append(figure)
        }
        return aggregate
    }
}

// MARK: Origins

extension BlockBody {
    /// In the byte of the clock's state: that a provenance follows, that a message was sent again, and that its time was
    /// refused.
    private static let hasProvenance: UInt8 = 0x80
    private static let isRedelivered: UInt8 = 0x40
    private static let isTimeRefused: UInt8 = 0x20

    static func writeOrigins(_ events: [Batch.Event], to out: inout ByteWriter) {
        for event in events { out.varint(UInt64(event.origin.uncertainty)) }
        for event in events {
            out.byte(
                event.origin.clock.rawValue | (event.origin.provenance == nil ? 0 : hasProvenance)
                    | (event.origin.isRedelivered ? isRedelivered : 0)
                    | (event.origin.isTimeRefused ? isTimeRefused : 0))
        }
        for event in events {
            guard let provenance = event.origin.provenance else { continue }
            out.string(provenance.mapHash)
            out.varint(UInt64(provenance.spans.count))
            for span in provenance.spans {
                out.string(span.table)
                out.varint(UInt64(span.address))
                out.varint(UInt64(span.words.count))
                for word in span.words { out.varint(UInt64(word)) }
            }
        }
    }

    static func readOrigins(_ heads: inout [Head], _ reader: inout ByteReader) throws(MalformedBytes) {
        for index in heads.indices { heads[index].origin.uncertainty = UInt32(clamping: try reader.varint()) }
        var traced: [Int] = []
        for index in heads.indices {
            let byte = try reader.byte()
            guard let clock = ClockState(rawValue: byte & ~(hasProvenance | isRedelivered | isTimeRefused)) else {
                throw MalformedBytes(expected: "a state of the clock")
            }
            heads[index].origin.clock = clock
            heads[index].origin.isRedelivered = byte & isRedelivered != 0
            heads[index].origin.isTimeRefused = byte & isTimeRefused != 0
            if byte & hasProvenance != 0 { traced.append(index) }
        }
        for index in traced {
            var provenance = Provenance(mapHash: try reader.string())
            for _ in 0..<(try reader.count()) {
                var span = Provenance.Span(
                    table: try reader.string(), address: UInt16(clamping: try reader.varint()), words: [])
                for _ in 0..<(try reader.count()) { span.words.append(UInt16(clamping: try reader.varint())) }
                provenance.spans.append(span)
            }
            heads[index].origin.provenance = provenance
        }
    }
}

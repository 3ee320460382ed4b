// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes

// What the gateway says of readings itself: alarms, and what they amount to over a window.

extension EventJSON {
    func write(_ alarm: Alarm, to out: inout ByteWriter) {
        out.member("alarm", alarm.id)
        out.member("rule", alarm.rule)
        out.text(#","phase":""#)
        out.text(alarm.phase.name)
        out.text(#"","priority":""#)
        out.text(alarm.priority.name)
        out.text(#"","since":""#)
        alarm.since.write(to: &out)
        out.byte(UInt8(ascii: "\""))
        if alarm.remark != .none {
            out.text(#","reason":""#)
            out.text(alarm.remark.name)
            out.byte(UInt8(ascii: "\""))
            if let code = alarm.remark.code { out.member("code", code.description) }
        }
        if !alarm.text.isEmpty { out.member("text", alarm.text) }
        if !alarm.evidence.isEmpty { write(alarm.evidence, to: &out) }
    }

    private func write(_ evidence: [Alarm.Evidence], to out: inout ByteWriter) {
        out.text(#","evidence":["#)
        for (place, one) in evidence.enumerated() {
            if place > 0 { out.byte(UInt8(ascii: ",")) }
            out.text(#"{"point":"#)
            out.jsonString(contents[one.series]?.point ?? "")
            out.member("detector", one.detector)
            let told = contents.told(one, units)
            if !told.unit.isEmpty { out.member("unit", told.unit) }
            for (name, number) in [("score", one.score), ("mean", told.mean), ("deviation", told.deviation)] {
                out.text(#",""#)
                out.raw(name.utf8)
                out.text(#"":"#)
                out.json(.number(number), of: Batch())
            }
            out.text(#","readings":"#)
            out.decimal(Int64(one.readings))
            out.byte(UInt8(ascii: "}"))
        }
        out.byte(UInt8(ascii: "]"))
    }

    func write(_ aggregate: Aggregate, _ readings: Range<Int>, of batch: Batch, to out: inout ByteWriter) {
        out.member("window", aggregate.window)
        out.text(#","from":""#)
        aggregate.from.write(to: &out)
        out.text(#"","to":""#)
        aggregate.to.write(to: &out)
        out.byte(UInt8(ascii: "\""))
        if aggregate.isPartial { out.text(#","partial":true"#) }
        out.text(#","points":["#)
        for point in 0..<aggregate.points(of: readings) {
            if point > 0 { out.byte(UInt8(ascii: ",")) }
            let first = readings.lowerBound + point * aggregate.figures.count
            write(aggregate.figures, of: batch.readings[first...], batch, to: &out)
        }
        out.byte(UInt8(ascii: "]"))
    }

    private func write(
        _ figures: [Figure], of readings: ArraySlice<Reading>, _ batch: Batch, to out: inout ByteWriter
    ) {
        out.text(#"{"point":"#)
        let series = readings.first.flatMap { contents[$0.series] }
        out.jsonString(series?.point ?? "")
        let told = readings.first.flatMap { change($0.series) }
        if let series, !series.unit.isEmpty { out.member("unit", told?.unit ?? series.unit) }
        for (figure, reading) in zip(figures, readings) where reading.value != .none || figure.isAlwaysTold {
            out.text(#",""#)
            out.raw(figure.name.utf8)
            out.text(#"":"#)
            out.json(told?.value(reading.value, of: figure) ?? reading.value, of: batch)
        }
        out.byte(UInt8(ascii: "}"))
    }
}

extension Figure {
    /// Also where there is none: a consumer that looks for it finds null and not a hole.
    fileprivate var isAlwaysTold: Bool { self != .late && self != .unusable }
}

extension Catalog.Contents {
    /// A baseline in the unit that its point is told in.
    func told(
        _ evidence: Alarm.Evidence, _ units: [String: UnitChange]
    ) -> (unit: String, mean: Double, deviation: Double) {
        let unit = self[evidence.series]?.unit ?? ""
        guard let change = units[unit] else { return (unit, evidence.mean, evidence.deviation) }
        let mean = change.value(.number(evidence.mean), of: .mean).asNumber ?? evidence.mean
        let deviation = change.value(.number(evidence.deviation), of: .deviation).asNumber ?? evidence.deviation
        return (change.unit, mean, deviation)
    }
}

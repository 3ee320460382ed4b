// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Codes
import Events
import Outbox
import Schemas

/// Answers from an outbox in this process.
struct LocalDesk: OutboxDesk {
    let outbox: any InspectableOutbox
    let gateway: String

    // MARK: Events

    func events(_ query: EventQuery, from place: String?) async throws -> EventPage {
        let filter = try EventFilter(query, outbox.catalog)
        guard let (lane, id) = try filter.place(place) else { return EventPage(lines: [], next: nil) }
        let blocks = try await outbox.blocks(lane, from: id)
        let codec = BlockCodec(keys: outbox.settings.keys)
        var json = EventJSON(gateway: gateway, catalog: outbox.catalog)
        var out = ByteWriter()
        for block in blocks where filter.mayMatch(block) {
            guard let opened = try? codec.decode(block) else { continue }
            for (place, event) in opened.batch.events.enumerated() {
                let id = EventID(epoch: block.epoch, lane: lane, sequence: opened.sequence(at: place))
                guard filter.matches(event, json.id(id)) else { continue }
                json.writeEnvelope(event, of: opened.batch, id: id, isReplayed: false, to: &out)
                out.byte(UInt8(ascii: "\n"))
            }
        }
        return EventPage(lines: out.bytes, next: filter.place(after: blocks.last, lane))
    }

    // MARK: Verify

    func verify() async throws -> OutboxVerdict {
        var verdict = OutboxVerdict()
        let codec = BlockCodec(keys: outbox.settings.keys)
        for lane in Lane.allCases {
            var next: Int64 = 0
            var before: StoredBlock?
            while true {
                let blocks = try await outbox.blocks(lane, from: next)
                guard let last = blocks.last else { break }
                next = last.id + 1
                for block in blocks { look(at: block, codec, &before, &verdict) }
            }
        }
        return verdict
    }

    private func look(
        at block: StoredBlock, _ codec: borrowing BlockCodec, _ before: inout StoredBlock?,
        _ verdict: inout OutboxVerdict
    ) {
        func note(_ problem: String) {
            verdict.findings.append(.init(lane: block.lane.name, block: Int(block.id), problem: problem))
        }
        do throws(CorruptBlock) {
            let opened = try codec.decode(block)
            if !outbox.catalog.contents.describes(opened.batch) { note("refers to a description that is damaged") }
            if let before, block.missing(after: before) > 0 {
                note("\(block.missing(after: before)) events before it are missing, from \(before.end) on")
            }
            before = block
            verdict.blocks += 1
            verdict.events += opened.batch.events.count
            verdict.readings += opened.batch.readings.count
        } catch {
            note("cannot be read: \(error.description)")
        }
    }

    // MARK: Dead letters

    private func letters() async throws -> [KeptLetter] {
        var letters: [KeptLetter] = []
        while true {
            let more = try await outbox.deadLetters(after: letters.last?.number ?? 0)
            if more.isEmpty { return letters }
            letters += more
        }
    }

    func deadLetters() async throws -> [DeadLetterReport] {
        var json = EventJSON(gateway: gateway, catalog: outbox.catalog)
        return try await letters().map { letter in
            let id = EventID(epoch: letter.epoch, lane: letter.lane, sequence: letter.sequence)
            var out = ByteWriter()
            if let event = letter.event?.events.first, let batch = letter.event {
                json.writeEnvelope(event, of: batch, id: id, isReplayed: false, to: &out)
            }
            return DeadLetterReport(
                number: Int(letter.number), output: letter.output, id: json.id(id), at: letter.at.iso8601,
                reason: letter.reason, event: JSONDocument(out.bytes))
        }
    }

    func drop(_ letters: [Int]) async throws -> Count {
        Count(try await outbox.drop(await numbers(letters)))
    }

    func retry(_ letters: [Int]) async throws -> Count {
        Count(try await outbox.retry(await numbers(letters)))
    }

    /// None stands for all.
    private func numbers(_ letters: [Int]) async throws -> [Int64] {
        letters.isEmpty ? try await self.letters().map(\.number) : letters.map(Int64.init)
    }

    // MARK: Replay

    func replay(to output: String, since: String, until: String) async throws -> Count {
        do {
            return Count(
                try await outbox.replay(to: output, since: EventFilter.time(since), until: EventFilter.time(until)))
        } catch let error as OutboxError {
            throw DeskError(error.code, error.description)
        }
    }
}

/// A query, understood.
private struct EventFilter {
    var lanes = Lane.allCases
    private let end: String?
    private let devices: Set<DeviceNumber>?
    private let since: Timestamp
    private let until: Timestamp

    init(_ query: EventQuery, _ catalog: Catalog) throws {
        if let name = query.lane ?? query.id?.split(separator: "/").dropLast().last.map(String.init) {
            guard let lane = Lane(name: name) else {
                throw DeskError(
                    .invalidRequest, "\(name) is not a lane: write critical, normal or bulk")
            }
            lanes = [lane]
        }
        end = query.id
        devices = query.device.map { name in
            Set(
                catalog.contents.devices.enumerated().filter { $0.element.id == name }.map {
                    DeviceNumber(raw: Int32($0.offset))
                })
        }
        if let devices, devices.isEmpty {
            throw DeskError(
                .unknownDevice, "the outbox has no events of the device \(query.device ?? "")")
        }
        since = try query.since.map(Self.time) ?? Timestamp(microseconds: .min)
        until = try query.until.map(Self.time) ?? Timestamp(microseconds: .max)
    }

    static func time(_ text: String) throws -> Timestamp {
        guard let time = Timestamp(iso8601: text.utf8) else {
            throw DeskError(.invalidTime, "\(text) is not a time: write 2026-11-21T09:00:00Z")
        }
        return time
    }

    /// A lane and a block of it, from `lane:block`; nil where that is past the end.
    func place(_ text: String?) throws -> (lane: Lane, block: Int64)? {
        guard let text else { return lanes.first.map { ($0, 0) } }
        let parts = text.split(separator: ":")
        guard parts.count == 2, let lane = Lane(name: String(parts[0])), let block = Int64(parts[1]) else {
            throw DeskError(.invalidRequest, "\(text) is not the value of the header Headgate-Next")
        }
        return (lane, block)
    }

    /// Where to go on after a block, or after a lane that has no more.
    func place(after block: StoredBlock?, _ lane: Lane) -> String? {
        if let block { return "\(lane.name):\(block.id + 1)" }
        return lanes.first { $0.rawValue > lane.rawValue }.map { "\($0.name):0" }
    }

    func mayMatch(_ block: StoredBlock) -> Bool { block.since <= until && block.until >= since }

    func matches(_ event: Batch.Event, _ id: String) -> Bool {
        event.time >= since && event.time <= until && (devices?.contains(event.device) ?? true)
            && (end.map { id == $0 || id.hasSuffix("/" + $0) } ?? true)
    }
}

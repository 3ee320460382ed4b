// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Glibc
import Logging
import Modbus

/// Looks what is on a link: which units answer, which registers they have, and whether they speak SunSpec.
///
/// One request a step, so that it can pause between them, be stopped at any of them and go on another day: what is left to
/// be asked is a stack, and all of it is in `state`.
public struct LinkScan: ~Copyable {
    public struct Span: Codable, Sendable {
        public var table: RegisterTable
        public var address: Int
        public var words: [UInt16]
    }

    public struct Unit: Codable, Sendable {
        public var unit: UInt8
        public var spans: [Span] = []
        /// SunSpec's, in their order; empty where it speaks none.
        public var models: [SunSpecFound.Model] = []
        /// What it said of what it does not have, where that ended the search.
        public var notes: [String] = []
        fileprivate var silences = 0
    }

    /// What to look for.
    public struct Wish: Sendable {
        public var units: [UInt8]
        public var tables: [RegisterTable]
        public var addresses: Range<Int>
        /// Between two requests.
        public var pause: Duration
        /// Registers of a SunSpec device that are in none of its models too.
        public var wantsAll: Bool
        /// Whether every address is asked for by itself where an answer with several is refused.
        public var isThorough: Bool

        public init(
            units: [UInt8], tables: [RegisterTable], addresses: Range<Int>, pause: Duration, wantsAll: Bool = false,
            isThorough: Bool = false
        ) {
            self.units = units
            self.tables = tables
            self.addresses = addresses
            self.pause = pause
            self.wantsAll = wantsAll
            self.isThorough = isThorough
        }
    }

    /// What is done and what is left.
    public struct State: Codable, Sendable {
        public var found: [Unit] = []
        public var requests = 0
        var todo: [Ask] = []
        /// What the units answered that hardly any bus has, by place in `LinkScan.probes`: as a gateway that gives an exception
        /// for units that are not there. Nil if they are silent.
        var strangers: [[Outcome]]?
        /// Units that answered like those.
        var doubtful: [UInt8] = []
        var hasBegunDoubtful = false
        /// In requests, about.
        fileprivate var done = 0

        public var isDone: Bool { todo.isEmpty }

        /// False of one that was not kept by a scan, or is damaged.
        public var isSound: Bool {
            todo.allSatisfy { ask in
                (0...65_535).contains(ask.address) && (1...LinkScan.most).contains(ask.count)
                    && (0...65_536).contains(ask.rest) && ask.search.isSound
                    && (0...LinkScan.mostProbes).contains(ask.probe)
            } && (0...1_000_000_000).contains(requests) && (0...1_000_000_000).contains(done)
                && strangers.map { $0.count == 2 && $0.allSatisfy { $0.count <= LinkScan.mostProbes } } ?? true
                && found.allSatisfy { $0.spans.allSatisfy { (0...65_535).contains($0.address) } }
        }

        /// Units that answered the same as unit IDs without a device, and were not looked at further.
        public var unknownUnits: [UInt8] { isDone ? doubtful : [] }

        /// 0 to 1; what is found makes more to be asked.
        public var progress: Double {
            let left = todo.reduce(0) { $0 + $1.weight }
            return done + left == 0 ? 1 : Double(done) / Double(done + left)
        }
        /// What is asked next.
        public var next: String { todo.last.map(\.description) ?? "" }
    }

    /// What came of a request.
    enum Outcome: Codable, Equatable {
        case data, silence
        case exception(Int32)

        init(_ error: ModbusError?) {
            guard let error else {
                self = .data
                return
            }
            self = if let code = error.exceptionCode, !error.isOfGateway { .exception(code) } else { .silence }
        }
    }

    struct Ask: Codable, CustomStringConvertible {
        enum Kind: String, Codable { case anybody, unit, sunSpec, registers }

        var kind: Kind
        var unit: UInt8
        var table = RegisterTable.holding
        var address = 0
        var count = 1
        /// Registers behind it that are asked for next.
        var rest = 0
        var search = SunSpecSearch()
        /// Of `LinkScan.probes`.
        var probe = 0

        var weight: Int { kind == .registers ? (count + rest + 124) / 125 : 1 }

        var description: String {
            switch kind {
            case .anybody, .unit: "unit \(unit)"
            case .sunSpec: "unit \(unit), SunSpec at \(search.request?.address ?? 0)"
            case .registers: "unit \(unit), \(table.rawValue) \(address)"
            }
        }
    }

    let wish: Wish
    private let isLine: Bool
    private var connection: ModbusConnection
    public internal(set) var state: State

    // Split where it becomes worth a request for each: a whole answer, an eighth of it, single registers.
    fileprivate static let most = ModbusLimits.protocolRegisters
    private static let few = 16

    let probes: [(table: RegisterTable, address: Int)]

    /// - Parameter state: of an earlier run that was stopped; nil to begin.
    public init(_ settings: ModbusLinkSettings, _ wish: Wish, from state: State?, logger: Logger) {
        self.wish = wish
        let addresses = [wish.addresses.lowerBound] + Self.probed.filter { $0 != wish.addresses.lowerBound }
        probes = addresses.flatMap { address in wish.tables.map { ($0, address) } }
        isLine = !settings.endpoint.numbersAnswers
        connection = ModbusConnection(settings, logger: logger)
        if let state {
            self.state = state
        } else {
            self.state = State()
            self.state.todo = wish.units.reversed().map { Ask(kind: .unit, unit: $0) }
            if !isLine, wish.units.count > 1, !probes.isEmpty {
                self.state.todo.append(Ask(kind: .anybody, unit: Self.unlikely[0]))
            }
        }
    }

    /// Asks one thing. Blocks until it is answered or the link's timeout is over.
    /// - Throws: where the link itself is out of reach.
    public mutating func step() throws(ModbusError) {
        guard let ask = state.todo.popLast() else { return }
        usleep(UInt32(clamping: wish.pause.microseconds))
        state.requests += 1
        state.done += ask.weight
        let request = request(of: ask)
        let answer = connection.read(request, unit: ask.unit)
        if let error = answer.error, error.kind == .setup || error.kind == .disconnected {
            state.todo.append(ask)
            throw error
        }
        switch ask.kind {
        case .anybody: lookAtAnybody(ask, Outcome(answer.error))
        case .unit: lookAtUnit(ask, Outcome(answer.error))
        case .sunSpec: goOn(ask, answer.error == nil ? connection.words(of: request) : nil)
        case .registers: take(ask, answer.error, connection.words(of: request))
        }
        if state.todo.isEmpty { beginDoubtful() }
    }

    private func request(of ask: Ask) -> ReadRequest {
        let plain = ReadRequest(table: ask.table, address: UInt16(ask.address), count: ask.count, points: [])
        return switch ask.kind {
        case .sunSpec: ask.search.request ?? plain
        case .anybody: probe(ask.probe)
        case .unit: state.strangers == nil ? plain : probe(ask.probe)
        case .registers: plain
        }
    }

    // MARK: Units

    mutating func begin(_ unit: UInt8) {
        change(unit) { _ in }
        for table in wish.tables.reversed() {
            push(
                Ask(
                    kind: .registers, unit: unit, table: table, address: wish.addresses.lowerBound,
                    rest: wish.addresses.count))
        }
        state.todo.append(Ask(kind: .sunSpec, unit: unit))
    }

    private mutating func change(_ unit: UInt8, _ body: (inout Unit) -> Void) {
        if let place = state.found.firstIndex(where: { $0.unit == unit }) {
            body(&state.found[place])
        } else {
            var fresh = Unit(unit: unit)
            body(&fresh)
            state.found.append(fresh)
        }
    }

    mutating func note(_ text: String, of unit: UInt8) {
        change(unit) { if !$0.notes.contains(text) { $0.notes.append(text) } }
    }

    // MARK: SunSpec

    private mutating func goOn(_ ask: Ask, _ words: [UInt16]?) {
        var ask = ask
        ask.search.take(words)
        if ask.search.request != nil { return state.todo.append(ask) }
        let found = ask.search.found
        guard let first = found.models.first else { return }
        if !wish.wantsAll { state.todo.removeAll { $0.kind == .registers && $0.unit == ask.unit } }
        change(ask.unit) {
            $0.models = found.models
            if !found.common.isEmpty {
                $0.spans.append(Span(table: .holding, address: first.address + 2, words: found.common))
            }
        }
    }

    // MARK: Registers

    private mutating func take(_ ask: Ask, _ error: ModbusError?, _ words: [UInt16]) {
        guard let error else {
            keep(words, ask)
            goOn(behind: ask)
            if ask.count == 1 { askNeighbours(of: ask) }
            return
        }
        if error.exceptionCode == 1 {
            state.todo.removeAll { $0.kind == .registers && $0.unit == ask.unit && $0.table == ask.table }
            return
        }
        if error.kind != .exception || error.isOfGateway { return silence(ask) }
        change(ask.unit) { $0.silences = 0 }
        goOn(behind: ask)
        state.todo += parts(of: ask).reversed()
    }

    /// What of a refused request is asked for by itself.
    private func parts(of ask: Ask) -> [Ask] {
        guard ask.count > 1 else { return [] }
        func part(_ address: Int, _ count: Int) -> Ask {
            Ask(kind: .registers, unit: ask.unit, table: ask.table, address: address, count: count)
        }
        let end = ask.address + ask.count
        if ask.count > Self.few {
            let size = max(Self.few, (ask.count + 7) / 8)
            return stride(from: ask.address, to: end, by: size).map { part($0, min(size, end - $0)) }
        }
        let isBeside = isKnown(ask.table, ask.address - 1, of: ask.unit)
        // Values of several registers begin or go on at an even address; single ones at an odd one by themselves are rare.
        let step = isBeside || wish.isThorough ? 1 : 2
        return (ask.address..<end).filter { $0 % step == 0 }.map { part($0, 1) }
    }

    private mutating func goOn(behind ask: Ask) {
        guard ask.rest > 0 else { return }
        var stretch = ask
        stretch.address = ask.address + ask.count
        push(stretch)
    }

    /// The next part of a stretch, as large as an answer.
    private mutating func push(_ stretch: Ask) {
        var ask = stretch
        ask.count = min(stretch.rest, Self.most)
        ask.rest = stretch.rest - ask.count
        if ask.count > 0 { state.todo.append(ask) }
    }

    private func isKnown(_ table: RegisterTable, _ address: Int, of unit: UInt8) -> Bool {
        state.found.first { $0.unit == unit }?.spans.contains {
            $0.table == table && ($0.address..<($0.address + $0.words.count)).contains(address)
        } ?? false
    }

    /// What is beside a register that was found by itself.
    private mutating func askNeighbours(of ask: Ask) {
        for address in [ask.address + 1, ask.address - 1] {
            let isWanted = wish.addresses.contains(address) && !isKnown(ask.table, address, of: ask.unit)
            let isAsked = state.todo.last.map {
                $0.kind == .registers && $0.address == address && $0.table == ask.table
            }
            guard isWanted, !(isAsked ?? false), !wish.isThorough else { continue }
            state.todo.append(Ask(kind: .registers, unit: ask.unit, table: ask.table, address: address))
        }
    }

    private mutating func keep(_ words: [UInt16], _ ask: Ask) {
        change(ask.unit) { unit in
            unit.silences = 0
            unit.spans.append(Span(table: ask.table, address: ask.address, words: words))
            unit.spans = Self.merged(unit.spans)
        }
    }

    /// In their order, and what follows one another as one.
    private static func merged(_ spans: [Span]) -> [Span] {
        let tables = RegisterTable.allCases
        let sorted = spans.sorted {
            (tables.firstIndex(of: $0.table) ?? 0, $0.address) < (tables.firstIndex(of: $1.table) ?? 0, $1.address)
        }
        var merged: [Span] = []
        for span in sorted {
            guard let last = merged.last, last.table == span.table, last.address + last.words.count >= span.address
            else {
                merged.append(span)
                continue
            }
            let known = last.address + last.words.count - span.address
            merged[merged.count - 1].words += span.words.dropFirst(known)
        }
        return merged
    }

    /// Some devices do not answer where they have nothing; others have gone.
    private mutating func silence(_ ask: Ask) {
        var silences = 0
        change(ask.unit) {
            $0.silences += 1
            silences = $0.silences
        }
        guard silences < 3 else {
            state.todo.removeAll { $0.kind == .registers && $0.unit == ask.unit && $0.table == ask.table }
            note("does not respond for the table \(ask.table.rawValue) from address \(ask.address) on", of: ask.unit)
            change(ask.unit) { $0.silences = 0 }
            return
        }
        goOn(behind: ask)
    }
}

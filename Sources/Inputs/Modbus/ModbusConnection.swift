// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Glibc
import Logging
import Modbus
import Waiting

/// A link's connection: made when it is first needed, given up when it breaks, tried again later and later.
struct ModbusConnection: ~Copyable {
    /// What a request brought, with the moment in the middle between asking and answering.
    struct Answer {
        var error: ModbusError?
        /// From when to when the link was busy with it.
        var asked: Moment
        var done: Moment
        var time: Timestamp
        /// Half of the time between them, in microseconds: so much the moment may be off.
        var uncertainty: Int64 = 0
        /// How long nothing was said on the link before it, in microseconds; nil where nothing was sent.
        var gap: Int64?
    }

    let settings: ModbusLinkSettings
    let logger: Logger
    /// Between two frames on a line, in microseconds.
    private let silence: UInt32
    var context: ModbusContext?
    /// How many connections there were.
    private(set) var generation = 0
    /// How many of the connections were made at once, as the device had closed the one before.
    private(set) var renewals = 0
    /// Who has dialled in; open as long as the link is there.
    var callers: DialInCallers?
    /// What the device that has dialled in answered last.
    var lastAnswered: (request: ReadRequest, unit: UInt8)?
    private var backoff = Backoff(base: .milliseconds(500), cap: .seconds(15))
    private var nextTry = Moment.now
    var lastFailure: ModbusError?
    /// Whether a request was answered over this connection.
    private var hasAnswered = false
    var owed = OwedAnswers()
    private(set) var trips: RoundTrips
    /// How many requests in a row, to whatever unit, brought nothing.
    var timeouts = 0
    /// When something was said on the link last.
    private var idleSince = Moment.now
    /// How long units want to be left alone, as they were polled last: orders keep to it too.
    private var pauses: [UInt8: Int64] = [:]
    /// What units want that were not polled.
    var usualPause: Int64 = 0
    /// A TCP connection on which nothing came this often may be dead without either end having been told.
    private static let timeoutsUntilReconnect = 3
    /// A device that has dialled in takes a while to do it again.
    static let timeoutsUntilHangUp = 20

    /// The last registers and bits read.
    private let words = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: ModbusLimits.protocolRegisters)
    private let bits = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: ModbusLimits.protocolBits)

    init(_ settings: ModbusLinkSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        trips = RoundTrips(RequestCost(settings.endpoint), isLine: settings.endpoint.isSerial)
        silence = if case .serial(let line) = settings.endpoint { UInt32(clamping: line.silence / 1_000) } else { 0 }
        words.initialize(repeating: 0)
        bits.initialize(repeating: 0)
    }

    deinit {
        words.deallocate()
        bits.deallocate()
    }

    var registers: UnsafeBufferPointer<UInt16> { UnsafeBufferPointer(words) }
    var flags: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(bits) }

    /// What the last request brought, when that was `request`; a bit is 0 or 1.
    func words(of request: ReadRequest) -> [UInt16] {
        request.table.holdsBits
            ? flags.prefix(request.count).map(UInt16.init) : Array(registers.prefix(request.count))
    }

    mutating func close() {
        context = nil
    }

    /// The unit whose answer was refused last.
    mutating func otherUnit() -> UInt8? { context?.otherUnit }

    /// Asks `unit` for what `request` says; the answer's data is in `registers` or `flags`.
    /// - Parameter pause: how long nothing is to be said on the link before, in microseconds; what the unit was given
    ///   last where it is nil.
    mutating func read(_ request: ReadRequest, unit: UInt8, pause: Int64? = nil) -> Answer {
        let begun = Moment.now
        let pause = keep(pause, of: unit)
        var gap: Int64?
        do throws(ModbusError) {
            var sent = begun
            if try prepare(pause, unit, before: request) { sent = .now }
            gap = sent.microseconds(since: idleSince)
            let time = Timestamp.now
            try ask(request, unit: unit)
            timeouts = 0
            if settings.endpoint.isDialIn { lastAnswered = (request, unit) }
            settings.monitor.received(at: time)
            let took = idleSince.nanoseconds(since: sent)
            // The silence before it is the link's time too.
            trips.note(bytes: request.answerBytes, nanoseconds: took + Int64(silence) * 1_000)
            let half = took / 2_000
            return Answer(
                error: nil, asked: begun, done: idleSince, time: time.advanced(byMicroseconds: half), uncertainty: half,
                gap: gap)
        } catch {
            handle(error)
            let (now, time) = (Moment.now, Timestamp.now)
            return Answer(
                error: error, asked: begun, done: now,
                time: time.advanced(byMicroseconds: -now.microseconds(since: begun)), gap: gap)
        }
    }

    /// What became of an order to take a value.
    enum Sent {
        /// The order's time was up before it could be sent.
        case expired
        case notSent(ModbusError)
        /// It was sent. An error does not say that the device has not taken it: only reading it back does.
        case sent(ModbusError?)
    }

    /// Tells a unit to take a value.
    mutating func write(_ order: WriteOrder, _ words: [UInt16]) -> Sent {
        var isSent = false
        defer { idleSince = .now }
        do throws(ModbusError) {
            let pause = keep(nil, of: order.unit)
            // What has dialled in and has not answered yet takes no order.
            if !settings.endpoint.isDialIn { _ = try connectIfNeeded() }
            _ = keepSilent(pause)
            try renewIfClosed()
            guard context != nil else { throw lastFailure ?? ModbusError(code: ENOTCONN) }
            guard order.deadline > .now else { return .expired }
            isSent = true
            if order.table.holdsBits {
                try context?.writeCoil(
                    words.first != 0, of: order.unit, at: order.address, usesMultiple: order.usesMultiple)
            } else {
                try context?.writeRegisters(
                    words, of: order.unit, at: order.address, usesMultiple: order.usesMultiple)
            }
            timeouts = 0
            hasAnswered = true
            return .sent(nil)
        } catch {
            handle(error)
            return isSent ? .sent(error) : .notSent(error)
        }
    }

    /// Before each request.
    /// - Returns: whether that took time.
    private mutating func prepare(
        _ pause: Int64, _ unit: UInt8, before request: ReadRequest
    ) throws(ModbusError) -> Bool {
        var took = false
        if case .dialIn(let port) = settings.endpoint {
            try meetCallers(at: port, for: request, unit: unit, pause: pause)
            took = true
        } else {
            took = try connectIfNeeded()
        }
        if keepSilent(pause) { took = true }
        return try askProbe(before: request, unit: unit, pause: pause) || took
    }

    /// Asks something else first if a late answer could be taken for the one to `request`.
    /// - Returns: whether that took time.
    private mutating func askProbe(
        before request: ReadRequest, unit: UInt8, pause: Int64
    ) throws(ModbusError) -> Bool {
        guard !owed.isEmpty, let probe = owed.probe(before: request, unit: unit, at: .now) else { return false }
        try ask(probe, unit: unit)
        _ = keepSilent(pause)
        return true
    }

    /// Asks beside the polls: whether a connection is the device's.
    mutating func askBeside(_ request: ReadRequest, unit: UInt8, pause: Int64) throws(ModbusError) {
        _ = keepSilent(pause)
        _ = try askProbe(before: request, unit: unit, pause: pause)
        try ask(request, unit: unit)
    }

    private mutating func keep(_ pause: Int64?, of unit: UInt8) -> Int64 {
        guard let pause else { return pauses[unit] ?? usualPause }
        if pause > 0 || !pauses.isEmpty { pauses[unit] = pause }
        return pause
    }

    /// - Returns: whether that took time.
    private func keepSilent(_ pause: Int64) -> Bool {
        let needed = max(pause, Int64(silence))
        guard needed > 0 else { return false }
        let left = needed - Moment.now.microseconds(since: idleSince)
        if left > 0 { usleep(UInt32(clamping: left)) }
        return true
    }

    /// Asks what no late answer can be taken for an answer to.
    private mutating func ask(_ request: ReadRequest, unit: UInt8) throws(ModbusError) {
        defer { idleSince = .now }
        do throws(ModbusError) {
            try transfer(request, unit: unit)
        } catch {
            guard !settings.endpoint.numbersAnswers else { throw error }
            guard error.kind != .disconnected, error.kind != .setup else { throw error }
            let isRefusal = error.kind == .exception && !error.isOfGateway
            guard !isRefusal || owed.isOwed(by: unit) else { throw error }
            owed.note(request, unit: unit, at: .now)
            // All exceptions look alike: while something is owed, nobody knows what is refused.
            throw isRefusal ? .ambiguous : error
        }
        owed.settle(unit: unit)
    }

    /// Connects again where the device has closed the connection: what is written to it then goes nowhere.
    private mutating func renewIfClosed() throws(ModbusError) {
        guard let isClosed = context?.isClosedByPeer, isClosed, !settings.endpoint.isSerial else { return }
        guard !settings.endpoint.isDialIn else { throw ModbusError(code: ECONNRESET) }
        try renew()
    }

    /// Connects again at once.
    private mutating func renew() throws(ModbusError) {
        context = nil
        nextTry = .now
        _ = try connectIfNeeded()
        if context != nil { renewals += 1 }
    }

    private mutating func transfer(_ request: ReadRequest, unit: UInt8) throws(ModbusError) {
        let isOld = hasAnswered
        do throws(ModbusError) {
            try transferOnce(request, unit: unit)
        } catch  where error.kind == .disconnected && isOld && !(context?.hasReceived ?? false) {
            // The device has closed an idle connection, or closes after each answer: it has not seen the request. Only what
            // reads is asked again; what a write has done, nobody knows.
            guard !settings.endpoint.isDialIn, !settings.endpoint.isSerial else { throw error }
            try renew()
            try transferOnce(request, unit: unit)
        }
    }

    private mutating func transferOnce(_ request: ReadRequest, unit: UInt8) throws(ModbusError) {
        guard context != nil else { throw lastFailure ?? ModbusError(code: ENOTCONN) }
        let mayOweAnswers = !settings.endpoint.numbersAnswers && owed.isOwed(by: unit)
        try context?.read(
            request.table.onTheWire, of: unit, at: request.address, count: request.count, bytes: request.answerBytes,
            mayOweAnswers: mayOweAnswers
        ) { [words, bits] data in
            if request.table.holdsBits {
                for place in 0..<request.count { bits[place] = data[place / 8] >> UInt8(place % 8) & 1 }
            } else {
                for place in 0..<request.count {
                    words[place] = UInt16(data[2 * place]) << 8 | UInt16(data[2 * place + 1])
                }
            }
        }
        hasAnswered = true
    }

    /// Connects, or throws what the last try threw while it is too early for the next.
    /// - Returns: whether that took time.
    private mutating func connectIfNeeded() throws(ModbusError) -> Bool {
        if context != nil { return false }
        if let lastFailure, .now < nextTry { throw lastFailure }
        do throws(ModbusError) {
            let fresh = try ModbusContext(
                settings.endpoint, timeout: UInt32(clamping: settings.timeout), answersAs: settings.answersAs)
            try fresh.connect()
            use(consume fresh)
            if lastFailure != nil { logger.notice("link up", metadata: ["endpoint": "\(settings.endpoint)"]) }
            settings.monitor.connected()
            lastFailure = nil
            backoff.reset()
            return true
        } catch {
            settings.monitor.disconnected("\(error)", next: error.advice(at: settings.endpoint))
            lastFailure = error
            nextTry = .now + backoff.next()
            throw error
        }
    }

    private mutating func use(_ fresh: consuming ModbusContext) {
        context = consume fresh
        isNew()
    }

    /// After another connection has come in use.
    mutating func isNew() {
        hasAnswered = false
        generation += 1
    }

    /// Whether it is time for a new connection, after an answer that did not come. Over a new one no late answer comes
    /// that could be taken for another's.
    private var isHopeless: Bool {
        if settings.endpoint.isDialIn { return timeouts >= Self.timeoutsUntilHangUp }
        return !settings.endpoint.numbersAnswers || timeouts >= Self.timeoutsUntilReconnect
    }

    mutating func handle(_ error: ModbusError) {
        switch error.kind {
        case .exception, .otherUnit: timeouts = 0
        case .timeout:
            timeouts += 1
            if isHopeless, !settings.endpoint.isSerial {
                timeouts = 0
                context = nil
            }
        // A TCP stream that has lost its frames does not find them again; in what comes over a line they are looked for.
        case .garbled where settings.endpoint.isSerial: break
        // Its other end comes back when it likes: it is not hung up for one late answer.
        case .garbled where settings.endpoint.isDialIn && timeouts < Self.timeoutsUntilHangUp: timeouts += 1
        case .garbled, .disconnected, .setup: context = nil
        }
    }
}

extension RegisterTable {
    fileprivate var onTheWire: ModbusTable {
        switch self {
        case .coil: .coil
        case .discrete: .discrete
        case .input: .input
        case .holding: .holding
        }
    }

    init(_ onTheWire: ModbusTable) {
        self =
            switch onTheWire {
            case .coil: .coil
            case .discrete: .discrete
            case .input: .input
            case .holding: .holding
            }
    }
}

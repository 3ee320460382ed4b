// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import Modbus
import Synchronization
import Waiting

/// What is to be written to a unit of a link.
public struct WriteOrder: Sendable {
    public var unit: UInt8
    public var table: RegisterTable
    public var address: UInt16
    public var value: EncodedValue
    public var usesMultiple: Bool
    /// Whether what was read back is what was written.
    public var isKept: @Sendable ([UInt16]) -> Bool
    /// After it nothing is begun.
    public var deadline: Moment

    public init(
        unit: UInt8, table: RegisterTable, address: UInt16, value: EncodedValue, usesMultiple: Bool,
        deadline: Moment, isKept: @escaping @Sendable ([UInt16]) -> Bool
    ) {
        self.unit = unit
        self.table = table
        self.address = address
        self.value = value
        self.usesMultiple = usesMultiple
        self.deadline = deadline
        self.isKept = isKept
    }

    func overlaps(_ other: WriteOrder) -> Bool {
        let (own, others) = (Int(address), Int(other.address))
        return unit == other.unit && table == other.table
            && (own..<(own + value.words.count)).overlaps(others..<(others + other.value.words.count))
    }

    /// The request that reads it back.
    var whole: ReadRequest {
        ReadRequest(table: table, address: address, count: value.words.count, points: [])
    }
}

/// What became of an order.
public enum WriteResult: Sendable {
    /// The device has it.
    case done(found: [UInt16])
    /// Nothing was sent: too many wait already, the time was up, or the gateway stops.
    case refused(String)
    /// It was sent, and the device does not have it, or nobody knows.
    case failed(String, found: [UInt16])
}

/// Orders for one link, and who waits for them. The link takes one after at most one request of its polls, and asks at
/// least once for a poll that is due before it takes the next: neither can starve the other.
public final class WriteQueue: Sendable {
    /// More than wait for a link at any time: whoever orders faster than it writes is told so.
    private static let most = 64

    private struct State {
        var jobs: [WriteJob] = []
        /// The one that the link has in hand.
        var current: WriteJob?
        var isClosed = false

        /// Those that may go on once they are due. While one is being read back, none touches the same registers: it
        /// would be read back instead, or be made of what was there before.
        var ready: some Sequence<Int> {
            jobs.indices.lazy.filter { place in
                !jobs[..<place].contains { $0.isSent && $0.order.overlaps(jobs[place].order) }
            }
        }
    }

    private let state = Mutex(State())
    /// The link sleeps until it rings.
    let bell: ThreadBell

    public init() {
        bell = ThreadBell()
    }

    /// Puts an order behind those that came before it.
    /// - Parameter end: is called once, when it is carried out or given up.
    public func submit(_ order: WriteOrder, end: @escaping @Sendable (WriteResult) -> Void) {
        let refusal: String? = state.withLock { state in
            if state.isClosed { return "stopping" }
            if state.jobs.count >= Self.most { return "busy" }
            state.jobs.append(WriteJob(order, ending: Ending(end)))
            return nil
        }
        if let refusal { end(.refused(refusal)) } else { bell.ring() }
    }

    /// The first whose moment has come.
    func take(at now: Moment) -> WriteJob? {
        state.withLock { state in
            guard let place = state.ready.first(where: { state.jobs[$0].due <= now }) else { return nil }
            let job = state.jobs.remove(at: place)
            state.current = job
            return job
        }
    }

    /// To go on with later; before those that came after it.
    func putBack(_ job: WriteJob) {
        state.withLock { state in
            state.current = nil
            if !state.isClosed { state.jobs.insert(job, at: 0) }
        }
    }

    func finished() {
        state.withLock { $0.current = nil }
    }

    /// When the next can be taken.
    var nextDue: Moment? {
        state.withLock { state in state.ready.map { state.jobs[$0].due }.min() }
    }

    /// Ends all there are: the gateway stops, or the link is no more.
    public func close() {
        let (left, current) = state.withLock { state in
            state.isClosed = true
            defer { state.jobs = [] }
            return (state.jobs, state.current)
        }
        // How far the link is with it, nobody knows at this moment.
        current?.ending(.failed("stopping", found: []))
        for job in left { job.ending(job.isSent ? .failed("stopping", found: []) : .refused("stopping")) }
    }
}

/// Tells of an end once, whoever comes first.
final class Ending: Sendable {
    private let body: Mutex<(@Sendable (WriteResult) -> Void)?>

    init(_ body: @escaping @Sendable (WriteResult) -> Void) {
        self.body = Mutex(body)
    }

    func callAsFunction(_ result: WriteResult) {
        body.withLock { $0.take() }?(result)
    }
}

/// An order under way: written once, read back until it is there.
struct WriteJob: Sendable {
    /// A device may take a moment until it shows what it has taken.
    private static let pauses: [Duration] = [.milliseconds(100), .milliseconds(400), .seconds(1)]

    let order: WriteOrder
    let ending: Ending
    private(set) var due = Moment.now
    private(set) var isSent = false
    /// Why the device may not have taken it.
    private var doubt: ModbusError?
    private var looks = 0

    init(_ order: WriteOrder, ending: Ending) {
        self.order = order
        self.ending = ending
    }

    /// One exchange with the device: the order, or a look whether it is kept.
    /// - Returns: whether that was the end of it.
    mutating func step(over connection: inout ModbusConnection) -> Bool {
        if isSent { return look(over: &connection) }
        return send(over: &connection)
    }

    private mutating func send(over connection: inout ModbusConnection) -> Bool {
        var words = order.value.words
        if !order.value.isWhole {
            // The other bits of the register are somebody else's: they stay as they are.
            if let error = connection.read(order.whole, unit: order.unit).error {
                ending(.refused(Reason(error).text))
                return true
            }
            let present = Array(connection.registers.prefix(words.count))
            guard !order.value.absent.contains(present) else {
                // The other bits are unknown.
                ending(.refused("absent_register"))
                return true
            }
            words = order.value.merged(into: present)
        }
        switch connection.write(order, words) {
        case .expired:
            ending(.refused("expired"))
            return true
        case .notSent(let error):
            ending(.refused(Reason(error).text))
            return true
        case .sent(let error):
            isSent = true
            doubt = error
        }
        // A device that says no has not taken it, unless it says that it needs a while (exception 5). Any other error may
        // be of an answer that was lost.
        guard let doubt, doubt.kind == .exception, !doubt.isOfGateway, doubt.exceptionCode != 5 else { return false }
        ending(.failed(Reason(doubt).text, found: []))
        return true
    }

    private mutating func look(over connection: inout ModbusConnection) -> Bool {
        let answer = connection.read(order.whole, unit: order.unit)
        let found = answer.error == nil ? connection.words(of: order.whole) : []
        if answer.error == nil, order.isKept(found) {
            ending(.done(found: found))
            return true
        }
        guard looks < Self.pauses.count else {
            let reason = answer.error ?? doubt
            ending(.failed(found.isEmpty ? reason.map { Reason($0).text } ?? "unknown" : "not_kept", found: found))
            return true
        }
        due = .now + Self.pauses[looks]
        looks += 1
        return false
    }
}

extension Reason {
    fileprivate var text: String { "\(name)" }
}

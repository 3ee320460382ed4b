// Headgate
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The connections of the admin address: bounded, and a new one is always let in.
///
/// If there are too many, the one is closed that has waited longest for a request to come to its end. So connections on
/// which nobody asks anything, or a byte a second, keep nobody out.
final class ConnectionLimit: Sendable {
    private struct State {
        var open: Set<Int> = []
        /// Those without a whole request, by number: the least has waited longest.
        var waiting: [Int: any Channel] = [:]
        var streams = 0
        var next = 0
    }

    private let most: Int
    private let state = Mutex(State())

    /// - Parameter most: the connections that are open at the same time. File descriptors are left for links and brokers.
    init(most: Int) {
        self.most = most
    }

    /// The connections on which events are sent as they come.
    var streams: Int { state.withLock { $0.streams } }

    func streamBegan() { state.withLock { $0.streams += 1 } }

    func streamEnded() { state.withLock { $0.streams -= 1 } }

    /// - Returns: the number of a new connection, for `wait`, `answer` and `close`.
    func open(_ channel: any Channel) -> Int {
        let (number, tooMany) = state.withLock { state -> (Int, (any Channel)?) in
            let number = state.next
            state.next += 1
            state.open.insert(number)
            state.waiting[number] = channel
            guard state.open.count > most, let longest = state.waiting.keys.min() else {
                return (number, nil)
            }
            state.open.remove(longest)
            return (number, state.waiting.removeValue(forKey: longest))
        }
        tooMany?.close(promise: nil)
        return number
    }

    /// A whole request has come: the connection stays until it is answered.
    func answer(_ number: Int) {
        state.withLock { $0.waiting[number] = nil }
    }

    /// It was answered.
    /// - Returns: the number of the connection from now on, as one that has begun to wait.
    func wait(_ number: Int, _ channel: any Channel) -> Int {
        state.withLock { state in
            guard state.open.remove(number) != nil else { return number }
            defer { state.next += 1 }
            state.open.insert(state.next)
            state.waiting[state.next] = channel
            return state.next
        }
    }

    func close(_ number: Int) {
        state.withLock { state in
            state.open.remove(number)
            state.waiting[number] = nil
        }
    }
}

/// A connection of the admin address: closed where its request takes too long to come, where nobody takes the answer, and
/// where nobody listens any more to a stream of events.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The content type of events that are sent as they come.
    static let streamType = "text/event-stream"

    /// For a request from its first byte to its last, and between two.
    private static let longestRequest = TimeAmount.seconds(10)
    /// How often it is looked whether somebody takes the answer.
    private static let answerInterval = TimeAmount.seconds(30)

    private let limit: ConnectionLimit
    private var number: Int?
    private var deadline: Scheduled<Void>?
    private var isStream = false
    /// Requests that have come whole, less those that are answered.
    private var unanswered = 0
    private var isStuck = false

    init(_ limit: ConnectionLimit) {
        self.limit = limit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard number == nil else { return }
        number = limit.open(context.channel)
        awaitRequest(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        deadline?.cancel()
        deadline = nil
        endStream()
        if let number { limit.close(number) }
        number = nil
    }

    private func endStream() {
        if isStream { limit.streamEnded() }
        isStream = false
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end = unwrapInboundIn(data) {
            unanswered += 1
            if unanswered == 1, let number {
                limit.answer(number)
                isStuck = false
                awaitReader(context)
            }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.headerFields[.contentType] == Self.streamType:
            if !isStream { limit.streamBegan() }
            isStream = true
        case .head: break
        case .body: break
        case .end:
            endStream()
            unanswered -= 1
            if unanswered <= 0, let number {
                self.number = limit.wait(number, context.channel)
                awaitRequest(context)
            }
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Who listens to events and sends no more has gone.
        if isStream, let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func awaitRequest(_ context: ChannelHandlerContext) {
        schedule(context, in: Self.longestRequest) { _, context in context.close(promise: nil) }
    }

    private func awaitReader(_ context: ChannelHandlerContext) {
        schedule(context, in: Self.answerInterval) { connection, context in
            let isStuck = !context.channel.isWritable
            if isStuck, connection.isStuck { return context.close(promise: nil) }
            connection.isStuck = isStuck
            connection.awaitReader(context)
        }
    }

    private func schedule(
        _ context: ChannelHandlerContext, in time: TimeAmount,
        _ body: @escaping (ConnectionGuard, ChannelHandlerContext) -> Void
    ) {
        deadline?.cancel()
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        let own = NIOLoopBound(self, eventLoop: context.value.eventLoop)
        let body = NIOLoopBound(body, eventLoop: context.value.eventLoop)
        deadline = context.value.eventLoop.scheduleTask(in: time) {
            own.value.deadline = nil
            body.value(own.value, context.value)
        }
    }
}

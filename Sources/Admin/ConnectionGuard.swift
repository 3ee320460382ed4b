// Headgate
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes a connection of the admin address if its request is not complete in time, if the client does not read the answer,
/// or if the client of a stream of events has closed its end.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The content type of live events.
    static let streamType = "text/event-stream"

    /// The longest time until a request is complete, from the connection or from the answer to the request before.
    private static let longestRequest = TimeAmount.seconds(10)
    /// An answer of which the client has read nothing at two checks is given up.
    private static let answerInterval = TimeAmount.seconds(30)

    private let limit: ConnectionLimit
    private var number: Int?
    private var deadline: Scheduled<Void>?
    private var isStream = false
    /// The number of complete requests less the number of answers.
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
        case .head, .body: break
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
        if isStream, let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func awaitRequest(_ context: ChannelHandlerContext) {
        schedule(context, in: Self.longestRequest) { context.close(promise: nil) }
    }

    private func awaitReader(_ context: ChannelHandlerContext) {
        schedule(context, in: Self.answerInterval) { [self] in
            let wasStuck = isStuck
            isStuck = !context.channel.isWritable
            if wasStuck, isStuck { return context.close(promise: nil) }
            awaitReader(context)
        }
    }

    private func schedule(_ context: ChannelHandlerContext, in time: TimeAmount, _ body: @escaping () -> Void) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: time, body)
    }
}

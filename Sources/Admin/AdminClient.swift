// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why the running gateway could not be asked.
public struct AdminClientError: CodedError {
    public let code: Code
    public let description: String
}

/// Asks a running gateway over its admin address.
public struct AdminClient: Sendable {
    private typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// How long an answer, or the next part of one, may take.
    static let patience = TimeAmount.seconds(5)

    private let host: String
    private let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// A path with a query.
    static func path(_ path: String, _ parameters: [(name: String, value: String?)]) -> String {
        let given = parameters.compactMap { name, value in value.map { "\(name)=\(escaped($0))" } }
        return path + (given.isEmpty ? "" : "?" + given.joined(separator: "&"))
    }

    /// RFC 3986, 2.3: everything but the unreserved.
    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let isPlain = byte < 128 && (character.isLetter || character.isNumber || "-._~".contains(character))
            return isPlain ? String(character) : "%" + String(byte, radix: 16, padded: 2)
        }.joined()
    }

    /// The body of the answer to `GET path`.
    public func get(_ path: String) async throws -> [UInt8] {
        try await page(path).body
    }

    /// Throws unless the gateway answers now: before a request that may take long.
    func requireAnswer() async throws { _ = try await page("/healthz") }

    /// The body of the answer to `POST path`.
    func post(_ path: String, patience: TimeAmount = Self.patience) async throws -> [UInt8] {
        try await page(path, .POST, patience: patience).body
    }

    /// The body of an answer, and where the next page of it begins.
    /// - Parameter patience: how long the answer, or the next part of it, may take.
    func page(
        _ path: String, _ method: HTTPMethod = .GET, patience: TimeAmount = Self.patience
    ) async throws -> (body: [UInt8], next: String?) {
        var body: [UInt8] = []
        let next = try await receive(path, method, AnswerDeadline(patience, of: "\(host):\(port)")) { bytes in
            guard body.count < 64 << 20 else {
                throw AdminClientError(code: .adminRequestFailed, description: "the response is too long")
            }
            body += bytes
        }
        return (body, next)
    }

    /// Each `data:` of a stream of server-sent events, until it ends or the handler throws.
    public func events(_ path: String, _ handle: @escaping ([UInt8]) throws -> Void) async throws {
        let prefix = Array("data: ".utf8)
        var rest: [UInt8] = []
        _ = try await receive(path, .GET, AnswerDeadline(Self.patience, of: "\(host):\(port)", isStream: true)) {
            bytes in
            rest += bytes
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest[..<end]
                if line.starts(with: prefix) { try handle(Array(line.dropFirst(prefix.count))) }
                rest.removeFirst(end + 1)
            }
        }
    }

    /// - Returns: where the next page begins.
    private func receive(
        _ path: String, _ method: HTTPMethod, _ deadline: @escaping @autoclosure @Sendable () -> AnswerDeadline,
        _ handle: ([UInt8]) throws -> Void
    ) async throws -> String? {
        let channel: Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(2))
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(deadline())
                        return try Channel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw AdminClientError(
                code: .gatewayNotRunning, description: "no gateway responds at \(host):\(port); is it running?")
        }
        return try await channel.executeThenClose { inbound, outbound in
            let head = HTTPRequestHead(
                version: .http1_1, method: method, uri: path,
                headers: [
                    "Host": "\(host):\(port)", "Connection": "close", "X-Headgate": "yes", "Content-Length": "0",
                ])
            try await outbound.write(.head(head))
            try await outbound.write(.end(nil))
            var status = HTTPResponseStatus.ok
            var next: String?
            var refusal: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let head):
                    status = head.status
                    next = head.headers.first(name: "Headgate-Next")
                case .body(let buffer) where status == .ok: try handle(Array(buffer.readableBytesView))
                case .body(let buffer): refusal += Array(buffer.readableBytesView).prefix(1_024)
                case .end: break
                }
            }
            guard status == .ok else {
                if let error = try? APIJSON.decode(APIError.self, from: refusal) {
                    let code = Code(error.code) ?? .adminRequestFailed
                    // What the caller asked for is wrong only with this status: see the exit codes.
                    guard status == .badRequest else { throw AdminClientError(code: code, description: error.message) }
                    throw DeskError(code, error.message)
                }
                let reason = String(decoding: refusal, as: UTF8.self).split(separator: "\n").first.map { ": \($0)" }
                throw AdminClientError(
                    code: .adminRequestFailed,
                    description: "\(host):\(port)\(path) returned the status \(status)\(reason ?? "")")
            }
            return next
        }
    }
}

/// Ends a request that the gateway accepts and does not answer in time, because it is stopped or its machine is.
private final class AnswerDeadline: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private let patience: TimeAmount
    private let address: String
    /// Whether the answer may pause once it has begun.
    private let isStream: Bool
    private var timer: Scheduled<Void>?

    init(_ patience: TimeAmount, of address: String, isStream: Bool = false) {
        self.patience = patience
        self.address = address
        self.isStream = isStream
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isStream { timer?.cancel() } else { begin(context) }
        context.fireChannelRead(data)
    }

    private func begin(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: patience) { [patience, address] in
            context.fireErrorCaught(
                AdminClientError(
                    code: .adminRequestFailed,
                    description:
                        "the gateway at \(address) has not responded for \(patience.nanoseconds / 1_000_000_000) s; "
                        + "check whether it is stopped or busy, and read its log"))
            context.close(promise: nil)
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

/// Why the running gateway could not be asked.
public struct AdminClientError: Error, CustomStringConvertible {
    public let description: String
}

/// Asks a running gateway over its admin address.
public struct AdminClient: Sendable {
    private typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private let host: String
    private let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// The body of the answer to `GET path`.
    public func get(_ path: String) async throws -> [UInt8] {
        var body: [UInt8] = []
        try await receive(path) { bytes in
            guard body.count < 64 << 20 else { throw AdminClientError(description: "the answer is too long") }
            body += bytes
        }
        return body
    }

    /// Each `data:` of a stream of server-sent events, until it ends or the handler throws.
    public func events(_ path: String, _ handle: @escaping ([UInt8]) throws -> Void) async throws {
        let prefix = Array("data: ".utf8)
        var rest: [UInt8] = []
        try await receive(path) { bytes in
            rest += bytes
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest[..<end]
                if line.starts(with: prefix) { try handle(Array(line.dropFirst(prefix.count))) }
                rest.removeFirst(end + 1)
            }
        }
    }

    private func receive(_ path: String, _ handle: ([UInt8]) throws -> Void) async throws {
        let channel: Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(2))
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Channel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw AdminClientError(description: "no gateway answers on \(host):\(port); is it running?")
        }
        try await channel.executeThenClose { inbound, outbound in
            let head = HTTPRequestHead(
                version: .http1_1, method: .GET, uri: path,
                headers: ["Host": "\(host):\(port)", "Connection": "close"])
            try await outbound.write(.head(head))
            try await outbound.write(.end(nil))
            for try await part in inbound {
                switch part {
                case .head(let head):
                    guard head.status == .ok else {
                        throw AdminClientError(description: "\(host):\(port)\(path) answers \(head.status)")
                    }
                case .body(let buffer): try handle(Array(buffer.readableBytesView))
                case .end: return
                }
            }
        }
    }
}

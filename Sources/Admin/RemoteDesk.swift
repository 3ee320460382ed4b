// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import FoundationEssentials
import NIOCore

/// Asks the running gateway.
public struct RemoteDesk: OutboxDesk {
    /// How long it may take to read or change the whole outbox.
    private static let patience = TimeAmount.minutes(10)

    private let client: AdminClient

    public init(_ client: AdminClient) {
        self.client = client
    }

    public func events(_ query: EventQuery, from place: String?) async throws -> EventPage {
        if place == nil { try await client.requireAnswer() }
        let (body, next) = try await client.page(
            Self.path(
                "events",
                [
                    ("id", query.id), ("device", query.device), ("lane", query.lane), ("since", query.since),
                    ("until", query.until), ("from", place),
                ]), patience: Self.patience)
        return EventPage(lines: body, next: next)
    }

    public func verify() async throws -> OutboxVerdict {
        try await client.requireAnswer()
        return try decode(await client.page(Self.path("verify", []), patience: Self.patience).body)
    }

    public func deadLetters() async throws -> [DeadLetterReport] {
        try decode(await client.get(Self.path("dead", [])))
    }

    public func drop(_ letters: [Int]) async throws -> Count {
        try decode(await change("dead/drop", letters.map { ("letter", "\($0)") }))
    }

    public func retry(_ letters: [Int]) async throws -> Count {
        try decode(await change("dead/retry", letters.map { ("letter", "\($0)") }))
    }

    public func replay(to output: String, since: String, until: String) async throws -> Count {
        try decode(await change("replay", [("output", output), ("since", since), ("until", until)]))
    }

    private func change(_ name: String, _ parameters: [(name: String, value: String?)]) async throws -> [UInt8] {
        try await client.requireAnswer()
        return try await client.post(Self.path(name, parameters), patience: Self.patience)
    }

    private func decode<Value: Decodable>(_ bytes: [UInt8]) throws -> Value {
        try APIJSON.decode(Value.self, from: bytes)
    }

    private static func path(_ name: String, _ parameters: [(name: String, value: String?)]) -> String {
        AdminClient.path("/api/outbox/\(name)", parameters)
    }
}

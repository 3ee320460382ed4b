// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Codes
import Events
import FoundationEssentials
import Logging
import Outbox
import SQLite

/// What is in the outbox, of a running gateway or a stopped one.
public struct OutboxOverview: Codable {
    public struct Output: Codable {
        public var output: String
        public var lanes: [GatewayStatus.Backlog]
    }

    public var file: String
    public var epoch: String
    public var bytes: Int
    public var maxBytes: Int
    /// The keys that something in it is sealed with, the one that seals now first; empty where nothing is.
    public var keys: [String]
    /// What is written to disks a day at the rate of the last hour; nil of a stopped gateway.
    public var writtenBytesPerDay: Int?
    /// What has been lost, as far back as is kept.
    public var losses: [GatewayStatus.LossStatus]
    public var outputs: [Output]

    public static func read(_ configuration: Configuration) async throws -> OutboxOverview {
        if let status = try? await RunningGateway.status(of: configuration) {
            return OutboxOverview(
                file: configuration.state + "/outbox.db", epoch: status.outbox.epoch, bytes: status.outbox.bytes,
                maxBytes: status.outbox.maxBytes, keys: status.outbox.keys,
                writtenBytesPerDay: status.outbox.writtenBytesPerDay, losses: status.outbox.losses,
                outputs: status.outputs.map { Output(output: $0.output, lanes: $0.lanes) })
        }
        let status = try await Self.stopped(configuration).status()
        var names: [String] = []
        for backlog in status.backlogs where !names.contains(backlog.output) { names.append(backlog.output) }
        return OutboxOverview(
            file: configuration.state + "/outbox.db", epoch: String(status.epoch, radix: 16, padded: 16),
            bytes: Int(status.bytes), maxBytes: Int(status.maxBytes), keys: status.keys,
            losses: status.losses.map(GatewayStatus.LossStatus.init),
            outputs: names.map { Output(output: $0, lanes: status.lanes(of: $0)) })
    }

    /// The desk of a gateway's outbox, whether it runs or not.
    public static func desk(_ configuration: Configuration) async throws -> any OutboxDesk {
        if (try? await RunningGateway.status(of: configuration)) != nil {
            return RemoteDesk(try RunningGateway.client(of: configuration))
        }
        return LocalDesk(outbox: try stopped(configuration), gateway: configuration.gateway)
    }

    /// Opens the outbox of a stopped gateway as a start does, and saves what there is to save.
    /// - Returns: what was done, in words.
    public static func repair(_ configuration: Configuration) async throws -> String {
        var logger = Logger(label: "headgate.outbox")
        logger.logLevel = .notice
        StateFolder.keepPrivate()
        do {
            let outbox = try Outbox(
                configuration.outboxSettings(),
                outputs: configuration.outputs.map { OutboxOutput(name: $0.name, isInOrder: $0.isInOrder) },
                logger: logger)
            let saved = await outbox.salvageAll()
            let run = Task { await outbox.run() }
            run.cancel()
            await run.value
            return saved == 0 ? "nothing to recover" : "\(saved) blocks recovered"
        } catch let error as OutboxError where error.kind == .inUse {
            throw InUse(description: error.description)
        }
    }

    private static func stopped(_ configuration: Configuration) throws -> StoppedOutbox {
        do {
            return try StoppedOutbox(configuration.outboxSettings())
        } catch let error as OutboxError where error.kind == .inUse {
            throw InUse(description: "\(error.description); its admin address does not respond")
        } catch let error as SQLiteError {
            throw DamagedOutbox(
                description: "\(error): `headgate outbox repair` recovers the readable events, as the next start does")
        }
    }
}

/// A damaged database of a stopped gateway.
public struct DamagedOutbox: CodedError {
    public var code: Code { .outboxNotReadable }
    public let description: String
}

/// The gateway of a configuration, asked over its admin address.
enum RunningGateway {
    static func client(of configuration: Configuration) throws(StartError) -> AdminClient {
        guard let admin = configuration.admin else {
            throw StartError(
                .gatewayNotRunning, "the admin address of this gateway is off: write admin: { listen: 127.0.0.1:9464 }")
        }
        return AdminClient(host: admin.host, port: admin.port)
    }

    static func status(of configuration: Configuration) async throws -> GatewayStatus {
        let answer = try await client(of: configuration).get("/api/status")
        let status = try APIJSON.decode(GatewayStatus.self, from: answer)
        guard status.gateway == configuration.gateway else {
            throw StartError(
                .otherGateway,
                "another gateway uses this admin address: \(status.gateway), not \(configuration.gateway)")
        }
        return status
    }
}

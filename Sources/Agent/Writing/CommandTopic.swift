// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import FoundationEssentials
import Inputs
import MQTT
import Synchronization

/// Commands to write points, from a broker.
///
/// An accepted command is committed and acknowledged before it is begun, so that one that is sent again after a crash was
/// not carried out under an event that nobody has. Each id is taken once.
final class CommandTopic: CommandTaking {
    let topic: String
    private let link: String
    private let desk: WriteDesk
    private let seen = Mutex(RecentIDs())

    init(topic: String, link: String, desk: WriteDesk) {
        self.topic = topic
        self.link = link
        self.desk = desk
    }

    private static let longest = 64 << 10

    func take(_ message: MQTTMessage, into batch: inout Batch) -> (@Sendable () async -> Void)? {
        let command: Command
        do {
            guard message.payload.count <= Self.longest else { throw Malformed() }
            command = try JSONDecoder().decode(Command.self, from: Data(message.payload))
        } catch {
            desk.record(
                WriteWish(id: WriteWish.randomID(), device: "", point: "", value: .text(""), by: link, deadline: .now),
                WriteOutcome(.refused, "malformed"), into: &batch)
            return nil
        }
        let wish = wish(of: command)
        do throws(WriteRefusal) {
            // Nobody knows when a message was sent that the broker keeps for whoever comes.
            if message.retained { throw WriteRefusal("retained", "") }
            guard command.deadline != nil else { throw WriteRefusal("no_deadline", "") }
            if let id = command.id, !seen.withLock({ $0.insert(id) }) { throw WriteRefusal("duplicate", "") }
            let order = try desk.judge(wish)
            desk.record(wish, WriteOutcome(.accepted), into: &batch)
            return { [desk] in _ = await desk.finish(wish, order) }
        } catch {
            desk.record(wish, WriteOutcome(.refused, error.reason), into: &batch)
            return nil
        }
    }

    private func wish(of command: Command) -> WriteWish {
        let deadline = command.deadline.flatMap { Timestamp(iso8601: $0.utf8) }
        return WriteWish(
            id: command.id ?? WriteWish.randomID(), device: command.device, point: command.point, value: command.value,
            by: command.by.map { "\(link): \($0)" } ?? link, deadline: deadline ?? Timestamp(microseconds: 0))
    }
}

private struct Malformed: Error {}

/// A message of the command topic.
private struct Command: Decodable {
    var id: String?
    var device: String
    var point: String
    var value: AskedValue
    /// RFC 3339.
    var deadline: String?
    var by: String?

    private enum CodingKeys: String, CodingKey { case id, device, point, value, deadline, by }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func text(_ key: CodingKeys) throws -> String? {
            let text = try container.decodeIfPresent(String.self, forKey: key)
            guard text?.utf8.count ?? 0 <= 256 else { throw Malformed() }
            return text
        }
        guard let device = try text(.device), let point = try text(.point) else { throw Malformed() }
        self.device = device
        self.point = point
        id = try text(.id)
        deadline = try text(.deadline)
        by = try text(.by)
        if let boolean = try? container.decode(Bool.self, forKey: .value) {
            value = .boolean(boolean)
        } else if let number = try? container.decode(Double.self, forKey: .value) {
            value = .number(number)
        } else {
            value = .text(try text(.value) ?? "")
        }
    }
}

/// The last ids that there were.
private struct RecentIDs {
    private static let most = 1_024
    private var ids: Set<String> = []
    private var order: [String] = []

    /// - Returns: false where it is one of them.
    mutating func insert(_ id: String) -> Bool {
        guard ids.insert(id).inserted else { return false }
        order.append(id)
        if order.count > Self.most { ids.remove(order.removeFirst()) }
        return true
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import FoundationEssentials
import Inputs
import MQTT

/// Commands to write points, from a broker.
///
/// An accepted command is committed before it is begun, and its id kept before that: whatever is sent again, after a crash
/// or because its acknowledgement was lost, is not done again.
final class CommandTopic: CommandTaking {
    let topic: String
    private let link: String
    private let desk: WriteDesk
    /// The ids of the commands so far, also before the gateway was started.
    private let ids: CommandIDs
    /// How far ahead a deadline may be, in microseconds.
    private let longestDeadline: Int64

    init(_ commands: Configuration.Writes.Commands, desk: WriteDesk, ids: CommandIDs) {
        topic = commands.topic
        link = commands.link
        longestDeadline = commands.longestDeadline
        self.desk = desk
        self.ids = ids
    }

    /// Bytes.
    private static let largest = 64 << 10

    func take(_ message: MQTTMessage, into batch: inout Batch) -> (@Sendable () -> Void)? {
        let command: Command
        do {
            guard message.payload.count <= Self.largest else { throw Malformed() }
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
            guard let id = command.id, !id.isEmpty else { throw WriteRefusal("no_id", "") }
            if Timestamp.now.isUnset { throw WriteRefusal("clock_unset", "") }
            if let refusal = ids.refusal(of: id, until: wish.deadline, at: .now) {
                throw WriteRefusal(refusal.rawValue, "")
            }
            let order = try desk.judge(wish, longestDeadline: longestDeadline)
            do throws(CommandIDs.Refusal) {
                try ids.keep(id, until: wish.deadline, at: .now)
            } catch {
                throw WriteRefusal(error.rawValue, "")
            }
            desk.record(wish, WriteOutcome(.accepted), into: &batch)
            return { [desk] in desk.begin(wish, order) }
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
        } else if let integer = try? container.decode(Int64.self, forKey: .value) {
            value = AskedValue(whole: .integer(integer))
        } else if let number = try? container.decode(UInt64.self, forKey: .value) {
            value = AskedValue(whole: Value(number))
        } else if let number = try? container.decode(Double.self, forKey: .value) {
            value = .number(number)
        } else {
            value = .text(try text(.value) ?? "")
        }
    }
}

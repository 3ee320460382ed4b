// Headgate
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials

/// A command as ArgumentParser describes it (its `ToolInfoV0`): what the reference pages and the man pages are made from.
struct CommandDescription: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String
        }

        var kind: String
        var shouldDisplay: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?
        var isOptional: Bool
        var isRepeating: Bool

        /// As it is written: `-c, --config <config>`.
        var spelling: String {
            let value = valueName.map { "<\($0)>" } ?? ""
            guard kind != "positional" else { return value + (isRepeating ? " ..." : "") }
            let names = (names ?? []).map { ($0.kind == "short" ? "-" : "--") + $0.name }.sorted { $0.count < $1.count }
            return names.joined(separator: ", ") + (kind == "option" ? " \(value)" : "")
        }

        var text: String {
            [abstract ?? "", defaultValue.map { "(default: \($0))" } ?? ""].filter { !$0.isEmpty }
                .joined(separator: " ")
        }
    }

    var superCommands: [String]?
    var shouldDisplay: Bool
    var commandName: String
    var abstract: String?
    var discussion: String?
    var arguments: [Argument]?
    var subcommands: [CommandDescription]?

    /// With the commands that it belongs to: `headgate outbox show`.
    var path: String { ((superCommands ?? []) + [commandName]).joined(separator: " ") }

    /// Without `--help` and `--version`, which every command has.
    var ownArguments: [Argument] {
        (arguments ?? []).filter { argument in
            argument.shouldDisplay
                && !["help", "version"].contains { argument.names?.map(\.name).contains($0) ?? false }
        }
    }

    /// It and all commands below it that are shown, in their order.
    var all: [CommandDescription] {
        guard shouldDisplay, commandName != "help" else { return [] }
        return [self] + (subcommands ?? []).flatMap(\.all)
    }

    static func read(_ root: any ParsableCommand.Type) throws -> CommandDescription {
        struct Tool: Decodable { var command: CommandDescription }
        return try JSONDecoder().decode(Tool.self, from: Data(root._dumpHelp().utf8)).command
    }
}

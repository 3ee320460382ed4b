// Headgate
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import YAMLText

/// A word on the command line where the name of a subcommand is expected.
struct UnknownCommand {
    let word: String
    let suggestion: String

    /// Former names of commands, with their new ones.
    private static let renamed = ["replay": "dry-run"]

    /// - Returns: nil if the words name a command as far as they can.
    static func find(in arguments: [String], of root: any ParsableCommand.Type) -> UnknownCommand? {
        var command = root
        var path = "headgate"
        for word in arguments {
            let subcommands = command.configuration.subcommands
            guard !subcommands.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            let names = subcommands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
            guard let next = subcommands.first(where: { $0._commandName == word }) else {
                let known = command == root ? renamed[word] : nil
                let nearest = known ?? Spelling.nearest(to: word, among: names)
                return UnknownCommand(
                    word: word,
                    suggestion: known.map { "it is now named `\(path) \($0)`" }
                        ?? nearest.map { "did you mean `\(path) \($0)`?" }
                        ?? "the commands are \(names.joined(separator: ", "))")
            }
            command = next
            path += " \(word)"
        }
        return nil
    }
}

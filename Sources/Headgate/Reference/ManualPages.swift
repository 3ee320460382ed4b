// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Manual pages in the form of man(7), one for each command.
enum ManualPages {
    static func all(_ root: CommandDescription) -> [(name: String, text: String)] {
        root.all.map { command in
            let name = command.path.split(separator: " ").joined(separator: "-")
            return ("\(name).1", page(command, name, others: root.all.filter { isNeighbour($0, of: command) }))
        }
    }

    private static func isNeighbour(_ one: CommandDescription, of command: CommandDescription) -> Bool {
        one.superCommands == [command.path] || one.path == (command.superCommands ?? []).joined(separator: " ")
    }

    private static func page(_ command: CommandDescription, _ name: String, others: [CommandDescription]) -> String {
        var lines = [
            ".TH \(name.uppercased()) 1 \"\" \"headgate\"", ".SH NAME",
            "\(name) \\- \(escaped(command.abstract ?? ""))",
            ".SH SYNOPSIS", ".B \(escaped(command.path))",
        ]
        let arguments = command.ownArguments
        lines += arguments.map { $0.isOptional ? "[\(escaped($0.spelling))]" : escaped($0.spelling) }
        if let discussion = command.discussion { lines += [".SH DESCRIPTION"] + paragraphs(discussion) }
        if !arguments.isEmpty {
            lines.append(".SH OPTIONS")
            for argument in arguments { lines += [".TP", ".B \(escaped(argument.spelling))", escaped(argument.text)] }
        }
        if !others.isEmpty {
            let names = others.map { $0.path.split(separator: " ").joined(separator: "-") }
            lines += [".SH SEE ALSO", names.map { "\(escaped($0))(1)" }.joined(separator: ", ")]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Indented lines are examples.
    private static func paragraphs(_ discussion: String) -> [String] {
        var lines: [String] = []
        var isExample = false
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            if !line.isEmpty, line.hasPrefix("  ") != isExample {
                isExample.toggle()
                lines.append(isExample ? ".nf" : ".fi")
            }
            lines.append(line.isEmpty ? ".PP" : escaped(String(line)))
        }
        return lines + (isExample ? [".fi"] : [])
    }

    /// A backslash begins a request of roff, and so does a full stop or an apostrophe at the start of a line.
    private static func escaped(_ text: String) -> String {
        let text = text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
            .split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Codes

/// The pages of docs/reference that are made from declarations in the code.
enum ReferencePages {
    private static let note = "<!-- Made by `headgate reference docs`; do not edit. -->\n\n"

    static func all(_ root: CommandDescription) -> [(name: String, text: String)] {
        [("cli.md", commands(root)), ("codes.md", note + Explanation.page), ("metrics.md", metrics)]
    }

    private static func commands(_ root: CommandDescription) -> String {
        var text =
            note + "# Commands\n\nFor operators and for authors of scripts. `headgate help COMMAND` prints the same.\n"
        for command in root.all {
            text += "\n## \(command.path)\n\n\(command.abstract ?? "")\n"
            if let discussion = command.discussion { text += "\n\(markdown(discussion))\n" }
            let arguments = command.ownArguments
            guard !arguments.isEmpty else { continue }
            text += "\n| argument | meaning |\n|---|---|\n"
            for argument in arguments { text += "| `\(argument.spelling)` | \(cell(argument.text)) |\n" }
        }
        return text
    }

    /// Indented lines are examples.
    private static func markdown(_ discussion: String) -> String {
        var lines: [String] = []
        var isExample = false
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if !line.isEmpty, line.hasPrefix("  ") != isExample {
                isExample.toggle()
                lines.append(isExample ? "```sh" : "```")
                if !isExample { lines.append("") }
            }
            lines.append(isExample ? String(line.dropFirst(2)) : line)
        }
        if isExample { lines.append("```") }
        return lines.joined(separator: "\n")
    }

    private static var metrics: String {
        var text =
            note + """
                # Metrics

                For operators of Prometheus. The gateway exposes these metrics at `http://127.0.0.1:9464/metrics`.

                | metric | type | labels | meaning |
                |---|---|---|---|

                """
        for metric in Metric.all {
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            text += "| `\(metric.name)` | \(metric.kind.rawValue) | \(labels) | \(cell(metric.help)) |\n"
        }
        return text
    }

    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}

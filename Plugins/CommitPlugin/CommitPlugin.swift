// Headgate
// SPDX-License-Identifier: Apache-2.0

import Foundation
import PackagePlugin

/// Writes the commit that is built into a Swift file, for `headgate --version`. Without git, as in a source archive, it is
/// empty.
@main
struct CommitPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "Commit.swift")
        let package = context.package.directoryURL
        // It grows with each commit and each change of branch.
        let log = package.appending(path: ".git/logs/HEAD")
        let script = """
            commit=$(git -C "$1" rev-parse --short=10 HEAD 2>/dev/null || true)
            printf '/// The commit that was built; empty if it is unknown.\\nlet builtCommit = "%s"\\n' "$commit" > "$2"
            """
        return [
            .buildCommand(
                displayName: "Writing the commit", executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", script, "sh", package.path(), output.path()],
                inputFiles: FileManager.default.fileExists(atPath: log.path()) ? [log] : [], outputFiles: [output])
        ]
    }
}

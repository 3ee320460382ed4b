// Headgate
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Codes
import Glibc
import YAMLText

/// Writes the pages that are made from declarations in the code. The build and the tests use it.
struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the generated reference pages or manual pages to a folder.", shouldDisplay: false)

    enum Form: String, ExpressibleByArgument, CaseIterable {
        case docs, man
    }

    @Argument(help: "docs (Markdown) or man (manual pages).")
    var form: Form

    @Argument(help: "The folder. Existing files are replaced.")
    var folder: String

    func run() throws {
        try prepareFolder(folder)
        let root = try CommandDescription.read(Headgate.self)
        for page in form == .docs ? ReferencePages.all(root) : ManualPages.all(root) {
            do {
                try TextFile.create("\(folder)/\(page.name)", page.text, replaces: true)
            } catch {
                throw fail(error, else: .fileNotWritten, EX_CANTCREAT)
            }
        }
    }
}

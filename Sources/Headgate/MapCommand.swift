// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc
import MapImport
import YAMLText

extension ForeignFormat: ExpressibleByArgument {}

struct MapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "Work with device maps.", subcommands: [Import.self, Docs.self])

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make device maps from the configuration of another gateway.",
            discussion: """
                Reads EdgeX device profiles, the inputs.modbus of Telegraf in its three styles, the tags of Neuron (exports of drivers, \
                templates, its API) and the Modbus connector of ThingsBoard. Prints the maps, or writes each to a file in a folder. \
                Reports what it could not translate, here and in the maps. What the file does not contain is marked `To check`.

                  headgate map import modbus.json --output Devices
                  headgate map import telegraf.conf
                """)

        @Argument(help: "The file of the other gateway.")
        var file: String

        @Option(help: "edgex, telegraf, neuron or thingsboard (default: detected from the file).")
        var from: ForeignFormat?

        @Option(name: .shortAndLong, help: "The folder for the maps. Existing files are not replaced.")
        var output: String?

        @Flag(help: "Print JSON: each map with its name, its text and what was left out.")
        var json = false

        func run() async throws {
            let maps: [(text: String, map: ImportedMap)]
            do {
                maps = try ForeignFile.maps(of: TextFile.read(file), name: file, format: from).map(MapText.text)
            } catch {
                throw fail(error, else: .foreignFileInvalid, EXIT_FAILURE)
            }
            var isFailed = false
            for one in maps where !one.map.points.isEmpty {
                do {
                    try put(one.text, one.map)
                } catch let error as TextFileError {
                    complain("headgate: \(error)")
                    isFailed = true
                }
            }
            for (_, map) in maps {
                for text in map.doubts { complain("\(map.name): to check: \(text)") }
                for left in map.left { complain("\(map.name): left out: \(left.what): \(left.why)") }
            }
            let points = maps.reduce(0) { $0 + $1.map.points.count }
            let left = maps.reduce(0) { $0 + $1.map.left.count }
            let made = maps.count { !$0.map.points.isEmpty }
            complain("\(made) \(made == 1 ? "map" : "maps") with \(points) points; \(left) left out")
            if made == 0 || isFailed { throw ExitCode.failure }
        }

        private func put(_ text: String, _ map: ImportedMap) throws {
            if json {
                try printJSON(Imported(map: map.name, text: text, left: map.left.map { "\($0.what): \($0.why)" }))
                return
            }
            guard let output else { return printFile("# \(map.name).yaml\n\(text)\n") }
            try prepareFolder(output)
            let path = "\(output)/\(map.name).yaml"
            try TextFile.create(path, text)
            print(path)
        }

        private struct Imported: Encodable {
            var map: String
            var text: String
            var left: [String]
        }
    }

    struct Docs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print device maps as Markdown, with a table of points for each map.",
            discussion:
                "For people who commission a device or check its values: headgate map docs Devices/*.yaml > maps.md")

        @Argument(help: "Device maps.")
        var maps: [String]

        func run() async throws {
            let problems = ProblemList()
            let pages = problems.pages(of: maps)
            for line in problems.lines { complain(line) }
            guard problems.lines.isEmpty else { throw ExitCode(EX_CONFIG) }
            printFile(pages.joined(separator: "\n"))
        }
    }
}

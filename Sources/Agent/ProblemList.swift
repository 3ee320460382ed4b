// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Modbus
import YAMLText

/// Every mistake in a configuration or in device maps.
public final class ProblemList {
    /// A mistake as `check --json` prints it.
    public struct Entry: Codable {
        public var file: String
        public var line: Int
        public var column: Int
        public var code: String
        public var message: String
        public var fix: String
    }

    let problems: Problems
    /// Hints that are no mistakes.
    public private(set) var notes: [String] = []

    /// - Parameters:
    ///   - provesExamples: whether device maps have to have examples, and those have to be right.
    ///   - provesEnvironment: whether files of secrets and certificates, and folders have to be there.
    public init(provesExamples: Bool = true, provesEnvironment: Bool = false) {
        problems = Problems(provesExamples: provesExamples, provesEnvironment: provesEnvironment)
    }

    /// - Parameter provesPlans: whether a line that cannot carry its polls is a mistake.
    public func read(_ path: String, provesPlans: Bool = true) -> Configuration? {
        ConfigurationFile.read(path, problems: problems, provesPlans: provesPlans)
    }

    /// - Returns: what was proved, in words.
    public func check(_ path: String) -> String {
        let read = ConfigurationFile.read(path, problems: problems, provesIntervals: true)
        guard let configuration = read else { return "" }
        notes += configuration.links.flatMap { $0.notes(looksAtSystem: problems.provesEnvironment) }
        let maps = Dictionary(configuration.devices.map { ($0.map.name, $0.map) }, uniquingKeysWith: { $1 })
        let examples = maps.values.reduce(0) { $0 + $1.examples.count }
        return "\(configuration.devices.count) devices on \(configuration.links.count) links, "
            + "\(maps.count) maps with \(examples) examples, \(configuration.outputs.count) outputs"
    }

    public func check(maps paths: [String]) -> String {
        let maps = maps(at: paths)
        for map in maps where !map.examples.isEmpty && map.examples.allSatisfy({ $0.gives.isEmpty }) {
            notes.append(
                "\(Code.exampleProvesNothing): map \(map.name): its examples check nothing; write in `expect` what the map computes"
            )
        }
        let examples = maps.flatMap(\.examples)
        let computed = examples.count { $0.source == Example.computed }
        return "\(paths.count) maps with \(examples.count) examples"
            + (computed == 0 ? "" : ", \(computed) of them computed by the maps themselves")
    }

    /// Maps as people read them, in Markdown.
    public func pages(of paths: [String]) -> [String] { maps(at: paths).map(MapDocument.markdown) }

    /// Those without a mistake.
    public func maps(at paths: [String]) -> [DeviceMap] {
        paths.compactMap { path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            do {
                let text = try TextFile.read(path)
                let map = DeviceMapFile.read(
                    text, name: name.hasSuffix(".yaml") ? String(name.dropLast(5)) : name, file: path,
                    problems: problems)
                for failure in map.map(ExampleProof.failures) ?? [] {
                    problems.add(
                        Problem(
                            file: path, line: failure.line, column: 1, code: .exampleFails,
                            message: failure.description, fix: ""))
                }
                return map
            } catch {
                problems.add(
                    Problem(
                        file: path, line: 1, column: 1, code: .unreadableFile, message: "cannot be read: \(error)",
                        fix: ""))
                return nil
            }
        }
    }

    public var lines: [String] { problems.sorted.map(\.description) }

    /// How many they are, in words.
    public var count: String {
        let count = problems.all.count
        return "\(count) mistake\(count == 1 ? "" : "s")" + (problems.areMore ? ", and more; fix these first" : "")
    }

    public var report: [Entry] {
        problems.sorted.map {
            Entry(
                file: $0.file, line: $0.line, column: $0.column, code: $0.code.description, message: $0.message,
                fix: $0.fix)
        }
    }
}

extension Configuration.Link {
    /// The speeds that adapters have in common.
    private static let standardSpeeds: [Int32] = [
        300, 600, 1_200, 1_800, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000,
        576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
    ]

    fileprivate func notes(looksAtSystem: Bool) -> [String] {
        let notes: [(Code, String)?] =
            switch way {
            case .modbus(.serial(let line), _):
                [Self.noteOfSpeed(line), looksAtSystem ? line.noteOfDevice : nil]
            case .modbus(.dialIn(let port), _) where port.ranges.isEmpty && !port.isLoopback:
                [
                    (
                        .dialInFromAnywhere,
                        "the gateway accepts any host that connects to \(port.host):\(port.port) as the device; "
                            + "write the addresses from which the device connects: from: [10.20.0.0/16]"
                    )
                ]
            case .modbus, .mqtt: []
            }
        return notes.compactMap(\.self).map { code, text in "\(code): link \(name): \(text)" }
    }

    private static func noteOfSpeed(_ line: SerialLine) -> (Code, String)? {
        guard !standardSpeeds.contains(line.baud) else { return nil }
        let nearest = standardSpeeds.min { abs($0 - line.baud) < abs($1 - line.baud) } ?? 9_600
        return (
            .unusualBaudRate,
            "\(line.baud) baud is not a standard speed, and not every adapter supports it; the nearest is \(nearest)"
        )
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import DeviceMaps
import Glibc
import Inputs
import MapImport
import YAMLText

struct Scan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the units of a Modbus link and their registers, and write first maps of them.",
        discussion: """
            Finds the units that respond, their registers and their SunSpec models. The command only reads, waits between two \
            requests, and continues an interrupted scan. A serial line has one master: stop the gateway first. Over TCP it works \
            beside a running gateway, and uses a part of the time of the device.

              headgate scan press-3
              headgate scan bus-a --units 1-32 --addresses 0-499 --output Devices
              headgate scan bus-a --find-line --units 1-10

            With --output it writes a map for each unit. The map of a SunSpec device is complete. Another map has a point for each \
            register, with its value and its most plausible type, which you complete from the manual.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A Modbus link of the configuration.")
    var link: String

    @Option(help: "Unit IDs: 1-32 or 1,5,9-12.")
    var units = "1-247"

    @Option(help: "Addresses as on the wire.")
    var addresses = "0-9999"

    @Option(help: "Tables, separated by commas: coil, discrete, input, holding.")
    var tables = "holding,input"

    @Option(help: "Milliseconds between two requests.")
    var pause = 20

    @Option(help: "Response timeout in milliseconds (default: the timeout of the link).")
    var timeout: Int?

    @Flag(help: "Read all registers of SunSpec devices too.")
    var all = false

    @Flag(help: "Read each address alone if the device rejects a range (default: every second address).")
    var thorough = false

    @Flag(help: "Try the usual speeds and parities of a serial line until a unit responds.")
    var findLine = false

    @Option(name: .shortAndLong, help: "The folder for the maps. Existing files are not replaced.")
    var output: String?

    @Option(help: "The file with the progress of the scan.")
    var progressFile: String?

    @Flag(help: "Print JSON: each unit with its registers and their values.")
    var json = false

    func run() async throws {
        let configuration = try options.load(provesPlans: false, provesExamples: false)
        let wish = LinkScan.Wish(
            units: try numbers(units, upTo: 255, "--units").map(UInt8.init).filter { $0 <= 247 || $0 == 255 },
            tables: try tables.split(separator: ",").map {
                guard let table = RegisterTable(rawValue: String($0)) else {
                    throw fail(.usage, "\($0) is not a table: write coil, discrete, input or holding", EX_USAGE)
                }
                return table
            }, addresses: try span(addresses), pause: .milliseconds(max(0, min(pause, 60_000))), wantsAll: all,
            isThorough: thorough)
        if let output, !findLine { try prepareFolder(output) }
        do {
            if findLine { return try find(configuration, wish.units) }
            let state = try survey(configuration, wish)
            try report(state)
        } catch let error as StartError {
            throw fail(error, else: .usage, EX_USAGE)
        } catch let exit as ExitCode {
            throw exit
        } catch {
            throw fail(.deviceDoesNotRespond, LinkSurvey.explain(error, configuration, link: link), EX_UNAVAILABLE)
        }
    }

    // MARK: Looking

    private func survey(_ configuration: Configuration, _ wish: LinkScan.Wish) throws -> LinkScan.State {
        let path = progressFile ?? "headgate-scan-\(link).json"
        var survey = try LinkSurvey(configuration, link: link, wish, timeout: timeout, path: path)
        if survey.isResumed { complain("continuing the scan of \(path)") }
        let bar = ProgressLine()
        var kept = ContinuousClock.now
        while !survey.state.isDone {
            do {
                try survey.step()
            } catch {
                bar.clear()
                try survey.keep()
                throw error
            }
            let state = survey.state
            bar.show(
                state.progress,
                "\(state.next)  \(state.found.count) \(state.found.count == 1 ? "unit" : "units"), \(state.requests) requests"
            )
            if kept.duration(to: .now) > .seconds(1) {
                try survey.keep()
                kept = .now
            }
        }
        bar.clear()
        try survey.keep()
        return survey.state
    }

    private func find(_ configuration: Configuration, _ units: [UInt8]) throws {
        let bar = ProgressLine()
        let found = try LinkSurvey.findLine(configuration, link: link, units: units, timeout: timeout) {
            bar.show(nil, $0)
        }
        bar.clear()
        guard let (written, unit) = found else {
            throw fail(
                .scanFoundNothing,
                "\(link): no unit responds at any usual speed; check whether the two wires are exchanged",
                EX_UNAVAILABLE)
        }
        print("\(link): \(written)   # unit \(unit) responds")
    }

    // MARK: Telling

    private func report(_ state: LinkScan.State) throws {
        if json {
            for unit in state.found { try printJSON(unit) }
        } else {
            let rows = state.found.map { unit in
                [
                    "\(unit.unit)", unit.models.map { "\($0.number)" }.joined(separator: " "), Self.spans(of: unit),
                    unit.notes.joined(separator: "; "),
                ]
            }
            print(Table.text(["unit", "SunSpec models", "registers", ""], rows, rightAligned: [0]))
        }
        if !state.unknownUnits.isEmpty {
            let units = state.unknownUnits
            complain(
                "\(units.count) unit IDs answered the same as unit IDs without a device (\(units.prefix(8).map { "\($0)" }.joined(separator: ", "))"
                    + "\(units.count > 8 ? ", …" : "")): to scan one completely, write --units \(units[0])")
        }
        if let output { try writeMaps(state.found, output) }
        if state.found.isEmpty { throw fail(.scanFoundNothing, "\(link): no unit responds", EX_UNAVAILABLE) }
        guard state.found.contains(where: { !$0.spans.isEmpty || !$0.models.isEmpty }) else {
            throw fail(
                .scanReadNothing,
                "\(link): units respond, but no register could be read: write the unit, its tables and its addresses from the "
                    + "manual (--units 7 --tables holding,input --addresses 4000-4999)", EX_UNAVAILABLE)
        }
    }

    private static func spans(of unit: LinkScan.Unit) -> String {
        let texts = unit.spans.map { "\($0.table.rawValue) \($0.address)–\($0.address + $0.words.count - 1)" }
        return texts.prefix(8).joined(separator: ", ") + (texts.count > 8 ? " and \(texts.count - 8) more" : "")
    }

    /// A map that cannot be written does not cost the others.
    private func writeMaps(_ units: [LinkScan.Unit], _ folder: String) throws {
        var isFailed = false
        for (unit, map) in zip(units, ImportedMap.named(units.map(map))) {
            let (text, made) = MapText.text(of: map)
            for left in made.left { complain("\(made.name): left out: \(left.what): \(left.why)") }
            guard !made.points.isEmpty else {
                complain("unit \(unit.unit): no register could be read: no map")
                continue
            }
            let path = "\(folder)/\(made.name).yaml"
            do {
                try TextFile.create(path, text)
                print("unit \(unit.unit): \(path)")
            } catch {
                complain("headgate: unit \(unit.unit): \(error)")
                isFailed = true
            }
        }
        if isFailed { throw ExitCode.failure }
    }

    private func map(of unit: LinkScan.Unit) -> ImportedMap {
        let name = "\(link)-unit-\(unit.unit)"
        guard let first = unit.models.first else {
            return .first(
                name: name, title: "Unit \(unit.unit) of \(link)", source: "headgate scan",
                spans: unit.spans.map { ($0.table, $0.address, $0.words) })
        }
        let common = unit.spans.first { $0.table == .holding && $0.address == first.address + 2 }?.words ?? []
        return .sunSpec(name: name, models: unit.models.map { ($0.number, $0.address, $0.length) }, common: common)
    }

    // MARK: Arguments

    /// `1-32` or `1,5,9-12`.
    private func numbers(_ text: String, upTo most: Int, _ option: String) throws -> [Int] {
        var numbers: [Int] = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let low = ends.first ?? nil, let high = ends.last ?? nil, ends.count <= 2, low <= high,
                (0...most).contains(high)
            else { throw fail(.usage, "\(option) must be numbers up to \(most): 1-32 or 1,5,9-12", EX_USAGE) }
            numbers += Array(low...high)
        }
        guard !numbers.isEmpty else { throw fail(.usage, "\(option) is empty", EX_USAGE) }
        return numbers
    }

    private func span(_ text: String) throws -> Range<Int> {
        let ends = text.split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1], ends[1] <= 65_535 else {
            throw fail(.usage, "--addresses must be two numbers: 0-9999", EX_USAGE)
        }
        return ends[0]..<(ends[1] + 1)
    }
}

/// A line that says how far something is, on a terminal alone.
private final class ProgressLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private var shownAt: ContinuousClock.Instant?

    func show(_ progress: Double?, _ text: String) {
        guard isShown, shownAt.map({ $0.duration(to: .now) > .milliseconds(100) }) ?? true else { return }
        shownAt = .now
        let filled = progress.map { Int($0 * 20) }
        let bar =
            filled.map { "[\(String(repeating: "#", count: $0))\(String(repeating: ".", count: 20 - $0))]  " } ?? ""
        write("\r\u{1B}[K\(bar)\(text)")
    }

    func clear() {
        if isShown { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

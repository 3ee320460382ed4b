// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import Glibc

struct Write: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a point of a device, and read it back.",
        discussion: """
            The running gateway does it, between its polls, where the map says that the point is `writable` and the \
            configuration names the device under `writes: { devices: [...] }`. Every attempt leaves an event \
            (headgate.write.v1), refused ones too.

              headgate write heater-1 setpoint 45.5
              headgate write io-1 relay_0 true
              headgate write pump-2 mode automatic

            It exits with 0 once the device shows the value, with 1 where it was refused and nothing was sent, and with \
            69 where the device has not taken it or nobody knows.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A device of the configuration.")
    var device: String

    @Argument(help: "One of its points.")
    var point: String

    // As a list, since a number below zero looks like an option.
    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("A number in the point's unit, true, false or one of its labels.", valueName: "value"))
    var values: [String]

    @Option(help: "Seconds it may wait for its turn.")
    var within = 5.0

    @Option(help: "Who wants it, for the event; the user without.")
    var by: String?

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard let value = values.first, values.count == 1, !value.hasPrefix("-") || Double(value) != nil else {
            throw ValidationError("give one value: headgate write heater-1 setpoint 45.5")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        guard within > 0, within <= 60 else { throw fail("--within should be up to 60 seconds", EX_USAGE) }
        let wish = WriteRequest(
            device: device, point: point, value: values[0], by: by ?? Self.user, within: Int(within * 1_000))
        let report: WriteReport
        do {
            report = try await RemoteWrite.write(wish, configuration)
        } catch {
            throw fail("\(error)", EX_UNAVAILABLE)
        }
        let isDone = report.phase == "done"
        if json {
            try printJSON(report)
        } else if isDone {
            print("\(device) \(point) is \(report.found ?? report.value)")
        } else {
            let found = report.found.map { "; it has \($0)" } ?? ""
            complain("headgate: \(report.phase): \(report.explanation ?? report.reason ?? "")\(found)")
        }
        if !isDone { throw ExitCode(report.phase == "refused" ? EXIT_FAILURE : EX_UNAVAILABLE) }
    }

    private static var user: String {
        guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "uid \(getuid())" }
        return String(cString: name)
    }
}

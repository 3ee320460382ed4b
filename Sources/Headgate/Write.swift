// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Agent
import ArgumentParser
import Codes
import Glibc
import Schemas

struct Write: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a point of a device, and read it back.",
        discussion: """
            The running gateway writes the point between its polls. The point must be `writable` in the map, and the configuration \
            must name the device in `writes: { devices: [...] }`. Each attempt is an event (headgate.write.v1), also if it is \
            refused.

              headgate write heater-1 setpoint 45.5
              headgate write io-1 relay_0 true
              headgate write pump-2 mode automatic

            Exit codes: 0 if the device has the value, 1 if the write was refused and nothing was sent, 69 if the device does not \
            have the value or the result is unknown.
            """)

    @OptionGroup var options: ConfigurationOption

    @Argument(help: "A device of the configuration.")
    var device: String

    @Argument(help: "A point of the device.")
    var point: String

    // As a list, since a number below zero looks like an option.
    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("A number in the unit of the point, true, false or a label.", valueName: "value"))
    var values: [String]

    @Option(help: "The longest time in seconds until the write begins.")
    var within = 5.0

    @Option(help: "Name for the audit event (default: the current user).")
    var by: String?

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard let value = values.first, values.count == 1, !value.hasPrefix("-") || Double(value) != nil else {
            throw ValidationError("write one value: headgate write heater-1 setpoint 45.5")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        guard within > 0, within <= 60 else {
            throw fail(.usage, "--within must be more than 0 and at most 60 seconds", EX_USAGE)
        }
        let wish = WriteRequest(
            device: device, point: point, value: values[0], by: by ?? Self.user, within: Int(within * 1_000))
        let report: WriteReport
        do {
            report = try await RemoteWrite.write(wish, configuration)
        } catch {
            throw fail(error, else: .gatewayNotRunning, EX_UNAVAILABLE)
        }
        let isDone = report.phase == "done"
        if json {
            try printJSON(report)
        } else if isDone {
            print("\(device) \(point) is \((report.found ?? report.value).text)")
        } else {
            let found = report.found.map { "; the device has \($0.text)" } ?? ""
            let code = report.code.map { "\($0): " } ?? ""
            complain("headgate: \(code)\(report.phase): \(report.explanation ?? report.reason ?? "")\(found)")
        }
        if !isDone { throw ExitCode(report.phase == "refused" ? EXIT_FAILURE : EX_UNAVAILABLE) }
    }

    private static var user: String {
        guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "uid \(getuid())" }
        return String(cString: name)
    }
}

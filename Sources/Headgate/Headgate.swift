// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

@main
struct Headgate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "headgate",
        abstract: "Brings what devices say to the brokers that want it, and loses nothing on the way.",
        discussion: """
            A gateway polls Modbus devices, listens to MQTT ones and to edge nodes of Sparkplug B, keeps what they say \
            in a durable outbox and forwards it to Kafka, MQTT and files. One YAML file says all there is to say, \
            device maps say what registers and messages mean; SunSpec devices and edge nodes say it themselves.

              headgate check --config headgate.yaml      prove the configuration and its maps
              headgate plan --config headgate.yaml       how busy its polls keep each link
              headgate simulate --config headgate.yaml   answer for its devices, on this machine
              headgate read meter-1                      one real read of a device
              headgate write heater-1 setpoint 45        one real write, where it is allowed
              headgate scan bus-a --output Devices       what is on a link, and first maps of it
              headgate map import telegraf.conf          maps of what another gateway reads
              headgate map docs Devices/*.yaml           device maps as pages to read
              headgate run                               the gateway
              headgate status --watch                    what a running gateway does

            Exit codes: 0 done, 1 something is wrong with what was asked about, 64 wrong usage, 65 and 66 a \
            file that is another or is not there, 69 a device, a broker or the gateway does not answer, 73 and 74 \
            a file cannot be made or the output not written, 75 in use by another process, 78 the configuration has mistakes.
            """,
        version: Gateway.version,
        subcommands: [
            Run.self, Check.self, Test.self, ReplayCommand.self, Plan.self, Read.self, Write.self, Scan.self,
            MapCommand.self, SchemaCommand.self, Provision.self, Simulate.self, OutboxCommand.self, Tail.self,
            Status.self,
        ])

    static func main() async {
        GatewayProcess.prepareLog()
        do {
            let command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = command
                try command.run()
            }
            leave(.success)
        } catch {
            let (code, message) = (exitCode(for: error), fullMessage(for: error))
            if !message.isEmpty { code.isSuccess ? print(message) : complain(lines: message) }
            leave(code)
        }
    }
}

/// Ends the process, with what was printed handed on.
///
/// Handlers at exit do not run: those of libcurl and OpenSSL free what their threads use while these still end, which crashed
/// about one stop of a hundred. What has to last is on the disk before.
func leave(_ code: ExitCode) -> Never {
    if fflush(nil) != 0, errno != EPIPE, code.isSuccess {
        complain("headgate: the output cannot be written: \(String(cString: strerror(errno)))")
        _exit(EX_IOERR)
    }
    _exit(code.rawValue)
}

/// `--config`, the same for every command.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .shortAndLong, help: "The gateway's configuration.")
    var config = "/etc/headgate/headgate.yaml"

    /// The configuration, or every mistake on standard error and exit code 78.
    /// - Parameter provesExamples: false for commands that show what examples are made of.
    func load(provesPlans: Bool = true, provesExamples: Bool = true) throws -> Configuration {
        let problems = ProblemList(provesExamples: provesExamples)
        guard let configuration = problems.read(config, provesPlans: provesPlans) else {
            throw mistakes(problems)
        }
        return configuration
    }
}

func complain(_ text: String) { complain(lines: PrintableText.line(text)) }

func complain(lines: String) {
    let bytes = Array((PrintableText.lines(lines) + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// Makes a folder that is not there, before there is something to put into it.
func prepareFolder(_ path: String) throws {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
        throw fail("\(path): \(String(cString: strerror(errno)))", EX_CANTCREAT)
    }
}

/// Says every mistake of a file, and how many they are.
func mistakes(_ problems: ProblemList) -> ExitCode {
    for line in problems.lines { complain(line) }
    complain(problems.count)
    return ExitCode(EX_CONFIG)
}

/// Says what is wrong and ends with a code that scripts can tell.
func fail(_ text: String, _ code: Int32) -> ExitCode {
    complain("headgate: \(text)")
    return ExitCode(code)
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

@main
struct Headgate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "headgate",
        abstract: "Collects readings from devices and forwards them to brokers without loss.",
        discussion: """
            A gateway polls Modbus devices, and receives messages from MQTT devices and Sparkplug B edge nodes. It stores the \
            readings in a durable outbox and forwards them to Kafka, MQTT and files. One YAML file is the configuration. Device \
            maps describe registers and messages; SunSpec devices and edge nodes describe themselves.

              headgate check --config headgate.yaml      check the configuration and its maps
              headgate plan --config headgate.yaml       show the requests and the load of each link
              headgate simulate --config headgate.yaml   simulate its devices on this machine
              headgate read meter-1                      read a device once
              headgate write heater-1 setpoint 45        write a point, if the configuration allows it
              headgate scan bus-a --output Devices       find the devices of a link, and write first maps
              headgate map import telegraf.conf          make maps from the file of another gateway
              headgate map docs Devices/*.yaml           print device maps as Markdown
              headgate run                               run the gateway
              headgate status --watch                    show the state of a running gateway
              headgate explain HG0110                    explain the code of a message

            Exit codes: 0 success, 1 the command found a problem, 64 wrong usage, 65 wrong file type, 66 file not found, 69 a \
            device, a broker or the gateway does not respond, 73 a file cannot be created, 74 the output cannot be written, 75 in \
            use by another process, 78 the configuration has mistakes.
            """,
        version: builtCommit.isEmpty ? Gateway.version : "\(Gateway.version) (\(builtCommit))",
        subcommands: [
            Run.self, Check.self, Test.self, DryRun.self, Plan.self, Read.self, Write.self, Scan.self,
            MapCommand.self, SchemaCommand.self, Provision.self, Simulate.self, OutboxCommand.self, Tail.self,
            Status.self, Explain.self, Reference.self,
        ])

    static func main() async {
        GatewayProcess.prepareLog()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if let unknown = UnknownCommand.find(in: arguments, of: Self.self) {
            leave(fail(.usage, "unknown command `\(unknown.word)`; \(unknown.suggestion)", EX_USAGE))
        }
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
    @Option(name: .shortAndLong, help: "The configuration of the gateway.")
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
        throw fail(.fileNotWritten, "\(path): \(String(cString: strerror(errno)))", EX_CANTCREAT)
    }
}

/// Says every mistake of a file, and how many they are.
func mistakes(_ problems: ProblemList) -> ExitCode {
    for line in problems.lines { complain(line) }
    complain(problems.count)
    return ExitCode(EX_CONFIG)
}

/// Prints an error with its code to standard error.
/// - Returns: the exit code, to be thrown.
func fail(_ code: Code, _ text: String, _ exitCode: Int32) -> ExitCode {
    complain("headgate: \(code): \(text)")
    return ExitCode(exitCode)
}

/// - Parameter subject: the device, link or file of the error; empty where the error names it.
func fail(_ error: any Error, of subject: String = "", else code: Code, _ exitCode: Int32) -> ExitCode {
    fail((error as? any CodedError)?.code ?? code, (subject.isEmpty ? "" : "\(subject): ") + "\(error)", exitCode)
}

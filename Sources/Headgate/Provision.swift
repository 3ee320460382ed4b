// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

struct Provision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create the missing Kafka topics of the outputs.",
        discussion: """
            Creates missing topics with the partitions, replication and retention in `topics` of the output, or with the defaults \
            of the brokers. Existing topics are never changed; the command reports where they differ. With --dry-run the brokers \
            check the request and create nothing.

              headgate provision --dry-run --config headgate.yaml
              headgate provision --apply --config headgate.yaml

            The user of the output needs the permissions to create and to describe topics. Exit codes: 1 if a topic is rejected or \
            differs, 69 if a cluster does not respond.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Create nothing; report what would be created.")
    var dryRun = false

    @Flag(help: "Create the missing topics.")
    var apply = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if dryRun == apply { throw ValidationError("write --dry-run or --apply") }
    }

    func run() async throws {
        let configuration = try options.load(provesPlans: false)
        let found: Provisioning
        do {
            found = try Provisioning(configuration, isTrial: dryRun) { output in
                complain("connecting to the brokers of \(output)")
            }
        } catch {
            throw fail(error, else: .fileNotRead, EX_NOINPUT)
        }
        if json { try printJSON(found) } else { show(found) }
        for failure in found.failures {
            complain(
                "\(Code.brokerDoesNotRespond): \(failure.output): \(failure.reason); check that its brokers run and that this machine can reach them"
            )
        }
        if !found.failures.isEmpty { throw ExitCode(EX_UNAVAILABLE) }
        guard found.topics.allSatisfy(\.remarks.isEmpty) else { throw ExitCode.failure }
    }

    private func show(_ found: Provisioning) {
        for topic in found.topics {
            let line = "\(topic.output)  \(topic.topic)"
            switch topic.state {
            case .missing: print("\(Style.warning("missing"))   \(line)")
            case .created: print("\(Style.good("created"))   \(line)")
            case .refused: print("\(Style.bad("refused"))   \(line): \(topic.remarks.joined(separator: ", "))")
            case .existing where topic.remarks.isEmpty: print("\(Style.good("exists"))    \(line)")
            case .existing: print("\(Style.warning("differs"))   \(line): \(topic.remarks.joined(separator: ", "))")
            }
        }
        for one in found.unknown {
            print(
                "\(Style.warning("unknown"))   \(one.output)  \(one.topic): unknown until its devices have sent a message"
            )
        }
        if found.topics.isEmpty, found.unknown.isEmpty, found.failures.isEmpty {
            print("the configuration has no outputs to Kafka")
        }
    }
}

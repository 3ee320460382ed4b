// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Glibc

struct Provision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create the Kafka topics that the configuration's outputs need.",
        discussion: """
            Topics that are missing are created as `topics` of their output says (partitions, replication, retention; else \
            as the brokers have it); doing so again changes nothing. A topic that there is stays as it is: what of it is \
            other than it should be is told. With --dry-run the brokers say whether they would create them, and do not.

              headgate provision --dry-run --config headgate.yaml
              headgate provision --apply --config headgate.yaml

            The user of the output needs the rights to create and to describe topics. Ends with 1 where a topic is refused, \
            or is other than it should be; with 69 where a cluster does not answer.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Create nothing; say what would be.")
    var dryRun = false

    @Flag(help: "Create what is missing.")
    var apply = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if dryRun == apply { throw ValidationError("say --dry-run or --apply") }
    }

    func run() async throws {
        let configuration = try options.load(provesPlans: false)
        let found: Provisioning
        do {
            found = try Provisioning(configuration, isTrial: dryRun) { output in
                complain("asking the brokers of \(output)")
            }
        } catch {
            throw fail("\(error)", EX_NOINPUT)
        }
        if json { try printJSON(found) } else { show(found) }
        for failure in found.failures {
            complain("\(failure.output): \(failure.reason); are its brokers running, and may this machine reach them?")
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
            case .existing where topic.remarks.isEmpty: print("\(Style.good("there"))     \(line)")
            case .existing: print("\(Style.warning("differs"))   \(line): \(topic.remarks.joined(separator: ", "))")
            }
        }
        for one in found.unknown {
            print("\(Style.warning("unknown"))   \(one.output)  \(one.topic): known once its devices are heard of")
        }
        if found.topics.isEmpty, found.unknown.isEmpty, found.failures.isEmpty {
            print("the configuration has no outputs to Kafka")
        }
    }
}

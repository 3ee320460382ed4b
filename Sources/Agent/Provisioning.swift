// Headgate
// SPDX-License-Identifier: Apache-2.0

import Outputs

/// What a configuration needs at its brokers before it can send, as far as a gateway may see to it: the topics of Kafka.
public struct Provisioning: Encodable {
    public struct Topic: Encodable {
        public enum State: String, Encodable {
            /// Would be created.
            case missing
            case created
            case existing
            case refused
        }

        public var output: String
        public var topic: String
        public var state: State
        /// Why it was refused, or what of it is other than the configuration has it.
        public var remarks: [String]

        fileprivate init(_ output: String, _ topic: String, _ state: KafkaTopics.State) {
            self.output = output
            self.topic = topic
            switch state {
            case .missing: (self.state, remarks) = (.missing, [])
            case .created: (self.state, remarks) = (.created, [])
            case .existing(let differences): (self.state, remarks) = (.existing, differences)
            case .refused(let reason): (self.state, remarks) = (.refused, [reason])
            }
        }
    }

    public private(set) var topics: [Topic] = []
    /// Topics that are known once their devices are heard of, by output.
    public private(set) var unknown: [Unknown] = []
    /// Outputs whose cluster does not answer.
    public private(set) var failures: [Failure] = []

    public struct Unknown: Encodable {
        public var output: String
        public var topic: String
    }

    public struct Failure: Encodable {
        public var output: String
        public var reason: String
    }

    /// Asks each cluster, and creates what is missing.
    /// - Parameters:
    ///   - isTrial: creates nothing; the brokers say whether they would.
    ///   - begin: is told the output that is looked at.
    public init(_ configuration: Configuration, isTrial: Bool, begin: (String) -> Void) throws(StartError) {
        for output in configuration.outputs {
            guard case .kafka(var settings, let password) = output.way else { continue }
            begin(output.name)
            settings.sasl?.password = try password?.reveal() ?? ""
            let names = OutputRecords(configuration, output).topics
            unknown += names.filter { $0.contains("*") }.map { Unknown(output: output.name, topic: $0) }
            do throws(OutputFailure) {
                topics += try KafkaTopics(settings, output.topics)
                    .provision(names.filter { !$0.contains("*") }, isTrial: isTrial)
                    .map { Topic(output.name, $0.name, $0.state) }
            } catch {
                failures.append(Failure(output: output.name, reason: error.description))
            }
        }
    }
}

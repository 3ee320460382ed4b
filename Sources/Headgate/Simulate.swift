// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import DeviceMaps
import Dispatch
import Glibc
import Simulator
import UnixSignals

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Simulate the devices of a configuration, with plausible, changing values.",
        discussion: """
            The command listens at the address of each Modbus TCP link, opens a pseudo-terminal at the path of each serial \
            link, and publishes messages of each MQTT device to its broker. All addresses must be of this machine. Runs \
            until Ctrl-C.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "Seconds between two messages on an MQTT topic.")
    var interval = 1.0

    @Option(help: "Also run a Kafka broker for tests (librdkafka's mock cluster) and write its address to this file.")
    var kafka: String?

    @Option(help: "The number of brokers of that Kafka.")
    var kafkaBrokers = 1

    @Flag(
        help: "Read faults of that Kafka from standard input, one in each line; an unknown one prints the list.")
    var kafkaFaults = false

    func run() async throws {
        let configuration = try options.load()
        do {
            let plant = try configuration.plant()
            for device in configuration.devices {
                switch (device.address, device.map.form) {
                case (.edgeNodes, _):
                    complain("\(device.name) is not simulated: the metrics of edge nodes are not in the configuration")
                case (_, .sunSpec):
                    complain("\(device.name) is not simulated as a SunSpec device: write a map for it")
                default: continue
                }
            }
            let simulation = try Simulation(plant, interval: .seconds(interval))
            let cluster = try kafka.map { try KafkaForTests(addressFile: $0, brokers: kafkaBrokers) }
            if kafkaFaults, let cluster { Self.takeFaults(of: cluster) }
            complain(
                "simulating \(simulation.summary)\(cluster.map { ", Kafka on \($0.address)" } ?? ""); Ctrl-C ends it")
            let run = Task { await simulation.run() }
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { break }
            run.cancel()
            await run.value
            withExtendedLifetime(cluster) {}
        } catch {
            throw fail(error, else: .gatewayNotStarted, EX_UNAVAILABLE)
        }
    }

    /// On a thread of its own, as reading waits; it ends with the process.
    private static func takeFaults(of cluster: KafkaForTests) {
        DispatchQueue(label: "headgate.simulate.faults").async {
            while let line = readLine() {
                do {
                    try cluster.run(line)
                    complain("done: \(line)")
                } catch {
                    complain("\(error)")
                }
            }
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Logging
import MQTT
import Waiting

/// Publishes for the simulated devices behind one broker, at QoS 1.
public actor MQTTPublisher {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private struct Channel {
        var topic: String
        var id: String
        var writer: PayloadWriter
    }

    private let settings: MQTTSettings
    private let interval: Duration
    private let logger: Logger
    private let channels: [Channel]

    /// - Parameter interval: between two messages on a topic.
    public init(_ broker: Plant.Broker, interval: Duration, logger: Logger) {
        executor = BlockingExecutor(label: "simulator.\(broker.settings.host)")
        settings = broker.settings
        self.interval = interval
        self.logger = logger
        channels = broker.devices.flatMap(Self.channels)
    }

    /// For a topic with a wildcard, three devices.
    private static func channels(of device: Plant.MQTTDevice) -> [Channel] {
        let ids = device.topic.contains("+") || device.topic.contains("#") ? ["sim-1", "sim-2", "sim-3"] : [""]
        return ids.flatMap { id in
            let own = device.topic.split(separator: "/", omittingEmptySubsequences: false)
                .map { $0 == "+" || $0 == "#" ? id : String($0) }.joined(separator: "/")
            let name = id.isEmpty ? device.name : id
            return MessageLayout.topics(of: device.map.points).map { topic in
                Channel(
                    topic: topic.isEmpty ? own : own + "/" + topic, id: name,
                    writer: PayloadWriter(device, topic: topic, id: name))
            }
        }
    }

    /// Publishes until the task is cancelled.
    public func run() async {
        var backoff = Backoff(base: .milliseconds(250), cap: .seconds(5))
        var wasUp = true
        while !Task.isCancelled {
            do throws(MQTTError) {
                try await publish {
                    backoff.reset()
                    wasUp = true
                }
            } catch {
                if wasUp {
                    logger.warning(
                        .brokerError, "The simulator cannot reach the broker", metadata: ["error": "\(error)"])
                }
                wasUp = false
                try? await Task.sleep(for: backoff.next())
            }
        }
    }

    private func publish(whenUp: () -> Void) async throws(MQTTError) {
        let connection = try MQTTConnection(settings)
        try connection.connect()
        var isUp = false
        var next = ContinuousClock.now
        while !Task.isCancelled {
            connection.wait(milliseconds: isUp ? 50 : 20, forWriting: true)
            try connection.read(packets: 64)
            switch connection.state {
            case .connected where !isUp:
                isUp = true
                whenUp()
            case .disconnected(let reason): throw MQTTError(.reconnect, reason)
            default: break
            }
            if isUp, next <= .now {
                try publishAll(over: connection)
                next += interval
                if next < .now { next = .now }
            }
            try connection.write()
            _ = connection.takeSettled()
            await Task.yield()
        }
        connection.disconnect()
    }

    private func publishAll(over connection: borrowing MQTTConnection) throws(MQTTError) {
        let seconds = Double(Timestamp.now.microseconds) / 1e6
        for channel in channels {
            let payload = channel.writer.payload(at: seconds, id: channel.id)
            _ = try payload.withUnsafeBufferPointer { bytes throws(MQTTError) in
                try connection.publish(
                    topic: channel.topic, payload: UnsafeRawBufferPointer(bytes), retain: false,
                    contentType: nil)
            }
        }
    }
}

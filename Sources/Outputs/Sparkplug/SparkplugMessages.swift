// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Sparkplug

/// What a message is to an edge node's session.
public enum SparkplugRole: Sendable {
    /// - Parameters:
    ///   - device: empty for the edge node itself.
    ///   - version: of the birth that tells of its metrics.
    ///   - isNews: whether it says more than the death of a device does.
    ///   - isHistorical: whether it is marked as history already.
    ///   - oldest: the time of its oldest metric, in milliseconds.
    case data(device: String, version: Int, isNews: Bool, isHistorical: Bool, oldest: UInt64)
    case birth(device: String)
    case death(device: String)
}

/// Events as data of an edge node: all but the sequence number, which a message has once it goes.
///
/// Readings and the figures of windows are metrics of their device. An alarm is `Headgate/alarms/RULE`, true while it is on. What an
/// event says that is neither stands in the metric `Headgate/events`, as JSON.
struct SparkplugMessages {
    let metrics: SparkplugMetrics

    /// - Parameter json: the event as a CloudEvent.
    func message(
        _ event: Batch.Event, of batch: Batch, isReplayed: Bool, isBacklog: Bool, _ contents: Catalog.Contents,
        json: () -> String
    ) -> (role: SparkplugRole, topic: String, payload: [UInt8]) {
        let device = contents[event.device]
        // Of a backlog it says what was: the births of this connection tell how things are.
        if case .status(let status) = event.detail, !isBacklog, let device {
            let isBirth = status.state == .online
            return (
                isBirth ? .birth(device: device.id) : .death(device: device.id),
                topic(isBirth ? .deviceBirth : .deviceDeath, device.id), []
            )
        }
        var texts = batch
        var facts = facts(of: event, batch, contents)
        if event.kind != .telemetry, event.kind != .aggregate {
            let fact = SparkplugMetrics.Fact(name: SparkplugMetrics.events, value: texts.text(json()), time: event.time)
            facts.append(fact)
        }
        let (told, version) = metrics.metrics(
            facts, of: device, texts: texts, isHistorical: isReplayed, areReadings: event.kind == .telemetry)
        // The time at which it is sent is added then.
        let payload = SparkplugPayload(timestamp: nil, sequence: nil, metrics: told.chronological)
        let oldest = told.compactMap(\.timestamp).min() ?? 0
        let isNews = event.kind != .telemetry || facts.contains { $0.value != .none }
        return (
            .data(device: device?.id ?? "", version: version, isNews: isNews, isHistorical: isReplayed, oldest: oldest),
            topic(device == nil ? .nodeData : .deviceData, device?.id), payload.bytes
        )
    }

    private func topic(_ kind: SparkplugTopic.Kind, _ device: String?) -> String {
        SparkplugTopic(kind, metrics.node, device: device).text
    }

    private func facts(
        of event: Batch.Event, _ batch: Batch, _ contents: Catalog.Contents
    ) -> [SparkplugMetrics.Fact] {
        switch event.detail {
        case .telemetry: metrics.facts(of: event, batch, contents)
        case .aggregate(let aggregate): figures(aggregate, event.readings, batch, contents)
        case .alarm(let alarm):
            [
                SparkplugMetrics.Fact(
                    name: SparkplugMetrics.alarm(of: alarm.rule), value: .boolean(alarm.phase != .end),
                    time: event.time,
                    quality: alarm.remark == .unconfirmed ? .uncertain : .good)
            ]
        case .status, .gap, .write: []
        }
    }

    /// Of the time that the window ends.
    private func figures(
        _ aggregate: Aggregate, _ readings: Range<Int>, _ batch: Batch, _ contents: Catalog.Contents
    ) -> [SparkplugMetrics.Fact] {
        guard !aggregate.figures.isEmpty else { return [] }
        return readings.compactMap { place in
            let figure = aggregate.figures[(place - readings.lowerBound) % aggregate.figures.count]
            let reading = batch.readings[place]
            guard let series = contents[reading.series] else { return nil }
            var (value, unit) = metrics.told(reading.value, of: figure, series)
            // That there were none is not said elsewhere.
            if value == .none, figure == .unusable || figure == .late { value = .integer(0) }
            return SparkplugMetrics.Fact(
                name: SparkplugMetrics.name(of: figure, aggregate.window, series.point), unit: unit, value: value,
                // Of part of a window it is another number than of the whole.
                time: aggregate.to, quality: value == .none ? .absent : aggregate.isPartial ? .uncertain : .good)
        }
    }
}

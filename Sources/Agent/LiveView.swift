// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Codes
import DeviceMaps
import Events
import Inputs
import Outbox
import Pipeline
import Schemas

/// What the running gateway shows of itself.
struct LiveView: GatewayView {
    let configuration: Configuration
    let outbox: Outbox
    let forwarders: [Forwarder]
    let latest: LatestReadings
    let totals: Totals
    let live: LiveEvents
    let alarms: Alarms
    let warnings: Warnings
    /// By link.
    let monitors: [String: LinkMonitor]
    let watch: DeviceWatch
    private let started = Timestamp.now
    private let wear = DiskWear()

    init(
        configuration: Configuration, outbox: Outbox, forwarders: [Forwarder], latest: LatestReadings, totals: Totals,
        live: LiveEvents, alarms: Alarms, warnings: Warnings,
        monitors: [String: LinkMonitor], watch: DeviceWatch
    ) {
        self.configuration = configuration
        self.outbox = outbox
        self.forwarders = forwarders
        self.latest = latest
        self.totals = totals
        self.live = live
        self.alarms = alarms
        self.warnings = warnings
        self.monitors = monitors
        self.watch = watch
    }

    func liveEvents() -> AsyncStream<[UInt8]> { live.listen() }

    func readiness() async -> Readiness {
        let trouble = await outbox.currentTrouble
        let findings = warnings.current.filter { Self.kindsOfReadiness.contains($0.kind) }.prefix(Self.mostFindings)
        return Readiness(
            isReady: trouble == nil,
            findings: [trouble].compactMap { $0.map { "outbox: \($0)" } }
                + findings.map { "\($0.kind.rawValue): \($0.subject): \($0.text); \($0.next)" })
    }

    /// The warnings that `/readyz` lists: inputs or outputs as a whole are affected.
    private static let kindsOfReadiness: Set<Warning.Kind> = [
        .eventsLost, .linkDown, .clientIDTaken, .outputDown, .topicRefused,
    ]
    private static let mostFindings = 20

    func status(withPoints: Bool) async throws -> GatewayStatus {
        let stored = try await outbox.status()
        let written = wear.read()
        return GatewayStatus(
            gateway: configuration.gateway, version: Gateway.version, startedAt: started.iso8601,
            totals: .init(
                received: totals.received, filtered: totals.filtered, dropped: outbox.intake.shedReadings,
                committed: totals.committed),
            outbox: .init(
                epoch: String(stored.epoch, radix: 16, padded: 16), bytes: Int(stored.bytes),
                maxBytes: Int(stored.maxBytes), healthy: stored.trouble == nil, trouble: stored.trouble,
                writtenBytes: written?.total, writtenBytesPerDay: written?.perDay, keys: stored.keys,
                losses: stored.losses.map(GatewayStatus.LossStatus.init)),
            links: links, outputs: outputs(stored), devices: devices(withPoints: withPoints), alarms: activeAlarms,
            warnings: warnings.current.map(GatewayStatus.WarningStatus.init))
    }

    private var links: [GatewayStatus.LinkStatus] {
        configuration.links.map { link in
            let state = monitors[link.name]?.state
            return GatewayStatus.LinkStatus(
                link: link.name, address: link.address, up: state?.isUp, since: state?.since.iso8601,
                reason: state?.reason, lastReceived: state?.lastReceived?.iso8601,
                dialIns: state.flatMap(Self.dialIns))
        }
    }

    private static func dialIns(_ state: LinkMonitor.State) -> [String: Int]? {
        guard !state.dialIns.isEmpty else { return nil }
        return Dictionary(uniqueKeysWithValues: state.dialIns.map { ($0.rawValue, $1) })
    }

    private var activeAlarms: [GatewayStatus.AlarmStatus] {
        let contents = outbox.catalog.contents
        return alarms.active.map { active in
            GatewayStatus.AlarmStatus(
                alarm: active.alarm.id, rule: active.alarm.rule,
                device: contents[active.device]?.id ?? configuration.gateway,
                priority: "\(active.alarm.priority.name)", since: active.alarm.since.iso8601, text: active.alarm.text,
                confirmed: active.isConfirmed)
        }
    }

    private func outputs(_ stored: OutboxStatus) -> [GatewayStatus.OutputStatus] {
        zip(configuration.outputs, forwarders).map { configured, forwarder in
            let state = forwarder.status
            return GatewayStatus.OutputStatus(
                output: configured.name, kind: configured.kind, up: state.isUp, lastError: state.lastError,
                acknowledgedReadings: state.acknowledgedReadings, acknowledgedEvents: state.acknowledgedEvents,
                deadLetters: stored.backlogs.filter { $0.output == configured.name }.reduce(0) { $0 + $1.deadLetters },
                retries: state.retries, lanes: stored.lanes(of: configured.name))
        }
    }

    private func devices(withPoints: Bool) -> [GatewayStatus.DeviceStatus] {
        let contents = outbox.catalog.contents
        let snapshot = latest.snapshot
        let seriesByDevice = contents.seriesByDevice
        let polls = monitors.mapValues(\.pollsByDevice)
        return configuration.devices.flatMap { configured -> [GatewayStatus.DeviceStatus] in
            let numbers = numbers(of: configured, contents, snapshot)
            if numbers.isEmpty, configured.isOne {
                // Nobody has heard of it, ever.
                return [
                    GatewayStatus.DeviceStatus(
                        device: configured.described.id, map: configured.map.name, link: configured.link,
                        state: configured.state(nil), points: [])
                ]
            }
            return numbers.map { number in
                let series = seriesByDevice[number] ?? []
                let polls = polls[configured.link]?[configured.name]
                let known = snapshot.states[number]
                let isRefusing = known == .online && DeviceWatch.isRefusing(configured, series, snapshot)
                let shown = withPoints ? configured.inOrder(series) : []
                return GatewayStatus.DeviceStatus(
                    device: contents[number]?.id ?? configured.name, map: configured.map.name, link: configured.link,
                    state: isRefusing ? "refusing" : configured.state(known),
                    polls: polls?.count, failedPolls: polls?.failed,
                    neverRead: watch.neverRead(configured, series, snapshot),
                    points: shown.compactMap { Self.point($0.1, snapshot.reading($0.0)) })
            }
        }
    }

    /// A configured device is one in the catalog; of one that stands for many, as many as have been heard of since the
    /// start.
    private func numbers(
        of configured: Configuration.ConfiguredDevice, _ contents: Catalog.Contents, _ snapshot: LatestReadings.Snapshot
    ) -> [DeviceNumber] {
        let one = [configured.isOne ? outbox.catalog.known(configured.described) : nil].compactMap(\.self)
        guard configured.isMany else { return one }
        return one
            + snapshot.states.keys.sorted { $0.raw < $1.raw }.filter { contents[$0].map(configured.stands) ?? false }
    }

    private static func point(
        _ series: Series, _ last: (reading: Reading, text: String?)?
    ) -> GatewayStatus.PointStatus? {
        guard let (reading, text) = last else { return nil }
        return GatewayStatus.PointStatus(
            point: series.point, value: JSONDocument(reading.value, text: text), unit: series.unit,
            quality: "\(reading.quality.name)", reason: reading.reason == .none ? nil : "\(reading.reason.name)",
            code: reading.reason.code?.description,
            time: reading.time.iso8601)
    }
}

extension Configuration.ConfiguredDevice {
    /// In a word; nobody hears of what is computed.
    fileprivate func state(_ known: StatusChange.State?) -> String {
        if case .computed = address { return "computed" }
        return known.map { "\($0.name)" } ?? "unknown"
    }

    /// The series of the points that it has now, in the order of its map.
    fileprivate func inOrder(_ series: [(SeriesNumber, Series)]) -> [(SeriesNumber, Series)] {
        switch map.form {
        case .sparkplug: return series.sorted { $0.1.point < $1.1.point }
        // In the order in which it said them first.
        case .sunSpec: return series
        case .modbus, .mqtt, .computed: break
        }
        let order = Dictionary(
            map.points.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { $1 })
        return series.filter { order[$0.1.point] != nil }
            .sorted { (order[$0.1.point] ?? 0) < (order[$1.1.point] ?? 0) }
    }
}

extension GatewayStatus.LossStatus {
    init(_ loss: LossTotals.Entry) {
        self.init(
            output: loss.output, cause: loss.cause, events: Int(clamping: loss.events),
            since: loss.since.iso8601, last: loss.last.iso8601)
    }
}

extension OutboxStatus {
    /// How far an output is, lane by lane.
    public func lanes(of output: String) -> [GatewayStatus.Backlog] {
        let now = Timestamp.now
        return backlogs.filter { $0.output == output }.map { backlog in
            GatewayStatus.Backlog(
                lane: backlog.lane.name, waitingEvents: Int(clamping: backlog.waiting), oldest: backlog.oldest?.iso8601,
                oldestAgeSeconds: backlog.oldest.map { max(0, Double(now.microseconds(since: $0)) / 1e6) },
                cursor: Int(clamping: backlog.cursor), deadLetters: backlog.deadLetters,
                heldTopics: backlog.held.sorted { $0.key.name < $1.key.name }.map {
                    GatewayStatus.HeldTopic(topic: $0.key.name, events: $0.value)
                })
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Admin
import Events
import Glibc
import Inputs
import Logging
import Metrics
import Outbox
import ServiceLifecycle
import UnixSignals

/// The whole gateway, from configuration to a clean stop.
public struct Gateway: Sendable {
    public static let version = "0.1.0"

    private let configuration: Configuration
    private let logs: Logs
    private let outbox: Outbox
    private let forwarders: [Forwarder]
    private let inputs: [@Sendable () async -> Void]
    private let collectors: [Collector]
    private let alarms: Alarms
    private let view: LiveView
    private let watch: DeviceWatch
    private let outputWatch: OutputWatch
    private let intervals: IntervalFile
    private let latest: LatestReadings
    private let writes: WriteDesk
    private let warnings: Warnings
    private let metrics: PrometheusRegistry

    /// Opens the outbox and makes every part. Nothing is polled or connected yet.
    /// - Parameter metrics: where the parts count, already made the process' metrics system.
    public init(_ configuration: Configuration, metrics: PrometheusRegistry) throws {
        self.configuration = configuration
        self.metrics = metrics
        logs = Logs(levels: configuration.logLevels)
        let opened = try StateFolder.prepare(configuration.state)
        if opened > 0 {
            logs["agent"].notice(
                "the state folder was readable by other users, and is not any more",
                metadata: ["folder": "\(configuration.state)", "files": "\(opened)"])
        }
        let totals = Totals()
        let live = LiveEvents()
        let latest = LatestReadings()
        self.latest = latest
        let warnings = Warnings(logs: logs)
        let damaged = DamagedFiles(state: configuration.state, warnings: warnings)
        let clock = SystemClock()
        let publisher = Publisher(live: live, totals: totals, gateway: configuration.gateway)
        let minimising = try configuration.minimise.revealed()
        let outputs = configuration.outputs.map { OutboxOutput(name: $0.name, isInOrder: $0.isInOrder) }
        let windows = WindowPlan(configuration)
        let outbox = try Outbox(
            configuration.outboxSettings(), outputs: outputs, logger: logs["outbox"], warnings: warnings,
            onCommit: { publisher.publish($0) }, condenser: { WindowCondenser(windows, $0) })
        publisher.attach(outbox)
        self.outbox = outbox
        // With the outbox this process alone has the folder.
        intervals = IntervalFile(configuration, damaged: damaged)
        SunSpecMaps(state: configuration.state).prove(configuration, damaged)
        let alarms = Alarms(
            rules: configuration.rules, gateway: configuration.gateway, catalog: outbox.catalog, logger: logs["rules"],
            baselines: BaselineFile(configuration, damaged: damaged), minimised: configuration.minimise.word,
            warnings: warnings,
            keeper: .init(
                keep: { outbox.keep(ruleState: $0, notes: $1) }, note: { outbox.note(ruleReadings: $0) }), clock: clock
        ) { outbox.intake.offer($0, .critical) }
        let kept = outbox.takeRules()
        alarms.restore(
            state: kept?.state, notes: kept?.notes ?? [], active: outbox.activeAlarms, configuration.devices, minimising
        )
        self.alarms = alarms
        let monitors = Dictionary(
            configuration.links.map {
                ($0.name, LinkMonitor(name: $0.name, address: $0.address, warnings: warnings))
            }, uniquingKeysWith: { one, _ in one })
        let assembly = Assembly(
            configuration: configuration, catalog: outbox.catalog, logs: logs,
            learned: LearnedFile(configuration, damaged: damaged),
            schemaFile: SchemaFile(configuration, damaged: damaged),
            connections: StateFile("connections", configuration, empty: [:], damaged: damaged), minimising: minimising,
            latest: latest,
            alarms: alarms, writeQueues: configuration.writeQueues(), warnings: warnings,
            subscriptions: SubscriptionFile(configuration, damaged: damaged), monitors: monitors)
        let logs = logs
        forwarders = try configuration.outputs.enumerated().map { index, configured in
            let (output, renderer) = try assembly.ends(of: configured)
            return Forwarder(
                name: configured.name, index: index, outbox: outbox, output: output, renderer: renderer,
                pace: ForwarderPace(rate: configured.maxRate, gathering: configured.gathering),
                warnings: warnings, logger: logs["outputs"])
        }
        func collector(takesStrangers: Bool = false, _ formulas: PlantFormulas? = nil) -> Collector {
            Collector(
                intake: outbox.intake, catalog: outbox.catalog, latest: latest, totals: totals, clock: clock,
                filters: configuration.filters, minimising: minimising, alarms: alarms, windows: windows,
                formulas: formulas,
                takesStrangers: takesStrangers)
        }
        let computed = collector()
        let formulas = PlantFormulas(configuration, outbox.catalog, collector: computed)
        let writes = assembly.writeDesk(collector: collector())
        func commandIDs(_ longest: Int64) -> CommandIDs {
            CommandIDs(path: configuration.state + "/commands.ids", longest: longest, at: .now) { path, reason in
                damaged.setAside(
                    path, reason,
                    next:
                        "send commands with a deadline later than \(longest / 1_000_000) s from now: earlier ones may be repeats of those in the file and are refused as ids_lost"
                )
            }
        }
        self.writes = writes
        var collectors: [Collector] = [computed]
        inputs = try configuration.links.map { link in
            let commands = configuration.writes.commands.flatMap { $0.link == link.name ? $0 : nil }
            let collector = collector(takesStrangers: configuration.hasEdgeNodes(on: link), formulas)
            let run = try assembly.input(
                link, collector: collector,
                commands: commands.map {
                    CommandTopic($0, desk: writes, ids: commandIDs($0.longestDeadline))
                })
            collectors.append(collector)
            return run
        }
        self.collectors = collectors
        assembly.warnOfSessionsLeft()
        watch = DeviceWatch(
            configuration: configuration, catalog: outbox.catalog, latest: latest, minimising: minimising,
            intervals: intervals, warnings: warnings)
        outputWatch = OutputWatch(forwarders: forwarders, warnings: warnings)
        self.warnings = warnings
        view = LiveView(
            configuration: configuration, outbox: outbox, forwarders: forwarders, latest: latest, totals: totals,
            live: live, alarms: alarms, warnings: warnings, monitors: monitors, watch: watch)
    }

    /// Runs until SIGTERM or SIGINT, or until a part fails that cannot go on.
    /// - Parameter file: the configuration, which SIGHUP has checked.
    public func run(checking file: String) async throws {
        signal(SIGPIPE, SIG_IGN)
        let learning: @Sendable () async -> Void = { [intervals, latest, outbox, configuration] in
            await intervals.run(latest, outbox.catalog, configuration)
        }
        // Named, as a service without a name is called after all it holds: megabytes, and passwords in the log.
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: OutboxService(outbox: outbox), serviceName: "outbox"),
            .init(
                service: ForwardersService(outbox: outbox, forwarders: forwarders, watch: outputWatch),
                serviceName: "outputs"),
            .init(
                service: InputsService(
                    runs: inputs + [alarms.run, watch.run, learning], collectors: collectors, alarms: alarms),
                serviceName: "inputs"),
        ]
        if let admin = configuration.admin {
            let server = AdminServer(
                host: admin.host, port: admin.port, hosts: configuration.adminHosts, view: view,
                desk: LocalDesk(outbox: outbox, gateway: configuration.gateway), writer: writes, metrics: metrics,
                warnings: warnings, logger: logs["admin"], spareFiles: SystemLimits.spareFiles(configuration))
            services.append(.init(service: server, serviceName: "admin"))
        }
        services.append(.init(service: WritesService(desk: writes), serviceName: "writes"))
        services.append(
            .init(service: HangupService(file: file, logger: logs["agent"]), serviceName: "configuration"))
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logs["agent"])
        group.maximumGracefulShutdownDuration = .milliseconds(4_800)
        logs["agent"].notice(
            "gateway started",
            metadata: [
                "gateway": "\(configuration.gateway)", "links": "\(configuration.links.count)",
                "devices": "\(configuration.devices.count)", "outputs": "\(configuration.outputs.count)",
            ])
        try await ServiceGroup(configuration: group).run()
        await logStop()
    }

    private func logStop() async {
        guard let status = try? await view.status(withPoints: false) else { return }
        var metadata: Logger.Metadata = [
            "received": "\(status.totals.received)", "filtered": "\(status.totals.filtered)",
            "committed": "\(status.totals.committed)",
        ]
        for output in status.outputs { metadata["acknowledged.\(output.output)"] = "\(output.acknowledgedReadings)" }
        // Whatever the levels: the sums are what a stop is judged by.
        var logger = logs["agent"]
        logger.logLevel = min(logger.logLevel, .notice)
        logger.notice("gateway stopped", metadata: metadata)
    }

    /// What the gateway says of itself, also after it has stopped.
    public func status() async throws -> GatewayStatus {
        try await view.status(withPoints: true)
    }
}

extension Configuration {
    fileprivate func hasEdgeNodes(on link: Link) -> Bool {
        devices.contains { device in
            if case .edgeNodes = device.address { device.link == link.name } else { false }
        }
    }

    /// One for each link on which something may be written.
    func writeQueues() -> [String: WriteQueue] {
        let links = devices.filter { writes.devices.contains($0.name) }.map(\.link)
        return Dictionary(uniqueKeysWithValues: Set(links).map { ($0, WriteQueue()) })
    }

    /// Where the outbox is and what it keeps.
    /// - Throws: where the keys cannot be had that its events are to be sealed with.
    func outboxSettings() throws(StartError) -> OutboxSettings {
        var settings = OutboxSettings(folder: state)
        settings.maxSize = outbox.maxSize
        settings.maxAge = outbox.maxAge
        settings.keepSent = outbox.keepSent
        settings.maxMemory = outbox.maxMemory
        settings.limits.share(outbox.maxMemory / 2)
        settings.whenFull = outbox.whenFull
        settings.thinInterval = outbox.thinInterval
        if let encryption = outbox.encryption { settings.keys = try encryption.keys() }
        return settings
    }
}

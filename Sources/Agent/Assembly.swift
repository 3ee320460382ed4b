// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events
import HTTP
import Inputs
import Logging
import MQTT
import Outbox
import Outputs
import Pipeline
import Schemas

/// From configuration to running parts: the one place that knows every kind of input and output.
struct Assembly {
    let configuration: Configuration
    let catalog: Catalog
    let logs: Logs
    let learned: LearnedFile
    let schemaFile: SchemaFile
    /// By output that is an edge node of Sparkplug: the number of its last connection. A death that comes late is of another.
    let connections: StateFile<[String: UInt8]>
    let minimising: Minimising
    let latest: LatestReadings
    let alarms: Alarms
    /// By link, where something on it may be written.
    let writeQueues: [String: WriteQueue]
    let warnings: Warnings
    let subscriptions: SubscriptionFile
    /// By link.
    let monitors: [String: LinkMonitor]

    // MARK: Inputs

    /// An input, ready to run.
    func input(
        _ link: Configuration.Link, collector: any Collecting, commands: CommandTopic?
    ) throws -> @Sendable () async -> Void {
        switch link.way {
        case .modbus(let endpoint, let timeout):
            let devices = configuration.devices.filter { $0.link == link.name }
            var settings = ModbusLinkSettings(
                name: link.name, endpoint: endpoint, timeout: timeout,
                devices: devices.compactMap { modbusDevice($0, collector: collector) },
                sunSpec: devices.compactMap(sunSpecDevice), cost: learned.cost(of: link.name, at: endpoint),
                monitor: monitor(of: link), warnings: warnings)
            settings.answersAs = link.answersAs
            let modbus = ModbusLink(
                settings, collector: collector, writes: writeQueues[link.name], logger: logs["modbus"],
                describe: { describe($0, $1, collector: collector) },
                remember: { [learned] in learned.remember($0, link: link.name, endpoint) })
            return { await modbus.run() }
        case .mqtt(let broker, let share, let sparkplugHost):
            let devices = configuration.devices.filter { $0.link == link.name }
            let connection = try broker.revealed()
            let settings = MQTTSourceSettings(
                name: link.name, connection: connection, share: share, sparkplugHost: sparkplugHost,
                devices: devices.compactMap(mqttDevice), edgeNodes: devices.compactMap(edgeNodes),
                monitor: monitor(of: link), warnings: warnings,
                lastSubscriptions: subscriptions.filters(of: link.name, connection),
                keepSubscriptions: { [subscriptions] in subscriptions.keep($0, of: link.name, connection) })
            let source = MQTTSource(
                settings, catalog: catalog, collector: collector, commands: commands, logger: logs["mqtt"])
            return { await source.run() }
        }
    }

    /// Once all inputs have taken what they go on with.
    func warnOfSessionsLeft() {
        let connections = configuration.links.compactMap { link -> (String, MQTTSettings)? in
            guard case .mqtt(let broker, _, _) = link.way else { return nil }
            return (link.name, broker.settings)
        }
        subscriptions.warnOfSessionsLeft(Dictionary(connections, uniquingKeysWith: { one, _ in one }), warnings)
    }

    private func monitor(of link: Configuration.Link) -> LinkMonitor {
        monitors[link.name] ?? LinkMonitor(name: link.name, address: link.address, warnings: warnings)
    }

    /// What may be written, to the links whose queues there are.
    func writeDesk(collector: any Collecting) -> WriteDesk {
        let targets = configuration.devices.compactMap { device -> (String, WriteDesk.Target)? in
            guard configuration.writes.devices.contains(device.name), case .unit(let unit) = device.address,
                let queue = writeQueues[device.link]
            else { return nil }
            return (
                device.name,
                WriteDesk.Target(device: device, number: number(of: device), unit: unit, queue: queue)
            )
        }
        return WriteDesk(
            targets: Dictionary(targets, uniquingKeysWith: { $1 }), known: Set(configuration.devices.map(\.name)),
            collector: collector, logger: logs["writes"])
    }

    func number(of device: Configuration.ConfiguredDevice) -> DeviceNumber {
        catalog.number(of: device.described)
    }

    func modbusDevice(
        _ device: Configuration.ConfiguredDevice, collector: any Collecting
    ) -> ModbusDevice? {
        guard case .modbus(let limits) = device.map.form, case .unit(let unit) = device.address else { return nil }
        let number = number(of: device)
        let series = collector.add(device.map.points, of: number, catalog)
        let points = zip(device.map.points, series).compactMap { point, series -> ModbusDevice.Point? in
            guard case .register(let source) = point.source else { return nil }
            return ModbusDevice.Point(name: point.name, series: series, source: source, lane: point.lane)
        }
        return ModbusDevice(
            id: device.name, number: number, unit: unit, limits: limits, points: points,
            learned: learned.learned(of: device.name), mapHash: device.tellsProvenance ? device.map.hash : nil)
    }

    func sunSpecDevice(_ device: Configuration.ConfiguredDevice) -> SunSpecDevice? {
        guard case .sunSpec = device.map.form, case .unit(let unit) = device.address else { return nil }
        return SunSpecDevice(id: device.name, number: number(of: device), unit: unit)
    }

    /// A SunSpec device with the points that it says it has.
    private func describe(
        _ device: SunSpecDevice, _ found: SunSpecFound, collector: any Collecting
    ) -> ModbusDevice? {
        guard var configured = configuration.devices.first(where: { $0.name == device.id }),
            let (map, text) = SunSpecMaps.map(of: device.id, found)
        else { return nil }
        SunSpecMaps(state: configuration.state).keep(text, of: device.id)
        configured.map = map
        return modbusDevice(configured, collector: collector)
    }

    func mqttDevice(_ device: Configuration.ConfiguredDevice) -> MQTTDevice? {
        guard case .mqtt(let form) = device.map.form, case .topic(let topic) = device.address else { return nil }
        var one = MQTTDevice(
            name: device.name, topic: topic, map: device.map, form: form, tags: device.tags,
            naming: minimising.naming(of: device.described))
        if !device.allowedIDs.isEmpty {
            one.allows = { [ids = device.allowedIDs] id in ids.contains { $0.matches(id) } }
        }
        (one.maxDevices, one.forgetAfter) = (device.maxDevices, device.forgetAfter)
        return one
    }

    func edgeNodes(_ device: Configuration.ConfiguredDevice) -> SparkplugDevice? {
        guard case .edgeNodes(let pattern) = device.address else { return nil }
        var nodes = SparkplugDevice(
            name: device.name, pattern: pattern, map: (device.map.name, device.map.version), tags: device.tags)
        nodes.reorderTimeout = .microseconds(device.reorderTimeout)
        return nodes
    }

    // MARK: Outputs

    /// What speaks to a broker, and what makes the messages for it.
    func ends(of configured: Configuration.ConfiguredOutput) throws -> (output: any Output, renderer: Renderer) {
        let format = try format(configured)
        return (try output(configured, format), renderer(configured, format))
    }

    private func output(
        _ configured: Configuration.ConfiguredOutput, _ format: Renderer.Format
    ) throws -> any Output {
        let name = configured.name
        switch configured.way {
        case .kafka(var settings, let password):
            settings.sasl?.password = try password?.reveal() ?? ""
            return KafkaOutput(settings, name: name, logger: logs["outputs"])
        case .mqtt(let brokers, let retain):
            var edgeNode: EdgeNodeSettings?
            if case .sparkplug(let metrics) = format, case .sparkplug(_, let host, let qos) = configured.format {
                edgeNode = EdgeNodeSettings(
                    metrics, primaryHost: host, qos: qos, lastConnection: connections.current[name],
                    keepConnection: { [connections] number in
                        connections.change { $0.updateValue(number, forKey: name) != number }
                    })
            }
            return MQTTOutput(
                try brokers.map { try $0.revealed() }, retain: retain, sparkplug: edgeNode, name: name,
                logger: logs["outputs"])
        case .file(let path, let rotate, let keep, let mode):
            return FileOutput(path: path, rotateSize: rotate, keep: keep, mode: mode, name: name)
        case .stdout: return StandardOutput()
        }
    }

    private func renderer(_ configured: Configuration.ConfiguredOutput, _ format: Renderer.Format) -> Renderer {
        let hasAttributes = if case .kafka = configured.way { true } else { false }
        return Renderer(
            format, hasAttributes: hasAttributes, topic: configured.topic,
            gateway: configuration.gateway, catalog: catalog,
            allowed: configured.allowList, units: configured.units)
    }

    private func format(_ configured: Configuration.ConfiguredOutput) throws(StartError) -> Renderer.Format {
        let records = RecordSchemas(configuration, units: configured.units)
        switch configured.format {
        case .json: return .json
        case .block: return .block
        case .avro(let registry):
            return .avro(
                records.fields,
                SchemaNumbers(
                    try registry.revealed(), registry.strategy, schemas: records.byName.mapValues(\.text),
                    known: schemaFile.known, keep: { [schemaFile] in schemaFile.keep($0) }))
        case .sparkplug(let node, _, _):
            return .sparkplug(
                SparkplugMetrics(
                    node: node, catalog: catalog, fields: records.fields, allowed: configured.allowList,
                    units: configured.units,
                    isTold: { [windows = configuration.windows] point, device in
                        windows.allSatisfy { $0.keepsRaw || !$0.isMeant(for: point, of: device) }
                    },
                    alarms: { [configuration, alarms, catalog] device in
                        configuration.alarms(of: device, alarms, catalog.contents)
                    },
                    figures: { [configuration] in configuration.figures(of: $0) },
                    latest: { [latest, catalog] in latest.batch(of: $0, catalog.contents) },
                    online: { [latest, catalog] in latest.online(catalog.contents) }))
        }
    }
}

extension Configuration {
    /// What windows give of a device: of one whose map says what it has.
    fileprivate func figures(of device: Device) -> [SparkplugMetrics.WindowFigure] {
        let points = devices.named(device.id)?.map.points ?? []
        return windows.flatMap { one in
            points.filter { one.isMeant(for: $0, of: device) }.flatMap { point in
                one.window.told.map {
                    SparkplugMetrics.WindowFigure(
                        point: point.name, unit: point.sentUnit, window: one.window.name, figure: $0)
                }
            }
        }
    }

    /// The alarms that there may be of a device, or of the gateway, by rule. What devices have that describe themselves is not
    /// known so early.
    fileprivate func alarms(
        of device: Device?, _ alarms: Alarms, _ contents: Catalog.Contents
    ) -> [String: SparkplugMetrics.AlarmState] {
        if let device, devices.named(device.id)?.describesItself ?? true { return [:] }
        let watching = rules.filter { $0.watches(device, among: devices) }
        if watching.isEmpty { return [:] }
        var states = Dictionary(watching.map { ($0.name, SparkplugMetrics.AlarmState.off) }) { one, _ in one }
        for active in alarms.active where contents[active.device]?.id == device?.id {
            states[active.alarm.rule] = active.isConfirmed ? .on : .unconfirmed
        }
        return states
    }
}

extension Configuration.Broker {
    /// The settings with the password in them.
    public func revealed() throws(StartError) -> MQTTSettings {
        var settings = settings
        settings.password = try password?.reveal()
        return settings
    }
}

extension Configuration.ConfiguredRegistry {
    /// The registry, with the password in its settings.
    func revealed() throws(StartError) -> SchemaRegistry {
        var settings = settings
        settings.http.password = try password?.reveal()
        return SchemaRegistry(settings)
    }
}

extension Configuration.ConfiguredOutput {
    fileprivate var allowList: AllowList? {
        if allowed.isEmpty, allowedTags == nil { return nil }
        return AllowList(tags: allowedTags) { [allowed] point, device in
            allowed.isEmpty || allowed.contains { $0.isMeant(for: device) && $0.isMeant(for: point) }
        }
    }

    var kind: String {
        switch way {
        case .kafka: "kafka"
        case .mqtt: "mqtt"
        case .file: "file"
        case .stdout: "stdout"
        }
    }
}

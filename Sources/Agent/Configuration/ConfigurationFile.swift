// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Logging
import Modbus
import Outbox
import Outputs
import YAMLText

/// Reads a gateway's configuration and the maps it uses. Opens nothing but files; records every mistake.
public final class ConfigurationFile {
    private let path: String
    private let problems: Problems
    /// Maps already read, nil where one could not be.
    private var maps: [String: DeviceMap?] = [:]
    private var mapsFolder = ""
    private var state = ""
    private let claims = Claims()
    /// Which device reads a unit, by link, unit and map.
    private var units: [String: String] = [:]
    /// Whether there are devices with mistakes, which are missing then: nobody can tell what is meant for none.
    private var hasUnreadDevices = false
    private var deviceNames: Set<String> = []
    /// Where each link is written.
    var linkNames: [String: YAMLValue] = [:]
    /// By link, where it takes an answer from any unit.
    private var answeringAny: [String: YAMLValue] = [:]

    private let provesPlans: Bool
    private let provesIntervals: Bool

    private init(path: String, problems: Problems, provesPlans: Bool, provesIntervals: Bool) {
        self.path = path
        self.problems = problems
        self.provesPlans = provesPlans
        self.provesIntervals = provesIntervals
    }

    /// - Parameters:
    ///   - provesPlans: whether a line that cannot carry its polls is a problem.
    ///   - provesIntervals: whether a rule is a problem that can raise no alarm at the intervals of earlier runs.
    /// - Returns: nil where there is any problem.
    public static func read(
        _ path: String, problems: Problems, provesPlans: Bool = true, provesIntervals: Bool = false
    ) -> Configuration? {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            problems.add(
                Problem(
                    file: path, line: 1, column: 1, code: .unreadableFile, message: "cannot be read: \(error)",
                    fix: "write the path of the configuration: --config FILE"))
            return nil
        }
        return read(text, path: path, problems: problems, provesPlans: provesPlans, provesIntervals: provesIntervals)
    }

    public static func read(
        _ text: String, path: String, problems: Problems, provesPlans: Bool = true, provesIntervals: Bool = false
    ) -> Configuration? {
        guard let root = YAMLValue.mapping(of: text, file: path, problems: problems) else { return nil }
        let configuration = ConfigurationFile(
            path: path, problems: problems, provesPlans: provesPlans, provesIntervals: provesIntervals
        ).configuration(root)
        return problems.isEmpty ? configuration : nil
    }

    private func configuration(_ root: YAMLMapping) -> Configuration {
        let gateway = root.require("gateway", fix: "name it: gateway: press-shop-3").flatMap(Self.name)
        let stateValue = root.require("state", fix: "name a folder of its own: state: /var/lib/headgate")
        let state = stateValue?.string()
        self.state = resolve(state ?? "")
        if state != nil { stateValue?.proveMakeable(self.state) }
        mapsFolder = resolve(root.take("maps")?.string() ?? "/usr/share/headgate/devices")
        var configuration = Configuration(gateway: gateway ?? "", state: self.state)
        configuration.admin = Configuration.defaultAdmin
        configuration.links = links(root.take("links"), gateway: configuration.gateway)
        configuration.devices = devices(root.take("devices"), links: configuration.links)
        if let derived = root.take("derived")?.mapping() {
            configuration.devices += computed(derived, configuration.devices)
        }
        for (link, value) in answeringAny {
            let units = Set(configuration.devices.filter { $0.link == link }.compactMap(\.unit))
            if units.count > 1 {
                value.problem(
                    .responseUnitAmbiguous,
                    "must not be `any` on a link with several units: the gateway could take the value of one unit for the value of another",
                    fix: "write the unit ID that the converter responds with, or remove the key")
            }
        }
        if provesPlans { configuration.links.forEach { prove($0, configuration) } }
        configuration.links.forEach { proveEdgeNodes(of: $0, configuration) }
        configuration.links.forEach { proveTopics(of: $0, configuration) }
        if let filters = root.take("filters") {
            configuration.filters = FilterRuleKeys(devices: configuration.devices, areAll: !hasUnreadDevices).rules(
                filters)
        }
        if let rules = root.take("rules") {
            configuration.rules = RuleKeys(
                devices: configuration.devices, areAll: !hasUnreadDevices,
                learned: provesIntervals ? IntervalFile(configuration) : nil
            ).rules(rules)
        }
        if let minimise = root.take("privacy")?.mapping() {
            configuration.minimise = MinimiseKeys(
                devices: configuration.devices, areAll: !hasUnreadDevices, alarmRules: configuration.rules,
                resolve: resolve
            ).rules(minimise)
        }
        if let windows = root.take("windows") {
            configuration.windows = WindowKeys(devices: configuration.devices, areAll: !hasUnreadDevices).windows(
                windows)
        }
        if let writes = root.take("writes")?.mapping() {
            configuration.writes = WriteKeys(
                links: configuration.links, devices: configuration.devices, names: deviceNames
            ).writes(writes)
        }
        if let outbox = root.take("outbox")?.mapping() { configuration.outbox = limits(outbox) }
        let outputs = root.take("outputs")
        configuration.outputs = OutputKeys(
            gateway: configuration.gateway, devices: configuration.devices, areAll: !hasUnreadDevices, claims: claims,
            resolve: resolve, state: configuration.state, file: path
        ).outputs(outputs)
        proveRecords(of: configuration, outputs)
        proveUnits(of: configuration, outputs)
        if let admin = root.take("admin")?.mapping() {
            configuration.adminHosts = Self.hosts(admin.take("hosts"))
            configuration.admin = Self.admin(admin)
        }
        configuration.logLevels = Self.logLevels(root.take("log"))
        root.finish()
        return configuration
    }

    /// Paths are from the folder of the configuration file.
    private func resolve(_ written: String) -> String {
        if written.hasPrefix("/") { return written }
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return folder.isEmpty ? written : folder + "/" + written
    }

    // MARK: Links

    /// Each has a thread and a file, whose number has to stay below 1,024: libmodbus waits by `select`.
    private static let mostLinks = 200

    private func links(_ value: YAMLValue?, gateway: String) -> [Configuration.Link] {
        let links = (value?.mapping()?.all() ?? []).compactMap { key, value -> Configuration.Link? in
            guard let name = Self.name(key), let mapping = value.mapping() else { return nil }
            defer { mapping.finish() }
            linkNames[name] = key
            let answersAs = mapping.take("response_unit_id")
            return LinkKeys(claims: claims, resolve: resolve).way(mapping, clientID: "\(gateway)-in-\(name)").map {
                var link = Configuration.Link(name: name, way: $0)
                link.answersAs = answersAs.flatMap { LinkKeys.answersAs($0, link) } ?? .asked
                if let answersAs, link.answersAs == .any { answeringAny[name] = answersAs }
                return link
            }
        }
        if links.count > Self.mostLinks {
            value?.problem(
                .tooManyLinks, "has \(links.count) links: one gateway serves at most \(Self.mostLinks)",
                fix: "run a second gateway")
        }
        return links
    }

    // MARK: Devices

    private func devices(_ value: YAMLValue?, links: [Configuration.Link]) -> [Configuration.ConfiguredDevice] {
        let written = value?.mapping()?.all() ?? []
        let devices = written.compactMap { device(named: $0.key, $0.value, links) }
        deviceNames = Set(written.compactMap(\.key.scalar))
        hasUnreadDevices = devices.count < written.count
        return devices
    }

    private func device(
        named key: YAMLValue, _ value: YAMLValue, _ links: [Configuration.Link]
    ) -> Configuration.ConfiguredDevice? {
        guard let name = Self.name(key), let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let nodes = mapping.take("sparkplug")
        let map = map(of: mapping, name, nodes)
        let linkValue = mapping.require("link", fix: "name one of the links")
        let link = linkValue.flatMap { self.link($0, among: links) }
        let tags = Self.tags(mapping.take("tags"))
        let (unit, topic) = (mapping.take("unit_id"), mapping.take("topic"))
        let provenance = mapping.take("provenance")
        let (ids, most, forget) = (mapping.take("ids"), mapping.take("max_devices"), mapping.take("forget_after"))
        let reorder = mapping.take("reorder_timeout")
        guard let map, let link, let linkValue else { return nil }
        let address =
            nodes.map { AddressKeys.edgeNodes($0, link, linkValue, [unit, topic], claims) }
            ?? AddressKeys.address(map, link, linkValue, unit, topic, mapping)
        guard let address else { return nil }
        if case .unit(let unit) = address,
            let other = units.updateValue(name, forKey: "\(link.name)/\(unit)/\(map.name)")
        {
            key.problem(
                .deviceReadTwice,
                "is already read as \(other): unit \(unit) on the link \(link.name), with the map \(map.name)",
                fix: "correct `unit_id`, or remove one of the two devices")
        }
        var device = Configuration.ConfiguredDevice(
            name: name, map: map, link: link.name, address: address, tags: tags,
            tellsProvenance: Self.tellsProvenance(provenance, map))
        if !device.isBroughtByMessages {
            for value in [ids, most, forget] {
                value?.problem(
                    .onlyForDiscoveredDevices, "is only for devices that the gateway discovers from messages",
                    fix: "remove it, or write a wildcard in `topic`")
            }
        }
        device.allowedIDs = (ids?.sequence() ?? []).compactMap { $0.string().map { NamePattern($0) } }
        if let ids, device.allowedIDs.isEmpty {
            ids.problem(.emptyList, "must be a list of device IDs, or of patterns with *")
        }
        device.maxDevices = most?.integer(in: 1...100_000, "how many devices there may be") ?? device.maxDevices
        device.forgetAfter = forget?.duration(atLeast: 60_000_000) ?? device.forgetAfter
        if nodes == nil {
            reorder?.problem(.keyNotAllowedHere, "is only for edge nodes of Sparkplug B", fix: "remove it")
        }
        device.reorderTimeout = reorder?.duration(atLeast: 0) ?? device.reorderTimeout
        if device.reorderTimeout > 60_000_000 { reorder?.problem(.valueOutOfBounds, "must be at most 60s") }
        return device
    }

    /// Devices whose points are computed of those of others.
    private func computed(
        _ listed: YAMLMapping, _ devices: [Configuration.ConfiguredDevice]
    ) -> [Configuration.ConfiguredDevice] {
        listed.all().compactMap { key, value in
            guard let name = Self.name(key), let mapping = value.mapping() else { return nil }
            defer { mapping.finish() }
            if devices.contains(where: { $0.name == name }) {
                key.problem(.nameTaken, "is already the name of a device under `devices`", fix: "choose another name")
            }
            let tags = Self.tags(mapping.take("tags"))
            let points = mapping.require("points", fix: "write points: { total: { expr: \"@a.power + @b.power\" } }")
            let keys = DerivedKeys(names: devices.namesOfPoints) { input in
                devices.first { $0.name == input.device && $0.isOne }?.map.points.first { $0.name == input.point }
            }
            return Configuration.ConfiguredDevice(
                name: name, map: .computed(points?.mapping().map(keys.points) ?? []), link: "", address: .computed,
                tags: tags)
        }
    }

    /// The map that a device names; SunSpec devices and edge nodes bring theirs.
    private func map(of mapping: YAMLMapping, _ device: String, _ nodes: YAMLValue?) -> DeviceMap? {
        guard nodes != nil else {
            let value = mapping.require("map", fix: "name a device map: map: eastron-sdm630")
            guard value?.scalar == DeviceMap.sunSpec.name else { return value.flatMap { self.map($0) } }
            var map = DeviceMap.sunSpec
            map.points = SunSpecMaps(state: state).known(device)
            return map
        }
        mapping.take("map")?.problem(
            .keyNotAllowedHere, "is not allowed for edge nodes: their birth messages describe their metrics",
            fix: "remove it")
        return .sparkplug
    }

    private static func tellsProvenance(_ value: YAMLValue?, _ map: DeviceMap) -> Bool {
        let isFull = value?.word(["full": true, "none": false]) ?? false
        guard isFull else { return false }
        if map.form.limits != nil { return true }
        value?.problem(.keyNotAllowedHere, "is only for devices that are read by registers", fix: "remove it")
        return false
    }

    private func link(_ value: YAMLValue, among links: [Configuration.Link]) -> Configuration.Link? {
        guard let name = value.string() else { return nil }
        if let link = links.first(where: { $0.name == name }) { return link }
        // One with a mistake of its own is one.
        if linkNames[name] != nil { return nil }
        let nearest = Spelling.nearest(to: name, among: linkNames.keys.sorted())
        value.problem(
            .unknownLink, "is not the name of a link",
            fix: nearest.map { "did you mean \($0)?" } ?? "add it under `links`")
        return nil
    }

    // MARK: Maps

    private func map(_ value: YAMLValue) -> DeviceMap? {
        guard let name = value.string() else { return nil }
        if let known = maps[name] { return known }
        let file = "\(mapsFolder)/\(name).yaml"
        guard TextFile.exists(file) else {
            let others = TextFile.names(in: mapsFolder).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
            let nearest = Spelling.nearest(to: name, among: others)
            value.problem(
                .mapNotFound, "is not a device map: there is no file \(file)",
                fix: nearest.map { "did you mean \($0)?" } ?? "add the file, or write the folder of the maps in `maps`")
            maps[name] = .some(nil)
            return nil
        }
        let text: String
        do {
            text = try TextFile.read(file)
        } catch {
            value.problem(.unreadableFile, "cannot be read: \(error)")
            maps[name] = .some(nil)
            return nil
        }
        let map = DeviceMapFile.read(text, name: name, file: file, problems: problems)
        for failure in map.map(ExampleProof.failures) ?? [] where problems.provesExamples {
            problems.add(
                Problem(
                    file: file, line: failure.line, column: 1, code: .exampleFails, message: failure.description,
                    fix: ""))
        }
        maps[name] = .some(map)
        return map
    }

    // MARK: The rest

    private func limits(_ mapping: YAMLMapping) -> Configuration.OutboxLimits {
        var limits = Configuration.OutboxLimits()
        if let size = mapping.take("max_size") {
            limits.maxSize = size.bytes() ?? limits.maxSize
            if limits.maxSize < 4 << 20 { size.problem(.valueOutOfBounds, "must be at least 4MiB") }
        }
        if let age = mapping.take("max_age")?.duration(atLeast: 60_000_000) { limits.maxAge = age }
        if let keep = mapping.take("keep_sent")?.duration() { limits.keepSent = keep }
        if let memory = mapping.take("max_memory") {
            limits.maxMemory = memory.bytes().map { Int(clamping: $0) } ?? limits.maxMemory
            if limits.maxMemory < 4 << 20 { memory.problem(.valueOutOfBounds, "must be at least 4MiB") }
        }
        if let interval = mapping.take("thin_interval")?.duration(atLeast: 1_000_000) { limits.thinInterval = interval }
        if let full = mapping.take("when_full") { limits.whenFull = Self.whenFull(full, limits.whenFull) }
        limits.encryption = mapping.take("encryption").flatMap { SecretKeys.secret($0, resolve) }
        mapping.finish()
        return limits
    }

    /// A word for all lanes, or one by lane.
    private static func whenFull(
        _ value: YAMLValue, _ defaults: PerLane<OutboxSettings.WhenFull>
    ) -> PerLane<OutboxSettings.WhenFull> {
        let words: KeyValuePairs<String, OutboxSettings.WhenFull> = [
            "drop_oldest": .dropOldest, "drop_newest": .dropNewest, "thin": .thin, "pause": .pause,
        ]
        if !value.isMapping { return value.word(words).map(PerLane.init(repeating:)) ?? defaults }
        guard let mapping = value.mapping() else { return defaults }
        defer { mapping.finish() }
        return PerLane.each { mapping.take($0.name)?.word(words) ?? defaults[$0] }
    }

    private static func admin(_ mapping: YAMLMapping) -> Configuration.Listen? {
        defer { mapping.finish() }
        guard let listen = mapping.take("listen") else { return Configuration.defaultAdmin }
        if listen.scalar == "off" || listen.scalar == "false" { return nil }
        guard let (host, port) = listen.endpoint(defaultPort: nil) else { return Configuration.defaultAdmin }
        if !["127.0.0.1", "localhost", "::1"].contains(host) {
            listen.problem(
                .adminNotLoopback, "must be a loopback address: the page has no password",
                fix: "write 127.0.0.1:\(port)")
        }
        return Configuration.Listen(host: host, port: Int(port))
    }

    /// Names, and addresses as a URL has them, without a port.
    private static func hosts(_ value: YAMLValue?) -> [String] {
        (value?.sequence() ?? []).compactMap { entry in
            guard let host = entry.string() else { return nil }
            let isAddress = host.hasPrefix("[") && host.hasSuffix("]")
            let name = isAddress ? String(host.dropFirst().dropLast().filter { $0 != ":" }) : host
            let isHost = name.utf8.allSatisfy { byte in
                let character = Character(Unicode.Scalar(byte))
                return byte < 128 && (character.isLetter || character.isNumber || ".-".contains(character))
            }
            guard isHost, !name.isEmpty, host.utf8.count <= 253 else {
                entry.problem(
                    .invalidHostName, "is not a host name",
                    fix: "write it without scheme, port and path, for example headgate.example")
                return nil
            }
            return host
        }
    }

    private static func logLevels(_ value: YAMLValue?) -> [String: Logger.Level] {
        let levels: KeyValuePairs<String, Logger.Level> = [
            "trace": .trace, "debug": .debug, "info": .info, "notice": .notice, "warning": .warning, "error": .error,
        ]
        guard let value else { return [:] }
        if !value.isMapping { return value.word(levels).map { ["default": $0] } ?? [:] }
        guard let mapping = value.mapping() else { return [:] }
        var chosen: [String: Logger.Level] = [:]
        for part in Configuration.logParts { chosen[part] = mapping.take(part)?.word(levels) }
        mapping.finish()
        return chosen
    }

    private static func tags(_ value: YAMLValue?) -> [Device.Tag] {
        (value?.mapping()?.all() ?? []).compactMap { key, value in
            value.string().map { Device.Tag(name: key.scalar ?? "", value: $0) }
        }.sorted { $0.name < $1.name }
    }

    /// Names become parts of topics, ids and files.
    static func name(_ value: YAMLValue) -> String? {
        let text = value.scalar ?? ""
        let isRight =
            !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            }
        if !isRight {
            value.problem(
                .invalidName, "must be a name of a-z, 0-9 and -",
                fix: "write at most 64 of them, for example press-shop-3")
            return nil
        }
        return text
    }
}

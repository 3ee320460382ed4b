// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Logging
import MQTT
import Metrics
import Waiting

/// Listens to the devices behind one broker.
///
///     socket ─▶ read ─▶ messages ─▶ router ─▶ batch ─▶ collector ─▶ COMMIT ─▶ write ─▶ PUBACK
///
/// Serialises everything on the connection, on a thread of its own. Nothing is written while messages are not
/// committed, not even a sign of life: the acknowledgements queue behind it. A broker that gives up on us meanwhile
/// keeps the session and sends them again.
public actor MQTTSource {
    nonisolated private let executor: BlockingExecutor
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let settings: MQTTSourceSettings
    let collector: any Collecting
    let logger: Logger
    let measures: MQTTSourceMeasures
    /// Nil without edge nodes.
    let nodeMeasures: SparkplugMeasures?
    private var router: MessageRouter
    var sparkplug: SparkplugHost
    /// What edge nodes are told of this connection; nil where it is nobody's primary host.
    var hostState: SparkplugState?
    /// Whether they have been told on this connection that this host is online.
    var isStateTold = false
    /// Whether the broker has answered a SUBSCRIBE of this connection.
    var isSubscriptionAnswered = false
    /// Whether the broker has told them something else.
    var isStateDoubted = false
    var lookedForNodes = ContinuousClock.now
    /// Not before what waited behind a slow commit has been read.
    var nodesJudgedFrom = ContinuousClock.now
    private let commands: (any CommandTaking)?
    /// What commands that are safe want done.
    private var works: [@Sendable () -> Void] = []
    private var hasSubscribed = false
    private var hasEverSubscribed = false
    private var subscribedAt: ContinuousClock.Instant?
    private var downSince: Timestamp?
    private var upSince = MessageRouter.Arrival()
    private var lookedForSilence = ContinuousClock.now
    /// When the connection came up; nil while it is not.
    private var connectedAt: ContinuousClock.Instant?
    /// Whether the connection is logged: not one after another that ended within seconds.
    private var isWorthALine = true
    /// Connections in a row that ended soon after they came up.
    private var shortConnections = ShortConnections()
    private var isClientIDTaken = false
    /// What the broker's session may be subscribed to.
    private var lastSubscriptions: [String]
    /// The filters that the session had when the gateway started.
    private let earlierFilters: [String]
    /// Filters of devices that the broker refuses.
    private var refusedFilters: Set<String> = []

    public init(
        _ settings: MQTTSourceSettings, catalog: Catalog, collector: any Collecting,
        commands: (any CommandTaking)? = nil, logger: Logger
    ) {
        executor = BlockingExecutor(label: "mqtt.\(settings.name)")
        var logger = logger
        logger[metadataKey: "link"] = "\(settings.name)"
        self.settings = settings
        self.collector = collector
        self.commands = commands
        self.logger = logger
        measures = MQTTSourceMeasures(link: settings.name)
        nodeMeasures = settings.edgeNodes.isEmpty ? nil : SparkplugMeasures(link: settings.name)
        router = MessageRouter(
            settings.devices, catalog: catalog, collector: collector, earlier: settings.lastSubscriptions,
            warnings: settings.warnings)
        lastSubscriptions = settings.lastSubscriptions
        earlierFilters = settings.lastSubscriptions.map(TopicFilter.ofOneClient)
        sparkplug = SparkplugHost(settings.edgeNodes, catalog: catalog)
    }

    /// Listens until the task is cancelled; connects again whenever the connection ends.
    public func run() async {
        var backoff = Backoff(base: .milliseconds(500), cap: .seconds(15))
        var wasUp = true
        while !Task.isCancelled {
            let connected = ContinuousClock.now
            do {
                try await listen { wasUp = true }
            } catch {
                measures.disconnects.increment()
                if !Task.isCancelled { isDown(error) }
            }
            if Task.isCancelled { return }
            if wasUp, connected.duration(to: .now) > .seconds(10) { backoff.reset() }
            wasUp = false
            tellFailure()
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// What is subscribed to, also what the broker has refused: it may allow that later.
    private var filters: [String] {
        let devices = (router.cover.filters + refusedFilters.sorted()).map {
            TopicFilter.shared($0, by: settings.share)
        }
        // A command is for this gateway, whoever shares what devices say.
        let command = commands.map(\.topic).flatMap { topic in
            // One that a device's wildcard brings comes once.
            settings.share == nil && router.cover.filters.contains { SubscriptionCover.covers($0, topic) } ? nil : topic
        }
        return devices + sparkplug.filters + [hostState?.topic, command].compactMap(\.self)
    }

    private static let fewestShortConnections = 3

    private func isDown(_ error: MQTTError) {
        let wasUp = shortConnections.ends(at: .now) != nil
        connectedAt = nil
        settings.monitor.disconnected(
            error.description, next: "check the link's address, TLS, user and password, and the broker's log")
        // A broker ends the older of two connections of one client id (MQTT 3.1.1, 3.1.4); 5 says so.
        let isTakenOver = error.description.lowercased().contains("taken over")
        guard wasUp, isTakenOver || shortConnections.count >= Self.fewestShortConnections else { return }
        isClientIDTaken = true
        settings.warnings.warn(
            .clientIDTaken, of: settings.name,
            "the broker closes each connection within seconds: another client seems to use the client ID "
                + settings.connection.clientID,
            next: "give one of the two another `client_id`")
    }

    private var address: String { "\(settings.connection.host):\(settings.connection.port)" }

    private func tellFailure() {
        let now = Timestamp.now
        let since = downSince ?? now
        downSince = since
        guard now.microseconds(since: since) >= Self.patience else { return }
        var batch = Batch()
        router.linkDown(since: since, at: now, expectsAll: settings.share == nil, into: &batch)
        sparkplug.linkDown(since: since, at: now, into: &batch)
        collector.take(&batch)
    }

    // MARK: One connection

    private static let connectTimeout = Duration.seconds(10)
    /// After a refusal.
    private static let subscribeInterval = Duration.seconds(60)
    /// A broker may be restarted without its devices being gone: what they send waits in the session.
    private static let patience: Int64 = 30_000_000
    /// Packets read before the batch is handed on.
    private static let packetsAtOnce = 1_024

    private func listen(whenUp: () -> Void) async throws(MQTTError) {
        hostState = settings.sparkplugHost.map { SparkplugState(host: $0, at: .now) }
        (isStateTold, isSubscriptionAnswered) = (false, false)
        var connecting = settings.connection
        if hostState != nil {
            // A host begins anew with each connection (Sparkplug 3.0.0, 4.2.9).
            (connecting.will, connecting.sessionExpiry) = (hostState?.will, nil)
            hasSubscribed = false
        }
        let connection = try MQTTConnection(connecting)
        try connection.connect()
        let sessionPresent = try Self.awaitConnection(connection)
        whenUp()
        downSince = nil
        connectedAt = .now
        settings.monitor.connected()
        upSince = MessageRouter.Arrival()
        isWorthALine = shortConnections.begins(at: .now)
        if isWorthALine {
            logger.notice("link up", metadata: ["broker": "\(address)", "session": "\(sessionPresent)"])
        }
        // The first time always: the broker may keep a session from before the configuration changed.
        // And until the broker has answered once: a SUBSCRIBE may be lost with its connection.
        if !sessionPresent { hasSubscribed = false }
        if !hasSubscribed { try subscribe(connection) }
        sparkplug.connected(at: .now)
        while !Task.isCancelled {
            if case .disconnected(let reason) = connection.state { throw MQTTError(.reconnect, reason) }
            connection.wait(milliseconds: 200)
            try connection.read(packets: Self.packetsAtOnce)
            if let allowed = connection.takeSubscribed() { try report(allowed, connection) }
            if !hasSubscribed, let subscribedAt, subscribedAt.duration(to: .now) > Self.subscribeInterval {
                try subscribe(connection)
            }
            if isClientIDTaken, let connectedAt, connectedAt.duration(to: .now) > .seconds(60) {
                isClientIDTaken = false
                settings.warnings.clear(.clientIDTaken, of: settings.name)
            }
            guard await take(connection.takeMessages()) else { return }
            refuseTooLarge(connection.takeRefused())
            defer { startWorks() }
            try speakToNodes(connection)
            try connection.write()
            tellSilence()
            await Task.yield()
        }
        try tellState(isOnline: false, connection)
        connection.disconnect()
    }

    /// Looks once a second whether somebody has not been heard of for too long. Who shares hears a part only, and no more
    /// once another gateway is sent the rest.
    private func tellSilence() {
        guard settings.share == nil else { return }
        let now = MessageRouter.Arrival()
        guard lookedForSilence.duration(to: now.instant) >= .seconds(1) else { return }
        lookedForSilence = now.instant
        var batch = Batch()
        router.markSilent(listening: upSince, at: now, into: &batch)
        if !batch.isEmpty { collector.take(&batch) }
    }

    /// - Returns: whether the broker kept our session.
    private static func awaitConnection(_ connection: borrowing MQTTConnection) throws(MQTTError) -> Bool {
        let deadline = ContinuousClock.now + connectTimeout
        while ContinuousClock.now < deadline, !Task.isCancelled {
            connection.wait(milliseconds: 20)
            try connection.read(packets: 1)
            switch connection.state {
            case .connected(let sessionPresent): return sessionPresent
            case .disconnected(let reason): throw MQTTError(.reconnect, reason)
            case .idle, .connecting: try connection.write()
            }
        }
        throw MQTTError(.reconnect, "the broker did not answer CONNECT")
    }

    /// Asks for what is wanted, and ends what a session still has from before the configuration changed.
    private func subscribe(_ connection: borrowing MQTTConnection) throws(MQTTError) {
        let filters = filters
        let stale = lastSubscriptions.filter { !filters.contains($0) }
        // Before it is true, so that a crash in between forgets none.
        settings.keepSubscriptions(filters + stale)
        if !stale.isEmpty {
            logger.notice("subscriptions ended", metadata: ["topics": "\(stale.joined(separator: ", "))"])
            try connection.unsubscribe(stale)
        }
        guard !filters.isEmpty else { return }
        subscribedAt = .now
        let isNumbered = router.cover.crossing != nil && connection.hasSubscriptionIdentifiers
        if let (one, other) = router.cover.crossing, !isNumbered {
            settings.warnings.warn(
                .subscriptionRefused, of: "\(settings.name): \(one) and \(other)",
                "these topics overlap, and the broker has no subscription identifiers: messages may arrive twice",
                next: "use a separate link for one of the two")
        }
        // What is retained tells a gateway that has just started which devices are gone.
        let devices = router.cover.filters.count + refusedFilters.count
        try connection.subscribe(filters, isNumbered: isNumbered, retained: hasEverSubscribed ? 0 : devices)
        hasEverSubscribed = true
    }

    private func report(_ allowed: [Bool], _ connection: borrowing MQTTConnection) throws(MQTTError) {
        // What an operator may still allow is asked for again.
        hasSubscribed = allowed.allSatisfy { $0 }
        isSubscriptionAnswered = true
        subscribedAt = .now
        if isWorthALine { logger.notice("subscribed", metadata: ["topics": "\(allowed.count { $0 })"]) }
        // What was ended before is ended: the broker answers in order.
        lastSubscriptions = filters
        settings.keepSubscriptions(filters)
        try tellState(granted: Set(zip(filters, allowed).filter(\.1).map(\.0)), connection)
        for (filter, isAllowed) in zip(filters, allowed) {
            let subject = "\(settings.name): \(filter)"
            if isAllowed {
                settings.warnings.clear(.subscriptionRefused, of: subject)
                continue
            }
            measures.refusedSubscriptions.increment()
            settings.warnings.warn(
                .subscriptionRefused, of: subject, "the broker rejects the subscription to this topic",
                next:
                    "allow the user of the gateway to read it at the broker; the gateway subscribes again every minute")
        }
        let asked = router.cover.filters + refusedFilters.sorted()
        let refused = Set(zip(asked, allowed).filter { !$0.1 }.map(\.0))
        guard refused != refusedFilters else { return }
        // What a refused wildcard covers may be allowed by itself.
        refusedFilters = refused
        router.subscribe(without: refused)
        if filters != lastSubscriptions { try subscribe(connection) }
    }

    /// Hands messages on and waits until they are safe.
    /// - Returns: false where the gateway stops before that.
    private func take(_ messages: [MQTTMessage]) async -> Bool {
        guard !messages.isEmpty else { return true }
        measures.messages.increment(by: messages.count)
        settings.monitor.received(at: .now)
        var batch = Batch()
        let arrival = MessageRouter.Arrival()
        for message in messages {
            if let commands, message.topic == commands.topic {
                if let work = commands.take(message, into: &batch) { works.append(work) }
                continue
            }
            if takeOfNodes(message, arrival, into: &batch) { continue }
            do throws(MessageRouter.Refusal) {
                try router.route(message, arrival: arrival, into: &batch)
            } catch {
                refuse(message, error)
            }
        }
        measures.refusedTimes.increment(by: router.takeRefusedTimes())
        let unplaced = router.takeUnplaced()
        if unplaced > 0 { collector.lose(unplaced, .tooManyDevices, at: arrival.time) }
        // A message that means nothing is acknowledged all the same: it would come again and mean as little.
        guard !batch.isEmpty else { return true }
        let isSafe = await collector.takeDurably(batch)
        // What came meanwhile has not been read yet: nobody was silent.
        if arrival.instant.duration(to: .now) > .seconds(1) {
            upSince = MessageRouter.Arrival()
            nodesJudgedFrom = .now + .seconds(5)
        }
        return isSafe
    }

    /// Commands are begun once they are committed, in their order.
    private func startWorks() {
        for work in works { work() }
        works = []
    }

    /// - Parameter topics: of messages that were larger than the link takes, and are acknowledged.
    private func refuseTooLarge(_ topics: [String]) {
        measures.tooLarge.increment(by: topics.count)
        let isPrivate = settings.devices.contains { $0.naming != nil }
        for topic in topics {
            settings.warnings.warn(
                .messageRefused, of: isPrivate ? "\(settings.name) (too_large)" : "\(topic) (too_large)",
                "a message of more than \(settings.connection.payloadLimit) bytes"
                    + (isPrivate ? "" : " on \(topic)") + " was not read",
                next: "let the device send smaller messages, or remove the topic")
        }
    }

    private func refuse(_ message: MQTTMessage, _ refusal: MessageRouter.Refusal) {
        measures.refused(refusal.cause).increment()
        func place() -> String {
            // Where ids are pseudonyms, topics must not be shown: they contain the ids.
            settings.devices.contains { $0.naming != nil } ? "a message" : "a message on \(message.topic)"
        }
        func warn(_ name: String, _ text: String, next: String) {
            // Behind a wildcard, one device is not another.
            let device = settings.devices.first { $0.name == name }
            let isNamed = device?.isMany ?? false && device?.naming == nil
            settings.warnings.warn(
                .messageRefused, of: name + (isNamed ? " on \(message.topic)" : "") + " (\(refusal.cause.rawValue))",
                place() + " gave no reading: " + text, next: next)
        }
        switch refusal {
        case .notOfMap, .notAllowed, .nothing: break
        case .unmatched:
            // A subscription that was ended may have left messages in the session.
            guard !earlierFilters.contains(where: { TopicFilter.matches($0, message.topic) }) else { break }
            settings.warnings.warn(
                .messageRefused, of: "\(settings.name) (unmatched)",
                place() + " has a topic that is not in the configuration: the session still has an old subscription",
                next: "remove the session of the client ID \(settings.connection.clientID) at the broker")
        case .malformed(let device, let error):
            warn(device, "\(error)", next: "compare the payload with the map, or use another map for the topic")
        case .noID(let device):
            warn(device, "it has no device ID", next: "check `id` in the map")
        case .unknownPresence(let device):
            warn(
                device, "its text is neither in `online` nor in `offline`",
                next: "add the text under `presence` in the map")
        case .tooManyDevices(let device):
            settings.warnings.warn(
                .tooManyDevices, of: device,
                place() + " comes from one device more than `max_devices` of \(device) allows: its readings are lost",
                next: "list the allowed IDs in `ids`, or raise `max_devices`")
        }
    }
}

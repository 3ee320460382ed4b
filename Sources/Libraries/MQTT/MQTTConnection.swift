// Headgate
// SPDX-License-Identifier: Apache-2.0

import CMosquitto
import Glibc

/// One client of one broker, driven by its owner's own loop: nothing is read or written but inside its calls.
///
/// libmosquitto queues the PUBACK of a QoS 1 message before it hands the message over, but as it is told here that
/// another loop does the writing (`mosquitto_threaded_set`), the PUBACK leaves only in `write()`. So an owner that
/// calls `read`, stores what came, and only then `write`, acknowledges nothing that it has not stored.
public struct MQTTConnection: ~Copyable {
    private let client: OpaquePointer
    private let settings: MQTTSettings
    /// What the callbacks leave behind. Lives as long as the client, which holds an unretained pointer to it.
    private let inbox: MQTTInbox

    public init(_ settings: MQTTSettings) throws(MQTTError) {
        let inbox = MQTTInbox(payloadLimit: settings.payloadLimit)
        client = try Self.makeClient(settings, inbox)
        self.settings = settings
        self.inbox = inbox
    }

    private static func makeClient(_ settings: MQTTSettings, _ inbox: MQTTInbox) throws(MQTTError) -> OpaquePointer {
        _ = libraryIsReady
        let object = Unmanaged.passUnretained(inbox).toOpaque()
        guard let client = mosquitto_new(settings.clientID, settings.sessionExpiry == nil, object) else {
            throw MQTTError(.setup, "the client id “\(settings.clientID)” is not one that MQTT allows")
        }
        mosquitto_threaded_set(client, true)
        mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1)
        mosquitto_int_option(
            client, MOSQ_OPT_PROTOCOL_VERSION, settings.version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311)
        // How many messages the broker sends before it waits for an acknowledgement; those leave once a commit.
        mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 1_000)
        // Windows are the owner's: it never hands over more than it wants in flight.
        mosquitto_max_inflight_messages_set(client, 0)
        setCallbacks(of: client)
        do {
            try secure(client, settings)
            if let will = settings.will {
                try check(
                    mosquitto_will_set(
                        client, will.topic, Int32(clamping: will.payload.count), will.payload, 1, will.isRetained),
                    .setup)
            }
        } catch {
            mosquitto_destroy(client)
            throw error
        }
        return client
    }

    private static func secure(_ client: OpaquePointer, _ settings: MQTTSettings) throws(MQTTError) {
        if let username = settings.username {
            try check(mosquitto_username_pw_set(client, username, settings.password), .setup)
        }
        if let tls = settings.tls {
            // libmosquitto wants one of the two; the folder is where Debian keeps the system's certificates.
            let folder = tls.ca == nil ? "/etc/ssl/certs" : nil
            let files = [tls.ca, tls.certificate, tls.key].compactMap(\.self)
            if let missing = files.first(where: { access($0, R_OK) != 0 }) {
                throw MQTTError(.setup, "\(missing) cannot be read: \(String(cString: strerror(errno)))")
            }
            try check(mosquitto_tls_set(client, tls.ca, folder, tls.certificate, tls.key, nil), .setup)
        }
    }

    deinit {
        mosquitto_destroy(client)
    }

    // MARK: The connection

    public var state: MQTTInbox.State { inbox.state }

    /// Whether the connection of TCP is made, so that the broker may have read the CONNECT.
    public var isReached: Bool {
        var address = sockaddr()
        var length = socklen_t(MemoryLayout<sockaddr>.size)
        return getpeername(mosquitto_socket(client), &address, &length) == 0
    }

    /// Whether the broker has refused the connection, or TLS has failed.
    public var isRefused: Bool { inbox.isRefused || inbox.complaint != nil }

    /// The largest packet the broker takes, where it said so (MQTT 5, 3.2.2.3.6).
    public var maximumPacketSize: UInt32? { inbox.maximumPacketSize }

    /// Starts to connect. `state` tells how it went, after calls of `read` and `write`.
    public func connect() throws(MQTTError) {
        inbox.connectionStarts()
        if settings.version == .v5, let expiry = settings.sessionExpiry {
            keepForConnect(sessionExpiry: expiry)
        }
        try checkConnection(
            mosquitto_connect_async(client, settings.host, Int32(settings.port), Int32(settings.keepAlive)))
    }

    /// Puts the session's expiry into the CONNECT to come.
    ///
    /// Only libmosquitto's *blocking* connect takes properties, and it would hold this thread for as long as a
    /// connection attempt may take. It keeps the properties before it looks at the keep-alive, so a keep-alive that
    /// is never valid stops it there; `mosquitto_connect_async` then sends them.
    private func keepForConnect(sessionExpiry: UInt32) {
        var properties: OpaquePointer?
        mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), sessionExpiry)
        let neverValid: Int32 = 1
        mosquitto_connect_bind_v5(client, settings.host, Int32(settings.port), neverValid, nil, properties)
        mosquitto_property_free_all(&properties)
    }

    /// - Parameter publishesWill: whether the broker is to publish the will, as if the connection was lost (MQTT 5, 3.14.2.1,
    ///   reason 4).
    public func disconnect(publishesWill: Bool = false) {
        // MQTT 3.1.1 has no way to say so.
        if publishesWill, settings.version == .v5 {
            mosquitto_disconnect_v5(client, Int32(MQTT_RC_DISCONNECT_WITH_WILL_MSG.rawValue), nil)
        } else {
            mosquitto_disconnect(client)
        }
        mosquitto_loop_write(client, 1)
    }

    // MARK: The loop

    /// Waits until something can be read (or written, where something is queued), at most `milliseconds`.
    public func wait(milliseconds: Int32, forWriting: Bool = false) {
        let socket = mosquitto_socket(client)
        guard socket >= 0 else { return }
        var events = Int16(POLLIN)
        if forWriting, mosquitto_want_write(client) { events |= Int16(POLLOUT) }
        var watched = pollfd(fd: socket, events: events, revents: 0)
        poll(&watched, 1, milliseconds)
    }

    /// Takes in what has arrived, without waiting: at most `packets` packets, and no more once 4 MiB of payloads are in.
    /// Writes nothing, so no message that came is acknowledged yet.
    public func read(packets: Int) throws(MQTTError) {
        for _ in 0..<packets {
            try checkConnection(mosquitto_loop_read(client, 1))
            guard isReadable, inbox.payloadBytes < 4 << 20 else { return }
        }
    }

    private var isReadable: Bool {
        var watched = pollfd(fd: mosquitto_socket(client), events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, 0) > 0
    }

    /// Sends what is queued: acknowledgements, messages, signs of life.
    public func write() throws(MQTTError) {
        try checkConnection(mosquitto_loop_misc(client))
        if mosquitto_want_write(client) {
            try checkConnection(mosquitto_loop_write(client, 1))
        }
    }

    // MARK: Messages

    public func takeMessages() -> [MQTTMessage] { inbox.takeMessages() }

    /// How many messages were refused for their size since the last call.
    public func takeRefused() -> [String] { inbox.takeRefused() }

    /// The messages that the broker has settled since the last call: message id and MQTT 5 reason code (0 in 3.1.1).
    public func takeSettled() -> [(id: Int32, reason: Int32)] { inbox.takeSettled() }

    /// The broker's answer to `subscribe`, once: for each filter, whether it may be listened to.
    public func takeSubscribed() -> [Bool]? { inbox.takeSubscribed() }

    /// Queues a subscription to all of `filters` at QoS 1.
    /// - Parameters:
    ///   - isNumbered: whether each message is to carry the `TopicFilter.identifier` of each filter for which it is sent; needs
    ///     a broker of MQTT 5 that `hasSubscriptionIdentifiers`.
    ///   - retained: of how many of the first filters retained messages are wanted although the session has the subscription;
    ///     with 3.1.1 a broker always sends them.
    public func subscribe(
        _ filters: [String], isNumbered: Bool = false, retained: Int = 0
    ) throws(MQTTError) {
        var messages: [Int32] = []
        for (part, wantsRetained) in [(filters.prefix(retained), true), (filters.dropFirst(retained), false)]
        where !part.isEmpty {
            guard isNumbered else {
                messages.append(try subscribe(Array(part), number: nil, wantsRetained: wantsRetained))
                continue
            }
            for filter in part {
                let number = UInt32(TopicFilter.identifier(of: filter))
                messages.append(try subscribe([filter], number: number, wantsRetained: wantsRetained))
            }
        }
        inbox.subscribes(messages)
    }

    /// Whether the broker can tell for which subscription it sends a message.
    public var hasSubscriptionIdentifiers: Bool { settings.version == .v5 && inbox.hasSubscriptionIdentifiers }

    /// - Returns: the number of the message.
    private func subscribe(
        _ filters: [String], number: UInt32?, wantsRetained: Bool
    ) throws(MQTTError) -> Int32 {
        // Retained messages are old news on every reconnection.
        let options = settings.version == .v5 && !wantsRetained ? Int32(MQTT_SUB_OPT_SEND_RETAIN_NEW.rawValue) : 0
        var properties: OpaquePointer?
        if let number {
            mosquitto_property_add_varint(&properties, Int32(MQTT_PROP_SUBSCRIPTION_IDENTIFIER.rawValue), number)
        }
        defer { mosquitto_property_free_all(&properties) }
        var id: Int32 = 0
        let code = Self.withPointers(filters) { pointers, count in
            mosquitto_subscribe_multiple(client, &id, count, pointers, 1, options, properties)
        }
        try Self.check(code, .reconnect)
        return id
    }

    /// Queues UNSUBSCRIBE for filters, also for those to which an earlier connection of the session subscribed.
    public func unsubscribe(_ filters: [String]) throws(MQTTError) {
        guard !filters.isEmpty else { return }
        // RabbitMQ 3.10 ends only what the same connection has subscribed to, and speaks MQTT 3.1.1.
        if settings.version != .v5 { _ = try subscribe(filters, number: nil, wantsRetained: false) }
        let code = Self.withPointers(filters) { pointers, count in
            mosquitto_unsubscribe_multiple(client, nil, count, pointers, nil)
        }
        try Self.check(code, .reconnect)
    }

    private static func withPointers(
        _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, Int32) -> Int32
    ) -> Int32 {
        var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { body($0, Int32(texts.count)) } ?? Int32(MOSQ_ERR_INVAL.rawValue)
        }
    }

    /// Queues a message.
    /// - Parameter qos: 0 or 1.
    /// - Returns: its id, which `takeSettled` names once the broker has taken or refused it; without QoS once it is sent.
    public func publish(
        topic: String, payload: UnsafeRawBufferPointer, qos: Int32 = 1, retain: Bool, contentType: String?
    ) throws(MQTTError) -> Int32 {
        var properties: OpaquePointer?
        if settings.version == .v5, let contentType {
            mosquitto_property_add_string(&properties, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), contentType)
        }
        defer { mosquitto_property_free_all(&properties) }
        var id: Int32 = 0
        let code = mosquitto_publish_v5(
            client, &id, topic, Int32(clamping: payload.count), payload.baseAddress, qos, retain, properties)
        switch code {
        case Int32(MOSQ_ERR_INVAL.rawValue), Int32(MOSQ_ERR_MALFORMED_UTF8.rawValue):
            throw MQTTError(.reject, "the topic is not one that MQTT allows")
        case Int32(MOSQ_ERR_PAYLOAD_SIZE.rawValue), Int32(MOSQ_ERR_OVERSIZE_PACKET.rawValue):
            throw MQTTError(.reject, "larger than the broker takes")
        default: try Self.check(code, .reconnect)
        }
        return id
    }

    /// Queues a message that nobody waits for.
    public func publish(topic: String, payload: [UInt8], qos: Int32, retain: Bool) throws(MQTTError) {
        try payload.withUnsafeBufferPointer { payload throws(MQTTError) in
            _ = try publish(
                topic: topic, payload: UnsafeRawBufferPointer(payload), qos: qos, retain: retain, contentType: nil)
        }
    }

    /// Of a connection that the broker refused or closed, its own reason says more than the library's error; of TLS, the
    /// library's log.
    private func checkConnection(_ code: Int32) throws(MQTTError) {
        let error = errno
        if code != Int32(MOSQ_ERR_SUCCESS.rawValue), let complaint = inbox.complaint {
            throw MQTTError(.reconnect, "TLS: \(complaint)")
        }
        if let reason = reason(of: code, error) { throw MQTTError(.reconnect, reason) }
        if code != Int32(MOSQ_ERR_SUCCESS.rawValue), case .disconnected(let reason) = inbox.state {
            throw MQTTError(.reconnect, reason)
        }
        try Self.check(code, .reconnect)
    }

    /// What an error means for the way to the broker, where the library's own words do not say it.
    private func reason(of code: Int32, _ error: Int32) -> String? {
        if code == Int32(MOSQ_ERR_EAI.rawValue) {
            return
                "no address of the host “\(settings.host)” is known; check its spelling and this machine's name service"
        }
        guard code == Int32(MOSQ_ERR_ERRNO.rawValue) else { return nil }
        let text = String(cString: strerror(error))
        return switch error {
        case ECONNREFUSED: "\(text): the host is there, and no broker listens at port \(settings.port)"
        case ETIMEDOUT: "\(text): check the address, the network between, and firewalls"
        case EHOSTUNREACH, ENETUNREACH: "\(text): check the address, and this machine's network and routes"
        default: nil
        }
    }

    private static func check(_ code: Int32, _ kind: MQTTError.Kind) throws(MQTTError) {
        if code == Int32(MOSQ_ERR_SUCCESS.rawValue) { return }
        if code == Int32(MOSQ_ERR_ERRNO.rawValue) {
            throw MQTTError(kind, String(cString: strerror(errno)))
        }
        throw MQTTError(kind, String(cString: mosquitto_strerror(code)))
    }

    /// Initialises the library the first time it is read.
    private static let libraryIsReady: Bool = mosquitto_lib_init() == Int32(MOSQ_ERR_SUCCESS.rawValue)
}

private func setCallbacks(of client: OpaquePointer) {
    mosquitto_connect_v5_callback_set(client) { _, object, reason, flags, properties in
        var size: UInt32 = 0
        let known = mosquitto_property_read_int32(
            properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &size, false)
        // CONNACK flags, bit 0: the broker has kept our session (MQTT 3.1.1, 3.2.2.2).
        MQTTInbox.from(object)?.connected(
            reason: reason, sessionPresent: flags & 1 == 1, maximumPacketSize: known == nil ? nil : size,
            hasSubscriptionIdentifiers: isAvailable(MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, properties))
    }
    mosquitto_log_callback_set(client) { _, object, level, text in
        guard let text else { return }
        switch level {
        case Int32(MOSQ_LOG_ERR): MQTTInbox.from(object)?.complained(String(cString: text))
        case Int32(MOSQ_LOG_DEBUG): MQTTInbox.from(object)?.logged(text)
        default: break
        }
    }
    mosquitto_disconnect_v5_callback_set(client) { _, object, reason, _ in
        MQTTInbox.from(object)?.disconnected(reason: reason)
    }
    mosquitto_message_v5_callback_set(client) { _, object, message, properties in
        guard let message else { return }
        MQTTInbox.from(object)?.received(message.pointee, properties)
    }
    mosquitto_publish_v5_callback_set(client) { _, object, id, reason, _ in
        MQTTInbox.from(object)?.settled(id: id, reason: reason)
    }
    mosquitto_subscribe_v5_callback_set(client) { _, object, id, count, granted, _ in
        guard let granted else { return }
        MQTTInbox.from(object)?.subscribed(id, UnsafeBufferPointer(start: granted, count: Int(count)))
    }
}

/// What a broker can do, unless it says that it cannot (MQTT 5.0, 3.2.2.3).
private func isAvailable(_ property: mqtt5_property, _ properties: OpaquePointer?) -> Bool {
    var value: UInt8 = 1
    return mosquitto_property_read_byte(properties, Int32(property.rawValue), &value, false) == nil || value != 0
}

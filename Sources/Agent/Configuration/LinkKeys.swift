// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import MQTT
import Modbus
import YAMLText

/// The keys of a link: a line, an endpoint, a port that devices dial or a broker.
struct LinkKeys {
    let claims: Claims
    let resolve: (String) -> String

    func way(_ mapping: YAMLMapping, clientID: String) -> Configuration.Link.Way? {
        let (tcp, rtu, mqtt) = (mapping.take("tcp"), mapping.take("rtu"), mapping.take("mqtt"))
        let listen = mapping.take("listen")
        if [tcp, rtu, mqtt, listen].compactMap(\.self).count > 1 {
            mapping.problem(
                .needsExactlyOneOf, "must have exactly one of `tcp`, `rtu`, `listen` and `mqtt`",
                fix: "add a link for each")
        }
        if let mqtt {
            let share = mapping.take("share")
            let hostValue = mapping.take("sparkplug_host")
            let host = hostValue.flatMap { SparkplugKeys.level($0, "a host id") }
            let broker = BrokerKeys(mapping, claims: claims, resolve: resolve)
                .broker(mqtt, clientID: clientID)
            if broker?.settings.version == .v311 {
                share?.problem(.keyNotAllowedHere, "is only for MQTT 5", fix: "write version: 5")
            }
            let name = share.flatMap(BrokerKeys.share)
            if let host, let settings = broker?.settings,
                !claims.claim("host", settings.host, String(settings.port), host)
            {
                hostValue?.problem(
                    .primaryHostTaken,
                    "is also the host ID of another link at this broker: each would overwrite the state of the other",
                    fix: "give each its own host ID, or combine the two links")
            }
            return broker.map { .mqtt($0, share: name, sparkplugHost: host) }
        }
        let (from, identity) = (mapping.take("from"), mapping.take("identity"))
        if listen == nil {
            for value in [from, identity] {
                value?.problem(
                    .keyNotAllowedHere, "is only for links with `listen`", fix: "remove it, or write `listen`")
            }
        }
        let timeout = mapping.take("timeout")?.duration(atLeast: 1_000) ?? 1_000_000
        if let address = tcp ?? listen {
            let isRTU = mapping.take("framing")?.word(["tcp": false, "rtu": true]) ?? false
            if tcp == nil {
                return DialInKeys(claims: claims).port(address, isRTU: isRTU, from: from, identity: identity).map {
                    .modbus(.dialIn($0), timeout: timeout)
                }
            }
            return address.endpoint(defaultPort: 502).map { host, port in
                .modbus(isRTU ? .rtuOverTCP(host: host, port: port) : .tcp(host: host, port: port), timeout: timeout)
            }
        }
        if let rtu {
            guard let device = rtu.string() else { return nil }
            if device.isEmpty {
                rtu.problem(.invalidEndpoint, "must be the path of a serial line", fix: "write rtu: /dev/ttyUSB0")
            }
            if !device.isEmpty, !claims.claim("line", FilePath.resolved(device)) {
                rtu.problem(
                    .serialLineTaken, "is also the line of another link: a line has one master",
                    fix: "put all devices of the line on one link")
            }
            return .modbus(.serial(Self.line(device, mapping)), timeout: timeout)
        }
        mapping.problem(
            .needsExactlyOneOf, "must have one of `tcp`, `rtu`, `listen` and `mqtt`",
            fix: "write { tcp: 10.20.0.31:502 }")
        return nil
    }

    /// `N` or `any`.
    static func answersAs(_ value: YAMLValue, _ link: Configuration.Link) -> AnsweringUnit? {
        guard case .modbus = link.way else {
            value.problem(.keyNotAllowedHere, "is only for Modbus links", fix: "remove it")
            return nil
        }
        if value.scalar == "any" { return .any }
        return value.integer(in: 0...255, "a unit ID, or `any`,").map { .number(UInt8($0)) }
    }

    private static func line(_ device: String, _ mapping: YAMLMapping) -> SerialLine {
        SerialLine(
            device: device,
            baud: Int32(mapping.take("baud")?.integer(in: 300...4_000_000, "a speed in baud") ?? 9_600),
            parity: mapping.take("parity")?.word(["none": .none, "even": .even, "odd": .odd]) ?? .even,
            dataBits: Int32(mapping.take("data_bits")?.integer(in: 7...8) ?? 8),
            stopBits: Int32(mapping.take("stop_bits")?.integer(in: 1...2) ?? 1))
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import FoundationEssentials
import Glibc
import Inputs
import Logging
import Modbus

/// A scan of a configured link, which can be stopped and gone on with.
public struct LinkSurvey: ~Copyable {
    private var scan: LinkScan
    private let path: String
    public let isResumed: Bool

    /// - Parameters:
    ///   - timeout: milliseconds; the link's where it is nil.
    ///   - path: where what is left to be asked is kept until it is done.
    public init(
        _ configuration: Configuration, link name: String, _ wish: LinkScan.Wish, timeout: Int?, path: String
    ) throws(StartError) {
        let settings = try Self.settings(configuration, link: name, timeout)
        let kept = try? JSONDecoder().decode(LinkScan.State.self, from: Data(contentsOf: URL(filePath: path)))
        let isSound = kept?.isSound ?? false
        scan = LinkScan(settings, wish, from: isSound ? kept : nil, logger: .silent)
        isResumed = isSound
        self.path = path
    }

    private static func settings(
        _ configuration: Configuration, link name: String, _ limit: Int?
    ) throws(StartError) -> ModbusLinkSettings {
        guard let link = configuration.links.first(where: { $0.name == name }),
            case .modbus(let endpoint, let timeout) = link.way
        else {
            let names = configuration.links.filter { if case .modbus = $0.way { true } else { false } }.map(\.name)
            throw StartError(
                .unknownLink, "\(name) is not a Modbus link; the Modbus links are \(names.joined(separator: ", "))")
        }
        guard !endpoint.isDialIn else {
            throw StartError(
                .notADialedLink,
                "the device of the link \(name) connects to the running gateway: this command cannot connect to it")
        }
        let longest = limit.map { Int64(min(max($0, 1), 60_000)) * 1_000 } ?? timeout
        var settings = ModbusLinkSettings(name: name, endpoint: endpoint, timeout: longest, devices: [])
        settings.answersAs = link.answersAs
        return settings
    }

    /// Why a link cannot be looked at, and what to do about it.
    public static func explain(_ error: any Error, _ configuration: Configuration, link name: String) -> String {
        guard let error = error as? ModbusError,
            case .modbus(let endpoint, _)? = configuration.links.first(where: { $0.name == name })?.way
        else { return "\(name): \(error)" }
        return "\(name), \(endpoint): \(error); \(error.advice(at: endpoint))"
    }

    public var state: LinkScan.State { scan.state }

    /// One request. Blocks.
    public mutating func step() throws(ModbusError) { try scan.step() }

    /// Keeps what is left to be asked, or forgets it once nothing is.
    public func keep() throws {
        guard !scan.state.isDone else {
            unlink(path)
            return
        }
        try JSONEncoder().encode(scan.state).write(to: URL(filePath: path), options: .atomic)
    }

    // MARK: Lines

    /// How a serial line has to be written in the configuration for one of the units to answer; nil where none does in
    /// any way.
    /// - Parameter trying: is told of each way before it is tried.
    public static func findLine(
        _ configuration: Configuration, link name: String, units: [UInt8], timeout: Int?, trying: (String) -> Void
    ) throws -> (link: String, unit: UInt8)? {
        var settings = try settings(configuration, link: name, timeout)
        guard case .serial(var line) = settings.endpoint else {
            throw StartError(.wrongLinkProtocol, "\(name) is not a serial line, and has no speed and parity to find")
        }
        for (baud, parity) in LineSearch.lines {
            (line.baud, line.parity) = (baud, parity)
            trying("\(baud) baud, parity \(parity.rawValue)")
            settings.endpoint = .serial(line)
            // A line that is heard wrongly gives noise, not frames: their checksums tell.
            if let unit = try LineSearch.answering(settings, units, logger: .silent) {
                return ("{ rtu: \(line.device), baud: \(baud), parity: \(parity.rawValue) }", unit)
            }
        }
        return nil
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The line of a link in headgate.yaml, made of what another gateway says of a connection.
enum ImportedLink {
    /// - Parameters:
    ///   - address: host and port.
    ///   - timeout: milliseconds.
    static func tcp(_ address: String, isRTU: Bool, timeout: Int?) -> String {
        line(["tcp: \"\(address)\"", isRTU ? "framing: rtu" : nil, timeout.map(duration)])
    }

    /// A port that the device dials.
    static func listen(_ address: String, isRTU: Bool, timeout: Int?) -> String {
        line(["listen: \"\(address)\"", isRTU ? "framing: rtu" : nil, timeout.map(duration)])
    }

    /// - Parameters:
    ///   - parity: N, E, O, or a word that begins so.
    static func serial(
        _ device: String, baud: Int, parity: String, dataBits: Int?, stopBits: Int?, timeout: Int?
    ) -> String {
        let words: [Character: String] = ["n": "none", "e": "even", "o": "odd"]
        let parity = parity.lowercased().first.flatMap { words[$0] } ?? "none"
        return line([
            "rtu: \(device)", "baud: \(baud)", "parity: \(parity)",
            dataBits.flatMap { $0 == 8 ? nil : "data_bits: \($0)" },
            stopBits.flatMap { $0 == 1 ? nil : "stop_bits: \($0)" }, timeout.map(duration),
        ])
    }

    private static func line(_ keys: [String?]) -> String { "{ \(keys.compactMap(\.self).joined(separator: ", ")) }" }

    private static func duration(_ milliseconds: Int) -> String {
        milliseconds % 1_000 == 0 ? "timeout: \(milliseconds / 1_000)s" : "timeout: \(milliseconds)ms"
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

extension YAMLValue {
    /// `host:port`; an IPv6 address stands in brackets.
    func endpoint(defaultPort: UInt16?) -> (host: String, port: UInt16)? {
        guard let text = string() else { return nil }
        guard let found = EndpointText.parse(text, defaultPort: defaultPort) else {
            problem(.invalidEndpoint, "must be host:port", fix: "write 10.20.0.31:\(defaultPort ?? 9_464)")
            return nil
        }
        return found
    }
}

enum EndpointText {
    /// - Returns: the host in lower case, in which host names are the same (RFC 4343).
    static func parse(_ text: String, defaultPort: UInt16?) -> (host: String, port: UInt16)? {
        var host = text[...]
        var port = defaultPort
        let bracket = text.lastIndex(of: "]")
        if let colon = text.lastIndex(of: ":"), bracket.map({ $0 < colon }) ?? true {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { return nil }
            port = number
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let port, !host.isEmpty, !host.contains(where: { $0 == " " || $0 == "/" || $0 == "@" }) else {
            return nil
        }
        return (host.lowercased(), port)
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import HTTPTypes
import Hummingbird

/// Refuses requests that a web page of another site has a browser send to the admin address.
///
/// A browser on this machine, or behind a tunnel to it, sends them for any page that it shows, and says which page it was:
/// `Origin` (RFC 6454, 7) and `Sec-Fetch-Site` (W3C Fetch Metadata, 2.4). If a name of the other site resolves to this
/// machine (DNS rebinding), the browser takes the admin address for that site, and only `Host` (RFC 9112, 3.2) still has
/// the name.
struct OriginGuard: RouterMiddleware {
    typealias Context = BasicRequestContext

    /// The loopback names, which no other machine can have. A tunnel uses them with a port of its own.
    private static let ownHosts: Set = ["127.0.0.1", "localhost", "[::1]"]
    private static let ownSites: Set = ["same-origin", "none"]

    /// Names under which a proxy forwards to this address.
    let hosts: Set<String>
    let warnings: any WarningSink

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let refusal = refusal(of: request.head) else { return try await next(request, context) }
        warnings.warn(.adminRequestRefused, of: "admin address", count: 1, refusal.text, next: refusal.next)
        return AdminServer.failure(.adminRequestRefused, "\(refusal.text); \(refusal.next)", .forbidden)
    }

    private struct Refusal {
        var text: String
        var next: String
    }

    private func refusal(of request: HTTPRequest) -> Refusal? {
        guard let authority = request.authority?.lowercased(),
            !request.headerFields.contains(where: { $0.name.canonicalName == "host" })
        else {
            return Refusal(
                text: "a request was refused: it has no Host header, or several", next: "send one Host header")
        }
        let host = Self.host(of: authority)
        guard Self.ownHosts.contains(host) || hosts.contains(host) else {
            return Refusal(
                text: "a request was refused: its host \(Self.printable(host)) is not a name of this gateway",
                next: "if a proxy forwards it, write the name under admin: { hosts: […] }; otherwise find the web page "
                    + "that sends it")
        }
        let origins = request.headerFields[values: .origin]
        if let foreign = origins.first(where: { !isOwn(origin: $0.lowercased(), authority) }) {
            return Refusal(
                text: "a request was refused: the web page \(Self.printable(foreign)) sent it",
                next: "find that page in the browsers of this machine")
        }
        if let site = request.headerFields[.secFetchSite], !Self.ownSites.contains(site) {
            return Refusal(
                text: "a request was refused: a web page of another site sent it (\(Self.printable(site)))",
                next: "type the address into the browser instead of following a link")
        }
        return nil
    }

    /// The name without the port.
    private static func host(of authority: String) -> String {
        if authority.hasPrefix("[") {
            return authority.firstIndex(of: "]").map { String(authority[...$0]) } ?? authority
        }
        return String(authority.prefix { $0 != ":" })
    }

    /// Whether the page is the gateway's own: another port of this machine is another page. A proxy may send its own `Host`
    /// instead of the name in the browser.
    private func isOwn(origin: String, _ authority: String) -> Bool {
        guard let scheme = ["http://", "https://"].first(where: origin.hasPrefix) else { return false }
        let asked = String(origin.dropFirst(scheme.count))
        return asked == authority || hosts.contains(Self.host(of: asked))
    }

    /// Text from a request with only the characters that are safe in a log and on a terminal.
    private static func printable(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(100).map { scalar in
            scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7F ? Character(scalar) : "?"
        }
        return "\"\(String(shown))\""
    }
}

extension HTTPField.Name {
    fileprivate static let secFetchSite = HTTPField.Name("Sec-Fetch-Site") ?? .from
}

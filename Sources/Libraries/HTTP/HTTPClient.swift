// Headgate
// SPDX-License-Identifier: Apache-2.0

import CCurl
import Glibc

/// Asks a server over HTTP, with libcurl. Each request waits for its answer.
public struct HTTPClient: Sendable {
    /// Who asks, and whom it believes. Paths of PEM files.
    public struct Settings: Sendable, Equatable {
        public var username: String?
        public var password: String?
        /// Authorities; nil for the system's.
        public var ca: String?
        public var certificate: String?
        public var key: String?
        /// Microseconds from the beginning until the answer is complete.
        public var timeout: Int64 = 10_000_000

        public init() {}
    }

    public struct Answer: Sendable {
        public var status: Int
        public var body: [UInt8]
    }

    /// Why there is no answer: refused, too late, not trusted.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// An answer is no longer than this, in bytes.
    private static let limit = 16 << 20

    public var settings: Settings

    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// - Parameter contentType: of the body.
    public func request(
        _ method: String, _ url: String, body: String? = nil, contentType: String? = nil
    ) throws(Failure) -> Answer {
        let texts = [
            method, url, body, contentType, settings.username, settings.password, settings.ca, settings.certificate,
            settings.key,
        ].map { $0.flatMap { strdup($0) } }
        defer { texts.forEach { free($0) } }
        guard let method = texts[0], let url = texts[1] else { throw Failure(description: "no memory") }
        var request = curl_request(
            method: UnsafePointer(method), url: UnsafePointer(url), body: UnsafePointer(texts[2]),
            body_length: body?.utf8.count ?? 0, content_type: UnsafePointer(texts[3]),
            username: UnsafePointer(texts[4]), password: UnsafePointer(texts[5]), ca: UnsafePointer(texts[6]),
            certificate: UnsafePointer(texts[7]), key: UnsafePointer(texts[8]),
            timeout_ms: Int(clamping: settings.timeout / 1_000), limit: Self.limit)
        var answer = curl_answer()
        curl_make_request(&request, &answer)
        defer { free(answer.body) }
        let error = withUnsafeBytes(of: answer.error) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard error.isEmpty else { throw Failure(description: error) }
        let bytes = UnsafeRawBufferPointer(start: answer.body, count: answer.body == nil ? 0 : answer.length)
        return Answer(status: answer.status, body: Array(bytes))
    }
}

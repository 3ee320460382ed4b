// Headgate
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTP
import Waiting

/// A schema registry with the REST API of Confluent's (Schema Registry API reference, "Subjects"), which Karapace, Apicurio
/// and Redpanda have, too.
public actor SchemaRegistry {
    public struct Settings: Sendable {
        /// Without a slash at its end.
        public var url: String
        public var http = HTTPClient.Settings()
        /// Whether a schema that the registry does not know is registered, or a mistake.
        public var registers = true

        public init(url: String) {
            self.url = url
        }
    }

    private struct Found: Decodable {
        var id: UInt32
    }

    private struct Refusal: Decodable {
        var error_code: Int?
        var message: String?
    }

    private struct Schema: Encodable {
        var schema: String
    }

    private struct Version: Decodable {
        var schema: String
    }

    nonisolated private let executor = BlockingExecutor(label: "registry")
    nonisolated public var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated public let settings: Settings
    private let http: HTTPClient

    public init(_ settings: Settings) {
        self.settings = settings
        http = HTTPClient(settings.http)
    }

    /// The number of a schema under a subject.
    public func id(of schema: String, subject: String) throws(OutputFailure) -> UInt32 {
        let path = "/subjects/\(Self.escaped(subject))" + (settings.registers ? "/versions" : "")
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let body = (try? encoder.encode(Schema(schema: schema))).map { String(decoding: $0, as: UTF8.self) }
        let answer = try answer("POST", path, body)
        guard answer.status == 200 else { throw refused(answer, subject) }
        guard let found = try? JSONDecoder().decode(Found.self, from: Data(answer.body)) else {
            throw failure("returned no ID for \(subject)")
        }
        return found.id
    }

    /// The newest schema of a subject; nil where it has none.
    public func latest(subject: String) throws(OutputFailure) -> String? {
        let answer = try answer("GET", "/subjects/\(Self.escaped(subject))/versions/latest", nil)
        if answer.status == 404, Self.unknown.contains(Self.refusal(answer).code) { return nil }
        guard answer.status == 200, let found = try? JSONDecoder().decode(Version.self, from: Data(answer.body)) else {
            throw refused(answer, subject)
        }
        return found.schema
    }

    /// Subject, version and schema that are not found: anything else that is not there is no registry.
    private static let unknown: Set<Int> = [40_401, 40_402, 40_403]

    private static func refusal(_ answer: HTTPClient.Answer) -> (code: Int, said: String) {
        let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(answer.body))
        return (refusal?.error_code ?? answer.status, (refusal?.message).map { ": \($0.prefix(300))" } ?? "")
    }

    private func refused(_ answer: HTTPClient.Answer, _ subject: String) -> OutputFailure {
        let (code, said) = Self.refusal(answer)
        return switch answer.status {
        case 401, 403: failure("rejects the user (\(answer.status)) for \(subject)\(said)")
        case 404 where Self.unknown.contains(code):
            failure("does not know the schema of \(subject), and `register` is false\(said)")
        case 404: failure("is not a schema registry: it has no subjects (404)\(said)")
        case 409: failure("rejects the schema of \(subject) as incompatible with an earlier schema\(said)")
        case 422: failure("rejects the schema of \(subject) as invalid\(said)")
        default: failure("returned the status \(answer.status) for \(subject)\(said)")
        }
    }

    private func answer(_ method: String, _ path: String, _ body: String?) throws(OutputFailure) -> HTTPClient.Answer {
        do throws(HTTPClient.Failure) {
            return try http.request(
                method, settings.url + path, body: body, contentType: "application/vnd.schemaregistry.v1+json")
        } catch {
            throw failure("does not respond: \(error)")
        }
    }

    private func failure(_ what: String) -> OutputFailure {
        OutputFailure("the schema registry \(settings.url) \(what)")
    }

    /// RFC 3986, 3.3: as one segment of a path.
    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let isPlain = byte < 128 && (character.isLetter || character.isNumber || "-._~".contains(character))
            return isPlain ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import HTTP
import Outputs
import YAMLText

/// The `registry:` of an output that sends Avro.
struct RegistryKeys {
    private static let fix = "write registry: { url: http://registry:8081 }"
    let resolve: (String) -> String

    static func missing(_ format: YAMLValue) {
        format.problem(
            .registryMissing, "must have a `registry` beside it, which assigns the IDs of schemas", fix: Self.fix)
    }

    func registry(_ value: YAMLValue) -> Configuration.ConfiguredRegistry? {
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let url = mapping.require("url", fix: Self.fix)
        let registers = mapping.take("register")?.boolean()
        let strategies = KeyValuePairs(
            dictionaryLiteral: ("topic_record_name", SubjectStrategy.topicRecordName), ("topic_name", .topicName),
            ("record_name", .recordName))
        let subject = mapping.take("subject")?.word(strategies)
        let username = mapping.take("username")?.string()
        let secret = mapping.take("password")
        if username == nil {
            secret?.problem(.incompletePair, "must have a `username` beside it", fix: "add the username")
        }
        var http = HTTPClient.Settings()
        http.username = username
        let ca = mapping.take("ca")
        http.ca = ca?.pemFile(resolve)
        let (certificate, key) = (mapping.take("certificate"), mapping.take("key"))
        if (certificate == nil) != (key == nil) {
            (certificate ?? key)?.problem(.incompletePair, "must have both `certificate` and `key`")
        }
        http.certificate = certificate?.pemFile(resolve)
        http.key = key?.pemFile(resolve)
        if let timeout = mapping.take("timeout")?.duration(atLeast: 1_000) { http.timeout = timeout }
        let password = secret.flatMap { SecretKeys.secret($0, resolve) }
        guard let url, let address = Self.address(url) else { return nil }
        if !address.hasPrefix("https://"), let ca = ca ?? certificate {
            ca.problem(
                .encryptionMismatch, "is for an encrypted connection, and the URL is not encrypted",
                fix: "write url: https://…")
        }
        var settings = SchemaRegistry.Settings(url: address)
        settings.http = http
        settings.registers = registers ?? true
        return Configuration.ConfiguredRegistry(
            settings: settings, password: password, strategy: subject ?? .topicRecordName)
    }

    private static func address(_ value: YAMLValue) -> String? {
        guard var text = value.string() else { return nil }
        let rest = ["http://", "https://"].lazy.compactMap { text.hasPrefix($0) ? text.dropFirst($0.count) : nil }.first
        guard let rest, !rest.isEmpty, !rest.contains("@"),
            rest.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"<>\\^`{|}".utf8.contains($0) })
        else {
            value.problem(
                .invalidRegistryAddress, "must be the URL of the registry",
                fix: "write http://host:8081, without a user")
            return nil
        }
        while text.hasSuffix("/") { text.removeLast() }
        return text
    }
}

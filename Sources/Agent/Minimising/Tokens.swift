// Headgate
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Events
import FoundationEssentials

/// Makes tokens: what stands for an id and can be told from no other, but not turned back without the key (HMAC-SHA-256,
/// RFC 2104, the first 128 bits).
///
/// The same id gives the same token as long as key and authority are the same; what is without a meaning in it, blanks
/// around it and capitals, makes no difference.
public struct Tokens: Sendable {
    /// What is wrong with a file of keys.
    struct Mistake: Error {
        let line: Int
        let description: String
    }

    /// The name of the key, which stands in tokens.
    private let name: String
    private let key: SymmetricKey

    /// Of a file with a key in each line: its name, then 32 bytes in base64. The first makes tokens; the others are what
    /// older tokens were made with, for whoever has to know. Empty lines and those that begin with # are passed over.
    init(lines text: String) throws(Mistake) {
        var found: (name: String, key: SymmetricKey)?
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let parts = line.split(whereSeparator: \.isWhitespace).map(String.init)
            if parts.isEmpty || parts[0].hasPrefix("#") { continue }
            guard parts.count == 2, Self.isName(parts[0]), let bytes = Data(base64Encoded: parts[1]), bytes.count == 32
            else {
                throw Mistake(
                    line: index + 1,
                    description:
                        "is not a key: write a name like k1, then 32 bytes in base64 from openssl rand -base64 32")
            }
            found = found ?? (parts[0], SymmetricKey(data: bytes))
        }
        guard let found else { throw Mistake(line: 1, description: "contains no key: write k1 and 32 bytes in base64") }
        (name, key) = found
    }

    /// For trials, where no key is needed: the same for everybody, and so good for nothing else.
    static let ofTrials = Tokens(name: "trial", key: SymmetricKey(data: Array(repeating: 0, count: 32)))

    private init(name: String, key: SymmetricKey) {
        self.name = name
        self.key = key
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.count <= 16
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            }
    }

    /// - Parameter authority: who gave the id: the same of two hospitals is not the same.
    func token(of id: String, authority: String) -> String { "\(name):\(hash(of: id, authority))" }

    /// The same as a part of a device's name, where there can be no colon.
    func name(of id: String, authority: String) -> String { "\(name)-\(hash(of: id, authority))" }

    /// Whether a part of a device's name was made with this key.
    func isName(_ part: Substring) -> Bool { part.hasPrefix(name + "-") && part.utf8.count == name.utf8.count + 23 }

    /// In the alphabet for URLs (RFC 4648, 5).
    private func hash(of id: String, _ authority: String) -> String {
        let id = id.split(whereSeparator: \.isWhitespace).joined(separator: " ").lowercased()
        // The zeros keep apart what is put together: no authority has one.
        let message = Array("headgate token\0\(authority)\0\(id)".utf8)
        let hash = HMAC<SHA256>.authenticationCode(for: message, using: key)
        return Data(hash.prefix(16)).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

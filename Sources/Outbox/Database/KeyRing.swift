// Headgate
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Events
// For base64, and for the bytes that swift-crypto hands out: once a block.
import FoundationEssentials

/// The keys that the bodies of blocks are sealed with: AES-256-GCM (NIST SP 800-38D), under a random nonce.
///
/// Each run of a gateway seals under a key of its own, derived from the one in the file (HKDF, RFC 5869) and the epoch:
/// random nonces of 96 bits are good for 2^32 blocks of one key (SP 800-38D, 8.3), which no run comes to.
public struct KeyRing: Sendable {
    private struct Key {
        let id: Int64
        let secret: SymmetricKey
    }

    /// What is wrong with a file of keys.
    public struct Mistake: Error, CustomStringConvertible {
        public let line: Int
        public let description: String
    }

    /// Nothing is sealed.
    public static let none = KeyRing(keys: [])
    private static let mostKeys = 64

    private let keys: [Key]

    private init(keys: [Key]) {
        self.keys = keys
    }

    /// Of a file that has a key of 32 bytes in each line, in base64. The first seals; the others open what was sealed with
    /// them. Empty lines and those that begin with # are passed over.
    public init(lines text: String) throws(Mistake) {
        var keys: [Key] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = String(line).trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let bytes = Data(base64Encoded: line), bytes.count == 32 else {
                throw Mistake(
                    line: index + 1, description: "is not a key: write 32 bytes in base64 from openssl rand -base64 32")
            }
            guard keys.count < Self.mostKeys else {
                throw Mistake(line: index + 1, description: "is one key too many: the maximum is \(Self.mostKeys)")
            }
            let secret = SymmetricKey(data: bytes)
            keys.append(Key(id: Self.id(of: secret), secret: secret))
        }
        guard !keys.isEmpty else {
            throw Mistake(line: 1, description: "contains no key: openssl rand -base64 32 makes one")
        }
        self.keys = keys
    }

    /// What a key is called, without telling what it is: the first 63 bits of a keyed hash.
    private static func id(of secret: SymmetricKey) -> Int64 {
        let hash = HMAC<SHA256>.authenticationCode(for: Array("headgate key id".utf8), using: secret)
        let id = hash.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 1
        return max(1, Int64(id))
    }

    /// As people see it.
    static func name(_ id: Int64) -> String { String(id, radix: 16, padded: 16) }

    /// The key that seals; 0 where nothing is sealed.
    var current: Int64 { keys.first?.id ?? 0 }

    /// Whether what was sealed with a key can be opened; 0 stands for what was not sealed.
    func has(_ id: Int64) -> Bool { id == 0 || keys.contains { $0.id == id } }

    /// - Parameter header: what the body belongs to, and cannot be taken from.
    func seal(_ body: [UInt8], epoch: UInt64, header: [UInt8]) throws(CorruptBlock) -> [UInt8] {
        guard let key = keys.first else { return body }
        do {
            let box = try AES.GCM.seal(body, using: Self.secret(of: key, epoch), authenticating: header)
            return Array(box.nonce) + box.ciphertext + box.tag
        } catch {
            throw CorruptBlock(description: "cannot be encrypted: \(error)")
        }
    }

    func open(_ body: [UInt8], key id: Int64, epoch: UInt64, header: [UInt8]) throws(CorruptBlock) -> [UInt8] {
        if id == 0 { return body }
        guard let key = keys.first(where: { $0.id == id }) else {
            throw CorruptBlock(
                description: "it is encrypted with the key \(Self.name(id)), which is not in the key file")
        }
        do {
            let box = try AES.GCM.SealedBox(combined: body)
            return Array(try AES.GCM.open(box, using: Self.secret(of: key, epoch), authenticating: header))
        } catch {
            throw CorruptBlock(description: "its seal is broken")
        }
    }

    private static func secret(of key: Key, _ epoch: UInt64) -> SymmetricKey {
        let salt = withUnsafeBytes(of: epoch.bigEndian) { Array($0) }
        return HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key.secret, salt: salt, info: Array("headgate block".utf8), outputByteCount: 32)
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc
import Outbox
import YAMLText

/// A password or a key that stands elsewhere than in the configuration: in a file only the gateway can read, or in its
/// environment.
public enum Secret: Sendable {
    case file(String)
    case environment(String)

    /// Fetches it.
    public func reveal() throws(StartError) -> String {
        switch self {
        case .environment(let name):
            guard let value = getenv(name) else {
                throw StartError(
                    .secretUnavailable,
                    "the environment variable \(name), from which the configuration reads a secret, is not set")
            }
            return String(cString: value)
        case .file(let path):
            guard !TextFile.isWorldReadable(path) else {
                throw StartError(
                    .secretUnavailable, "\(path) contains a secret, and all users can read it: chmod 600 \(path)")
            }
            do {
                var text = try TextFile.read(path)
                while text.last?.isNewline ?? false { text.removeLast() }
                guard !text.utf8.contains(0) else {
                    throw StartError(.secretUnavailable, "\(path) contains a secret with a NUL character")
                }
                return text
            } catch let error as StartError {
                throw error
            } catch {
                throw StartError(.secretUnavailable, "secret: \(error)")
            }
        }
    }
}

extension Secret {
    /// The keys in it, a line each.
    func keys() throws(StartError) -> KeyRing {
        let text = try reveal()
        do throws(KeyRing.Mistake) {
            return try KeyRing(lines: text)
        } catch {
            throw StartError(.invalidKeyFile, "outbox.encryption: \(self), line \(error.line): \(error.description)")
        }
    }
}

extension Secret: CustomStringConvertible {
    public var description: String {
        switch self {
        case .environment(let name): name
        case .file(let path): path
        }
    }
}

/// Why the gateway cannot start.
public struct StartError: CodedError {
    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

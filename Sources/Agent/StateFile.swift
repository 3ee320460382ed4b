// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FoundationEssentials
import Synchronization
import YAMLText

/// Something found out that a start would find out again: a JSON file in the state folder. What the disk does not take is found
/// out anew after the next start.
final class StateFile<Contents: Codable & Sendable>: Sendable {
    private let path: String
    /// The disk may take its time; who has found something goes on.
    private let queue: DispatchQueue
    private let contents: Mutex<Contents>

    /// - Parameters:
    ///   - old: what is made of a file of an earlier release; nil if it is no such file either.
    ///   - damaged: takes a file that cannot be read. Nil for readers that leave it where it is.
    init(
        _ name: String, _ configuration: Configuration, empty: Contents, damaged: DamagedFiles? = nil,
        old: (Data) -> Contents? = { _ in nil }
    ) {
        path = "\(configuration.state)/\(name).json"
        queue = DispatchQueue(label: "headgate.\(name)")
        do {
            contents = Mutex(try Self.read(path, old) ?? empty)
        } catch {
            contents = Mutex(empty)
            damaged?.setAside(
                path, "\(error)", next: "what was in it is found out anew; put a copy in its place, or leave it")
        }
    }

    /// More than there ever is in one.
    private static var largest: Int { 64 << 20 }

    /// - Returns: nil if there is no file.
    private static func read(_ path: String, _ old: (Data) -> Contents?) throws -> Contents? {
        guard TextFile.exists(path) else { return nil }
        let data = Data(try TextFile.read(path, limit: largest).utf8)
        do {
            return try JSONDecoder().decode(Contents.self, from: data)
        } catch {
            guard let contents = old(data) else { throw TextFileError("it is not JSON of this release") }
            return contents
        }
    }

    var current: Contents { contents.withLock { $0 } }

    /// - Parameter change: tells whether there is something to keep.
    func change(_ change: (inout Contents) -> Bool) {
        guard contents.withLock({ change(&$0) }) else { return }
        queue.async {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            try? encoder.encode(self.current).write(to: URL(filePath: self.path), options: .atomic)
        }
    }

    /// Waits until what was to be kept is.
    func flush() { queue.sync {} }
}

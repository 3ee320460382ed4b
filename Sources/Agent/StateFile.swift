// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FoundationEssentials
import Synchronization

/// Something found out that a start would find out again: a JSON file in the state folder. One that cannot be read is as good
/// as none, and what the disk does not take is found out anew after the next start.
final class StateFile<Contents: Codable & Sendable>: Sendable {
    private let path: String
    /// The disk may take its time; who has found something goes on.
    private let queue: DispatchQueue
    private let contents: Mutex<Contents>

    /// - Parameter old: what is made of a file of an earlier release; nil where it is none either.
    init(
        _ name: String, _ configuration: Configuration, empty: Contents, old: (Data) -> Contents? = { _ in nil }
    ) {
        path = "\(configuration.state)/\(name).json"
        queue = DispatchQueue(label: "headgate.\(name)")
        let data = (try? Data(contentsOf: URL(filePath: path))) ?? Data()
        contents = Mutex((try? JSONDecoder().decode(Contents.self, from: data)) ?? old(data) ?? empty)
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

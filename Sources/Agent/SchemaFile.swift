// Headgate
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FoundationEssentials
import Outputs
import Synchronization

/// The numbers that registries have given to schemas: `schemas.json` in the state folder. Who deletes it lets them be asked
/// for again; one that cannot be read is as good as none.
final class SchemaFile: Sendable {
    private let path: String
    /// The disk may take its time.
    private let queue = DispatchQueue(label: "headgate.schemas")
    private let entries: Mutex<[SchemaNumbers.Entry]>

    init(_ configuration: Configuration) {
        path = configuration.state + "/schemas.json"
        let data = (try? Data(contentsOf: URL(filePath: path))) ?? Data()
        entries = Mutex((try? JSONDecoder().decode([SchemaNumbers.Entry].self, from: data)) ?? [])
    }

    var known: [SchemaNumbers.Entry] { entries.withLock { $0 } }

    /// Keeps it. Where the disk does not take it, the registry is asked again after the next start.
    func keep(_ entry: SchemaNumbers.Entry) {
        entries.withLock { entries in
            entries.removeAll {
                ($0.registry, $0.subject, $0.schema) == (entry.registry, entry.subject, entry.schema)
            }
            entries.append(entry)
        }
        queue.async {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            try? encoder.encode(self.known).write(to: URL(filePath: self.path), options: .atomic)
        }
    }
}

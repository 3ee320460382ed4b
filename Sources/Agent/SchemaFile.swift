// Headgate
// SPDX-License-Identifier: Apache-2.0

import Outputs

/// The numbers that registries have given to schemas: `schemas.json` in the state folder. Who deletes it lets them be asked
/// for again.
struct SchemaFile {
    private let file: StateFile<[SchemaNumbers.Entry]>

    init(_ configuration: Configuration, damaged: DamagedFiles? = nil) {
        file = StateFile("schemas", configuration, empty: [], damaged: damaged)
    }

    var known: [SchemaNumbers.Entry] { file.current }

    func keep(_ entry: SchemaNumbers.Entry) {
        file.change { entries in
            entries.removeAll {
                ($0.registry, $0.subject, $0.schema) == (entry.registry, entry.subject, entry.schema)
            }
            entries.append(entry)
            return true
        }
    }
}

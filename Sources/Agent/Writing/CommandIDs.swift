// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import YAMLText

/// The ids of the last commands that were let through, in a file: one that comes again is not done again, whatever has
/// happened meanwhile.
final class CommandIDs: Sendable {
    private static let most = 1_024

    private struct State {
        var ids: Set<String> = []
        var order: [String] = []
        /// Lines in the file.
        var written = 0
    }

    private let path: String
    private let state: Mutex<State>

    init(path: String) {
        self.path = path
        var state = State()
        let lines = ((try? TextFile.read(path)) ?? "").split(separator: "\n").map(String.init)
        for id in lines.suffix(Self.most) where state.ids.insert(id).inserted { state.order.append(id) }
        state.written = lines.count
        self.state = Mutex(state)
    }

    func contains(_ id: String) -> Bool {
        state.withLock { $0.ids.contains(Self.line(id)) }
    }

    /// - Returns: false where the disk does not take it: then nobody knows after a crash that it was done.
    func keep(_ id: String) -> Bool {
        state.withLock { state in
            let line = Self.line(id)
            let isLong = state.written >= 4 * Self.most
            guard write(isLong ? state.order + [line] : [line], anew: isLong) else { return false }
            state.written = isLong ? state.order.count + 1 : state.written + 1
            state.ids.insert(line)
            state.order.append(line)
            if state.order.count > Self.most { state.ids.remove(state.order.removeFirst()) }
            return true
        }
    }

    /// A file that is written anew takes the old one's place when it is whole.
    private func write(_ lines: [String], anew: Bool) -> Bool {
        let name = anew ? path + ".new" : path
        let file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | (anew ? O_TRUNC : O_APPEND), 0o640)
        guard file >= 0 else { return false }
        defer { Glibc.close(file) }
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard count == bytes.count, fdatasync(file) == 0 else { return false }
        return !anew || rename(name, path) == 0
    }

    /// On one line.
    private static func line(_ id: String) -> String {
        id.contains(where: \.isNewline) ? String(id.map { $0.isNewline ? " " : $0 }) : id
    }
}

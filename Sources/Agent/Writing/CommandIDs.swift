// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Synchronization
import YAMLText

/// The ids of the commands that were accepted: `commands.ids` in the state folder. A command that is repeated before its
/// deadline is a duplicate, also after a restart or a crash.
///
/// An id is kept at least until the deadline of its command. After that it goes when its place is needed.
final class CommandIDs: Sendable {
    enum Refusal: String, Error {
        case duplicate
        /// As many commands as there is room for have a deadline that is still ahead.
        case tooMany = "too_many_commands"
        /// The file was damaged, and the command may be a repeat of one whose id was in it.
        case lost = "ids_lost"
        /// The id is not on the disk, so that the command could be done again after a crash.
        case diskFailed = "disk_failed"
    }

    /// Of at most 256 bytes each.
    static let usualMost = 16_384
    /// Bytes of a line, at most.
    private static let longestLine = 320

    private struct State {
        var deadlines: [String: Timestamp] = [:]
        /// Up to here the commands may be in a file that was lost.
        var lostUntil: Timestamp?
        /// The file was lost while the clock was not set: how far ahead a deadline may be, in microseconds.
        var lostFor: Int64?
        /// Lines in the file; nil if it has to be written anew.
        var lines: Int?
    }

    private let path: String
    private let most: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - longest: how far ahead a deadline may be, in microseconds.
    ///   - most: how many are kept at a time.
    ///   - setAside: is called with a file that cannot be read, and what is wrong with it.
    init(
        path: String, longest: Int64, most: Int = usualMost, at now: Timestamp,
        setAside: (_ path: String, _ reason: String) -> Void
    ) {
        self.path = path
        self.most = most
        var state = State()
        let last = now.advanced(byMicroseconds: longest)
        do {
            guard TextFile.exists(path) else {
                self.state = Mutex(state)
                return
            }
            state = try Self.state(of: TextFile.read(path, limit: 2 * most * Self.longestLine), last: last)
        } catch {
            setAside(path, "\(error)")
            state = now.isUnset ? State(lostFor: longest) : State(lostUntil: last)
            _ = Self.rewrite(&state, path)
        }
        self.state = Mutex(state)
    }

    /// Why a command is not accepted, as far as its id says; nil if it may be.
    func refusal(of id: String, until deadline: Timestamp, at now: Timestamp) -> Refusal? {
        state.withLock { state in
            if let longest = state.lostFor, !now.isUnset {
                (state.lostUntil, state.lostFor) = (now.advanced(byMicroseconds: longest), nil)
                _ = Self.rewrite(&state, path)
            }
            if state.deadlines[Self.line(id)] != nil { return .duplicate }
            if state.lostFor != nil { return .lost }
            if let lostUntil = state.lostUntil, deadline <= lostUntil { return .lost }
            return nil
        }
    }

    /// Keeps the id of a command that is accepted.
    func keep(_ id: String, until deadline: Timestamp, at now: Timestamp) throws(Refusal) {
        let refusal: Refusal? = state.withLock { state in
            if state.deadlines.count >= most {
                state.deadlines = state.deadlines.filter { $0.value > now }
                if state.deadlines.count >= most { return .tooMany }
            }
            let line = Self.line(id)
            state.deadlines[line] = deadline
            guard write(&state, adding: line, deadline) else {
                state.deadlines[line] = nil
                return .diskFailed
            }
            return nil
        }
        if let refusal { throw refusal }
    }

    // MARK: The file

    /// Its first line; those that follow have a deadline, a blank and an id.
    private static let head = "headgate command ids 2"

    private struct Damaged: Error, CustomStringConvertible {
        var description: String
    }

    private static func state(of text: String, last: Timestamp) throws(Damaged) -> State {
        // By bytes: what stands behind a blank or the end of a line may be a character together with it.
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            String(Substring($0))
        }
        // A line without its end was not written whole, and its command not begun.
        let isWhole = lines.popLast()?.isEmpty ?? true
        var state = State()
        guard lines.first?.hasPrefix(head) ?? false else {
            // Of an earlier release, with ids alone; one of this release has a deadline in each line.
            guard !lines.isEmpty, !lines.contains(where: { parts(of: $0) != nil }) else {
                throw Damaged(description: "its first line is missing")
            }
            for line in lines { state.deadlines[line] = last }
            return state
        }
        let written = lines.removeFirst().dropFirst(head.count)
        state.lostUntil = Int64(written.dropFirst()).map(Timestamp.init(microseconds:))
        for (place, line) in lines.enumerated() {
            guard let (deadline, id) = parts(of: line) else {
                throw Damaged(description: "line \(place + 2) is not a deadline and an id")
            }
            state.deadlines[id] = Timestamp(microseconds: deadline)
        }
        state.lines = isWhole ? lines.count : nil
        return state
    }

    private static func parts(of line: String) -> (deadline: Int64, id: String)? {
        guard let blank = line.utf8.firstIndex(of: UInt8(ascii: " ")),
            let deadline = Int64(line[..<blank]), deadline > 1_000_000_000_000_000
        else { return nil }
        return (deadline, String(line[line.utf8.index(after: blank)...]))
    }

    /// Adds a line, or writes the file anew if it has too many, or one that is not whole.
    private func write(_ state: inout State, adding id: String, _ deadline: Timestamp) -> Bool {
        if let lines = state.lines, lines < 2 * most, Self.write(Self.line(id, deadline), to: path, O_APPEND) {
            state.lines = lines + 1
            return true
        }
        return Self.rewrite(&state, path)
    }

    /// The new file takes the old one's place when it is whole.
    private static func rewrite(_ state: inout State, _ path: String) -> Bool {
        state.lines = nil
        let head = Self.head + (state.lostUntil.map { " \($0.microseconds)" } ?? "") + "\n"
        let fresh = path + ".new"
        guard write(head + state.deadlines.map(line).joined(), to: fresh, O_TRUNC), rename(fresh, path) == 0,
            syncFolder(of: path)
        else { return false }
        state.lines = state.deadlines.count
        return true
    }

    private static func write(_ text: String, to path: String, _ flags: Int32) -> Bool {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o600)
        guard file >= 0 else { return false }
        defer { Glibc.close(file) }
        let bytes = Array(text.utf8)
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        return count == bytes.count && fdatasync(file) == 0
    }

    /// A file's new name lasts once its folder is on the disk.
    private static func syncFolder(of path: String) -> Bool {
        let file = open(TextFile.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { Glibc.close(file) }
        return fsync(file) == 0
    }

    private static func line(_ id: String, _ deadline: Timestamp) -> String { "\(deadline.microseconds) \(id)\n" }

    /// On one line.
    private static func line(_ id: String) -> String {
        id.contains(where: \.isNewline) ? String(id.map { $0.isNewline ? " " : $0 }) : id
    }
}

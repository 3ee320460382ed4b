// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import Waiting

@Suite("Threads of actors that block")
struct BlockingExecutorTests {
    /// More than the 255 that Dispatch runs at a time: with queues of it 45 of these would not start.
    private static let many = 300

    /// A link whose device says nothing.
    private actor Blocked {
        private let executor = BlockingExecutor(label: "blocked")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

        func block(_ bell: ThreadBell, _ started: borrowing Atomic<Int>) {
            started.wrappingAdd(1, ordering: .relaxed)
            bell.wait()
        }
    }

    private final class Count: Sendable {
        let value = Atomic<Int>(0)
        var now: Int { value.load(ordering: .relaxed) }
    }

    /// - Returns: whether `condition` came about within a time.
    private func becomes(within seconds: Int64, _ condition: () -> Bool) async -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while !condition() {
            guard ContinuousClock.now < end else { return false }
            await Task.yield()
        }
        return true
    }

    @Test("hundreds that are blocked hold up nobody")
    func hundreds() async {
        let started = Count()
        let bells = (0..<Self.many).map { _ in ThreadBell() }
        let tasks = bells.map { bell in
            Task {
                let blocked = Blocked()
                await blocked.block(bell, started.value)
            }
        }
        #expect(await becomes(within: 30) { started.now == Self.many })
        for bell in bells { bell.ring() }
        for task in tasks { await task.value }
    }

    @Test("jobs run one after the other, in their order, and the thread ends with its actor")
    func order() async {
        actor List {
            private let executor = BlockingExecutor(label: "list")
            nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
            private(set) var entries: [Int] = []
            func add(_ entry: Int) { entries.append(entry) }
        }
        let before = threads()
        do {
            let list = List()
            for entry in 0..<1_000 { await list.add(entry) }
            #expect(await list.entries == Array(0..<1_000))
            #expect(threads().contains("list"))
        }
        #expect(before.contains("list") == false)
        #expect(await becomes(within: 10) { !threads().contains("list") })
    }

    @Test("a bell wakes who waits, keeps a ring for who comes later, and lets go after a time")
    func bell() {
        let bell = ThreadBell()
        bell.ring()
        bell.ring()
        bell.wait()
        let start = ContinuousClock.now
        bell.wait(nanoseconds: 20_000_000)
        #expect(start.duration(to: .now) >= .milliseconds(20))
        bell.wait(nanoseconds: 0)
        bell.wait(nanoseconds: -5)
    }

    /// The names of this process's threads.
    private func threads() -> Set<String> {
        guard let folder = opendir("/proc/self/task") else { return [] }
        defer { closedir(folder) }
        var names: Set<String> = []
        while let entry = readdir(folder) {
            let number = withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) }
            guard let file = fopen("/proc/self/task/\(number)/comm", "r") else { continue }
            var line = [UInt8](repeating: 0, count: 32)
            let count = fread(&line, 1, line.count, file)
            fclose(file)
            names.insert(String(decoding: line.prefix(count).prefix { $0 != 10 }, as: UTF8.self))
        }
        return names
    }
}

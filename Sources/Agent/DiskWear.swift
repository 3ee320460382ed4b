// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import YAMLText

/// What this process has caused to be written to disks, which is what wears a flash card: `write_bytes` of proc(5), in
/// whole pages, the log and the outputs' files included. What the file system adds of its own is not in it.
final class DiskWear: Sendable {
    private struct Sample {
        var at: ContinuousClock.Instant
        var bytes: Int
    }

    /// The rate is that of this long, or since the start.
    private static let span = Duration.seconds(3_600)
    private static let step = Duration.seconds(60)

    private let samples: Mutex<[Sample]>

    init() {
        samples = Mutex(Self.written().map { [Sample(at: .now, bytes: $0)] } ?? [])
    }

    /// Bytes since the start of the process, and a day at the rate of the last hour; nil where the system does not say.
    func read() -> (total: Int, perDay: Int)? {
        guard let bytes = Self.written() else { return nil }
        let now = ContinuousClock.now
        return samples.withLock { samples in
            while samples.count > 1, now - samples[1].at > Self.span { samples.removeFirst() }
            if samples.last.map({ now - $0.at > Self.step }) ?? true { samples.append(Sample(at: now, bytes: bytes)) }
            guard let first = samples.first, now - first.at > .seconds(1) else { return (bytes, 0) }
            return (bytes, Int(Double(bytes - first.bytes) / ((now - first.at) / .seconds(86_400))))
        }
    }

    private static func written() -> Int? {
        guard let text = try? TextFile.read("/proc/self/io"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("write_bytes:") })
        else { return nil }
        return line.split(separator: " ").last.flatMap { Int($0) }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The memory that messages of one broker may still take up: anybody who may publish there can send births of new nodes,
/// devices and metrics without end.
///
/// Devices and series are kept for good. What the last birth says beside them is given back with the next.
final class SparkplugRoom {
    /// Bytes, and what each thing counts: up to twice what it was seen to take. Names count what they are long, in each of the
    /// places where they are kept.
    static let size = 96 << 20
    private static let copies = 4
    private static let deviceSize = 2_048
    private static let seriesSize = 512
    private static let aliasSize = 96
    private static let unreadSize = 96

    private static let mostSeries = 100_000

    private var left: Int
    private var seriesLeft = mostSeries

    /// - Parameter size: bytes.
    init(size: Int = SparkplugRoom.size) {
        left = size
    }

    static func device(named name: String) -> Int { deviceSize + copies * name.utf8.count }

    static func alias() -> Int { aliasSize }

    static func unread(_ name: String) -> Int { unreadSize + name.utf8.count }

    func take(_ bytes: Int) -> Bool {
        guard left >= bytes else { return false }
        left -= bytes
        return true
    }

    func takeSeries(named name: String) -> Bool {
        guard seriesLeft > 0, take(Self.seriesSize + Self.copies * name.utf8.count) else { return false }
        seriesLeft -= 1
        return true
    }

    func giveBack(_ bytes: Int) { left += bytes }
}

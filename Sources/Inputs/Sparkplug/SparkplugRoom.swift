// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The memory that births on one broker may take up: a client can publish births of new nodes, devices and metrics without
/// end.
///
/// Devices and series are kept until the gateway stops. The next birth frees the aliases and the unread names of the last.
final class SparkplugRoom {
    /// In bytes, as the sizes below, which are up to twice those measured. A name counts once for each copy that is kept.
    static let size = 96 << 20
    private static let copies = 4
    private static let deviceSize = 2_048
    private static let seriesSize = 512
    static let aliasSize = 96
    private static let unreadSize = 96

    private static let mostSeries = 100_000

    private var left: Int
    private var seriesLeft = mostSeries

    /// - Parameter size: bytes.
    init(size: Int = SparkplugRoom.size) {
        left = size
    }

    static func device(named name: String) -> Int { deviceSize + copies * name.utf8.count }

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

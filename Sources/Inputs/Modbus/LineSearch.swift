// Headgate
// SPDX-License-Identifier: Apache-2.0

import Logging
import Modbus

/// Finds out how a line is set up.
public enum LineSearch {
    /// The usual ways first.
    public static let lines: [(baud: Int32, parity: SerialLine.Parity)] = [
        9_600, 19_200, 38_400, 115_200, 57_600, 4_800, 2_400, 1_200,
    ].flatMap { baud in [.none, .even, .odd].map { (baud, $0) } }

    /// The first unit that answers; nil where none does.
    /// - Throws: where the line itself cannot be used.
    public static func answering(
        _ settings: ModbusLinkSettings, _ units: [UInt8], logger: Logger
    ) throws(ModbusError) -> UInt8? {
        let wish = LinkScan.Wish(units: units, tables: [], addresses: 0..<0, pause: .milliseconds(20))
        var scan = LinkScan(settings, wish, from: nil, logger: logger)
        while !scan.state.isDone, scan.state.found.isEmpty { try scan.step() }
        return scan.state.found.first?.unit
    }
}

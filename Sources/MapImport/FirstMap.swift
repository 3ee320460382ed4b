// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

extension ImportedMap {
    /// A map to begin with, of registers that no map describes: each as it looks most like.
    /// - Parameter spans: what was read, by table and address.
    public static func first(
        name: String, title: String, source: String, spans: [(table: RegisterTable, address: Int, words: [UInt16])]
    ) -> ImportedMap {
        var map = ImportedMap(name: name, title: title)
        map.source = source
        map.doubt(
            "types are guesses from one reading, and no point has a unit: headgate read DEVICE --raw shows others")
        for span in spans {
            var place = 0
            while place < span.words.count {
                let words = span.words[place...]
                let point =
                    text(span.table, span.address + place, words) ?? guess(span.table, span.address + place, words)
                place += point.length ?? point.type.registers
                map.points.append(point)
            }
        }
        return map
    }

    private static func text(_ table: RegisterTable, _ address: Int, _ words: ArraySlice<UInt16>) -> ImportedPoint? {
        // The zeros behind a text may be registers of their own: few of them are taken.
        guard !table.holdsBits, let length = TextSearch.length(atStartOf: words.prefix(mostText)) else { return nil }
        var point = ImportedPoint("\(table.rawValue)_\(address)", table, address, .string)
        point.length = length
        point.doubt = "was \(TextLayout().text(words.prefix(length)) ?? "")"
        return point
    }

    /// Registers, as most devices have for a name.
    private static var mostText: Int { 16 }

    /// A float where the pattern of two registers is that of a number of a usual size, which others seldom are.
    private static func guess(_ table: RegisterTable, _ address: Int, _ words: ArraySlice<UInt16>) -> ImportedPoint {
        let name = "\(table.rawValue)_\(address)"
        var plain = ImportedPoint(name, table, address, .uint16)
        let first = words.first ?? 0
        plain.doubt = "was \(first)"
        guard !table.holdsBits, words.count > 1, first != 0 || words[words.startIndex + 1] != 0 else { return plain }
        let known = [ByteOrder.ABCD, .CDAB].lazy.compactMap { order in float(words, order).map { (order, $0) } }.first
        guard let (order, value) = known else { return plain }
        // The upper half of a float may belong to the register behind it as well: then an odd number of them tells.
        if order == .CDAB, words.count % 2 == 1, float(words.dropFirst(), .ABCD) != nil { return plain }
        var point = ImportedPoint(name, table, address, .float32)
        point.order = order
        point.doubt = "was \(value.plain)"
        return point
    }

    private static func float(_ words: ArraySlice<UInt16>, _ order: ByteOrder) -> Double? {
        var batch = Batch()
        let value = Array(words.prefix(2)).withUnsafeBufferPointer {
            RegisterLayout(type: .float32, order: order).decode($0, absent: [], into: &batch)
        }.value.asNumber
        return value.flatMap { (0.01...100_000).contains(abs($0)) ? $0 : nil }
    }
}

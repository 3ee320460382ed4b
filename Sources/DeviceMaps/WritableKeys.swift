// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import YAMLText

extension PointKeys {
    /// `writable: { range: [0, 60] }`, or `writable: {}` of what is no number.
    func writable(_ source: RegisterSource, _ conversion: Conversion) -> Writable? {
        guard let value = takeOwn("writable") else { return nil }
        guard source.table == .coil || source.table == .holding else {
            value.problem(
                .notWritable, "is not possible: the table \(source.table.rawValue) is read-only", fix: "remove it")
            return nil
        }
        guard source.scaleFactor == nil else {
            value.problem(
                .conflictingKeys, "is not allowed beside `scale_factor`: the device may change the factor at any time",
                fix: "remove it")
            return nil
        }
        guard source.layout.type != .string else {
            value.problem(.notWritable, "is only for numbers, booleans and labels", fix: "remove it")
            return nil
        }
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let several = source.table == .coil ? 15 : 16
        let function = mapping.take("function")?.word(["5": 5, "6": 6, "15": 15, "16": 16])
        let single = source.table == .coil ? 5 : 6
        if let function, function != several, function != single || source.layout.registers > 1 {
            value.problem(
                .invalidWriteFunction, "must be a function that can write this point, not \(function)",
                fix: "write function: \(several), or remove it")
        }
        let isNumber = Point.Source.register(source).isNumber && conversion.labels.isEmpty
        let written = mapping.take("range")
        if !isNumber { written?.problem(.onlyForType, "is only for numbers", fix: "remove it") }
        let range = isNumber ? written.flatMap(Self.range) : nil
        if isNumber, written == nil {
            mapping.problem(
                .missingKey, "must have `range`", fix: "write which values may be written: writable: { range: [0, 60] }"
            )
        }
        if let written, let range { Self.prove(range, written, source.layout, conversion) }
        return Writable(range: range, usesMultiple: function == several)
    }
}

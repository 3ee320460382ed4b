// Headgate
// SPDX-License-Identifier: Apache-2.0

import YAMLText

extension PointKeys {
    /// `writable: { range: [0, 60] }`, or `writable: {}` of what is no number.
    func writable(_ source: RegisterSource, _ conversion: Conversion) -> Writable? {
        guard let value = takeOwn("writable") else { return nil }
        guard source.table == .coil || source.table == .holding else {
            value.problem("cannot be: \(source.table.rawValue) is only read", fix: "leave it out")
            return nil
        }
        guard source.scaleFactor == nil else {
            value.problem("cannot stand beside `scale_factor`: the device may change it meanwhile", fix: "leave it out")
            return nil
        }
        guard source.layout.type != .string else {
            value.problem("is of numbers, booleans and labels", fix: "leave it out")
            return nil
        }
        guard let mapping = value.mapping() else { return nil }
        defer { mapping.finish() }
        let several = source.table == .coil ? 15 : 16
        let function = mapping.take("function")?.word(["5": 5, "6": 6, "15": 15, "16": 16])
        let single = source.table == .coil ? 5 : 6
        if let function, function != several, function != single || source.layout.registers > 1 {
            value.problem(
                "function \(function) does not write this", fix: "write function: \(several), or leave it out")
        }
        let isNumber = Point.Source.register(source).isNumber && conversion.labels.isEmpty
        let written = mapping.take("range")
        if !isNumber { written?.problem("is of numbers only", fix: "leave it out") }
        let range = isNumber ? written.flatMap(Self.range) : nil
        if isNumber, written == nil {
            mapping.problem("needs `range`", fix: "say what may be written: writable: { range: [0, 60] }")
        }
        if let written, let range { Self.prove(range, written, source.layout, conversion) }
        return Writable(range: range, usesMultiple: function == several)
    }
}

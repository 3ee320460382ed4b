// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

extension RegisterSource {
    /// Reads the value from the registers of its span.
    /// - Parameter words: exactly as many as `span` has.
    public func decode(
        _ words: UnsafeBufferPointer<UInt16>, into batch: inout Batch
    ) -> (value: Value, quality: Quality, reason: Reason) {
        guard let scaleFactor else { return layout.decode(words, absent: absent, into: &batch) }
        guard words.count >= span.count else { return (.none, .bad, .tooShort) }
        let offset = own.lowerBound - span.lowerBound
        let raw = layout.decode(words.extracting(offset..<(offset + own.count)), absent: absent, into: &batch)
        guard raw.quality == .good else { return raw }
        let exponent = Int16(bitPattern: words[Int(scaleFactor) - span.lowerBound])
        // SunSpec Information Model Specification, 4.2.8: -10 to 10; 0x8000 is none, and then nobody knows the value.
        guard let number = raw.value.asNumber, (-10...10).contains(exponent) else {
            return (.none, .bad, .noScaleFactor)
        }
        let power = Self.powers[abs(Int(exponent))]
        // Divided, so that it is rounded once.
        return (.number(exponent < 0 ? number / power : number * power), .good, .none)
    }

    private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]
}

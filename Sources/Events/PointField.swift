// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A field of a map's record: what one point says, in one type, where it is good.
public struct PointField: Sendable, Equatable {
    public enum Form: Sendable, Equatable {
        case boolean, integer, single, number, text
        /// Whole numbers from 0 on, of 64 bits: of metrics of edge nodes only.
        case unsigned
    }

    public var point: String
    /// UCUM, as it is sent; empty where the point has none.
    public var unit: String
    public var form: Form
    /// Whether something of it is taken away before it is sent.
    public var isTreated: Bool

    public init(point: String, unit: String, form: Form, isTreated: Bool = false) {
        self.isTreated = isTreated
        self.point = point
        self.unit = unit
        self.form = form
    }

    /// Whether the field says exactly this value.
    @inline(__always)
    func holds(_ value: Value) -> Bool { form.holds(value) }
}

extension PointField.Form {
    /// The largest number up to which a double tells every integer from the next.
    private static let exact: UInt64 = 1 << 53

    /// Whether something of it says exactly this value. Of whole numbers beyond 63 bits none does.
    @inline(__always)
    public func holds(_ value: Value) -> Bool {
        switch (self, value) {
        case (.boolean, .boolean), (.integer, .integer), (.single, .single), (.number, .number), (.number, .single),
            (.text, .text), (.unsigned, .unsigned):
            true
        case (.unsigned, .integer(let integer)): integer >= 0
        case (.number, .integer(let integer)): integer.magnitude <= Self.exact
        case (.integer, .number(let number)): Int64(exactly: number) != nil
        default: false
        }
    }
}

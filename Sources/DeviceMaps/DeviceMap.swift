// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What one product's registers or messages mean: a file in `Devices/`, read and checked.
package struct DeviceMap: Sendable {
    package enum Form: Sendable {
        case modbus(ModbusLimits)
        case mqtt(MQTTForm)
    }

    /// Equals the file's name.
    package var name: String
    package var version: Int
    package var title: String
    /// The document it was taken from.
    package var source: String
    package var form: Form
    package var points: [Point]
    package var examples: [Example]
}

/// How much one request may ask of the product.
package struct ModbusLimits: Sendable, Equatable {
    /// MODBUS Application Protocol V1.1b3, 6.1 to 6.4.
    package static let protocolRegisters = 125
    package static let protocolBits = 2_000

    package var registers = protocolRegisters
    package var bits = protocolBits
    /// The most unused registers or bits worth reading through rather than asking twice.
    package var gap = 8

    package init() {}
}

/// One thing that a product measures or tells.
package struct Point: Sendable {
    package enum Kind: Sendable { case gauge, counter }

    /// Where the point's value is found.
    package enum Source: Sendable {
        case register(RegisterSource)
        case message(MessageSource)
    }

    package var name: String
    /// UCUM; empty where the point has none.
    package var unit: String
    package var kind: Kind
    package var lane: Lane
    package var source: Source
    package var conversion: Conversion
    package var range: ClosedRange<Double>?
    package var deadband: Deadband?
    /// Microseconds after which a reading is sent whatever the deadband says.
    package var atLeast: Int64?
}

/// How far a value may move before it is news.
package enum Deadband: Sendable, Equatable {
    /// In the point's own unit.
    case absolute(Double)
    /// A share of the last value sent: 0.01 is one percent.
    case relative(Double)
}

/// One of the four tables of a Modbus device (MODBUS Application Protocol V1.1b3, 4.3).
package enum RegisterTable: String, Sendable, CaseIterable {
    case coil, discrete, input, holding

    /// True for the tables of single bits.
    package var holdsBits: Bool { self == .coil || self == .discrete }
}

/// Where in a Modbus device a point is found, and how often to look.
package struct RegisterSource: Sendable {
    package var table: RegisterTable
    /// As it goes over the wire: counted from zero.
    package var address: UInt16
    package var layout: RegisterLayout
    /// Microseconds between two polls.
    package var every: Int64
}

/// What the messages of a product look like.
package struct MQTTForm: Sendable {
    /// A part of a message's topic or payload.
    package enum Place: Sendable, Equatable {
        case path(JSONPath)
        /// A level of the whole topic, from 1, or from -1 at its end.
        case level(Int)
    }

    package enum TimeFormat: Sendable {
        case unix, unixMilliseconds, unixMicroseconds, iso8601
    }

    package var time: (place: Place, format: TimeFormat)?
    /// Which device a message is of, where one subscription serves many.
    package var id: Place?
}

/// Where in a product's messages a point is found.
package struct MessageSource: Sendable {
    package enum Payload: Sendable {
        case json(JSONPath, JSONType)
        /// The whole payload is one number.
        case number
        /// The whole payload is one text.
        case text
        /// Raw bytes laid out like registers; the address counts registers from the payload's start.
        case registers(address: Int, RegisterLayout)
    }

    package enum JSONType: Sendable { case number, integer, boolean, string, any }

    /// Below the device's own topic; empty where that is the one.
    package var topic: String
    package var payload: Payload
}

/// A proof: what these registers or this message mean.
package struct Example: Sendable {
    package enum Given: Sendable {
        case registers([RegisterTable: [Int: UInt16]])
        case message(topic: String, payload: [UInt8])
    }

    package enum Expected: Sendable, Equatable {
        case number(Double)
        case boolean(Bool)
        case text(String)
        case quality(Quality)
    }

    package var given: Given
    package var gives: [(point: String, expected: Expected)]
    /// Where it stands in its file.
    package var line: Int
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

/// One of the models that SunSpec devices are made of.
public struct SunSpecModel: Sendable {
    struct Point: Sendable {
        enum Scale: Sendable {
            /// A point of the same model that has the exponent.
            case point(String)
            case exponent(Int)
        }

        var name: String
        var type: String
        /// Registers.
        var size: Int
        var scale: Scale?
        var unit = ""
        var labels: [Int: String] = [:]
    }

    var number: Int
    /// What it is about: inverter, meter, battery.
    public var subject: String
    var points: [Point]
    /// Those that come several times, and what one of them is called.
    var repeated: (name: String, points: [Point])?

    static let all: [Int: SunSpecModel] = {
        let models = SunSpecTable.text.replacing("\n", with: " ").split(separator: "model ").compactMap(
            SunSpecModel.init)
        return Dictionary(models.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    }()

    /// The model of a number, where it is one of the common ones.
    public static func numbered(_ number: Int) -> SunSpecModel? { all[number] }

    private init?(_ text: Substring) {
        var words = text.split(separator: " ")
        guard words.count > 2, let number = Int(words[0]) else { return nil }
        self.number = number
        subject = String(words[1])
        words.removeFirst(2)
        let stroke = words.firstIndex(of: "/") ?? words.endIndex
        points = words[..<stroke].compactMap(Point.init)
        if stroke + 1 < words.endIndex {
            repeated = (String(words[stroke + 1]), words[(stroke + 2)...].compactMap(Point.init))
        }
    }
}

extension SunSpecModel.Point {
    private static let sizes = [
        "int16": 1, "uint16": 1, "acc16": 1, "enum16": 1, "bitfield16": 1, "sunssf": 1, "count": 1, "int32": 2,
        "uint32": 2,
        "acc32": 2, "enum32": 2, "bitfield32": 2, "float32": 2, "int64": 4, "uint64": 4, "acc64": 4,
    ]

    /// `W:int16*W_SF[W]`, `St:enum16{1=off,2=on}`, `Mn:string16`.
    init?(_ text: Substring) {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        name = String(parts[0])
        var rest = parts[1]
        func taken(until marks: String) -> Substring {
            let taken = rest.prefix { !marks.contains($0) }
            rest = rest.dropFirst(taken.count)
            return taken
        }
        let word = taken(until: "*[{")
        if let size = Self.sizes[String(word)] {
            (type, self.size) = (String(word), size)
        } else {
            type = String(word.prefix { $0.isLetter })
            size = Int(word.dropFirst(type.count)) ?? 1
        }
        if rest.first == "*" {
            rest = rest.dropFirst()
            let factor = taken(until: "[{")
            scale = Int(factor).map { .exponent($0) } ?? .point(String(factor))
        }
        if rest.first == "[" {
            rest = rest.dropFirst()
            unit = String(taken(until: "]"))
            rest = rest.dropFirst()
        }
        if rest.first == "{" {
            for pair in rest.dropFirst().dropLast().split(separator: ",") {
                let sides = pair.split(separator: "=")
                if sides.count == 2, let number = Int(sides[0]) { labels[number] = String(sides[1]) }
            }
        }
    }

    /// How it lies in its registers, and what stands there where the device does not have it (SunSpec Information Model
    /// Specification, 4.2); nil for what is no reading.
    var layout: (type: RegisterType, absent: [String])? {
        switch type {
        case "int16": (.int16, ["0x8000"])
        case "uint16", "enum16", "bitfield16", "count": (.uint16, ["0xFFFF"])
        case "acc16": (.uint16, ["0"])
        case "int32": (.int32, ["0x80000000"])
        case "uint32", "enum32", "bitfield32": (.uint32, ["0xFFFFFFFF"])
        case "acc32": (.uint32, ["0"])
        case "int64": (.int64, ["0x8000000000000000"])
        case "uint64": (.uint64, ["0xFFFFFFFFFFFFFFFF"])
        case "acc64": (.uint64, ["0"])
        case "float32": (.float32, ["nan"])
        case "string": (.string, [])
        default: nil
        }
    }

    var isCounter: Bool { type.hasPrefix("acc") }
}

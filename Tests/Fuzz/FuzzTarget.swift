// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import DeviceMaps
import Events
import Inputs
import MQTT
import MapImport
import Schemas
import Sparkplug
import YAMLText

/// What reads bytes that somebody else has written. Whatever they are, it must end, without a trap, and keep what it
/// promises of its results.
enum FuzzTarget: String, CaseIterable {
    /// A device map, its examples and its page.
    case map
    /// A gateway's configuration.
    case configuration
    /// Another gateway's configuration.
    case foreign
    /// A payload of an MQTT device.
    case message
    /// What an edge node and a device of it say, one message after the other.
    case sparkplug
    /// Registers of a Modbus device, in any layout; and back.
    case registers
    /// A moment as a text.
    case time
    /// A formula of derived points.
    case formula
    /// A unit of measure, and a pattern of names.
    case unit
    /// An Avro schema, as a registry or a file has it.
    case schema

    func run(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        switch self {
        case .map: Self.readMap(text)
        case .configuration:
            let problems = Problems()
            let configuration = ConfigurationFile.read(text, path: "/nowhere/headgate.yaml", problems: problems)
            precondition(configuration != nil || !problems.isEmpty, "what is refused is told")
        case .foreign: Self.importMaps(bytes)
        case .message: Self.readMessage(bytes)
        case .sparkplug: Self.hear(bytes)
        case .registers: Self.decode(bytes)
        case .formula: Self.compute(text)
        case .unit: Self.measure(text)
        case .schema: Self.compare(bytes)
        case .time:
            guard let time = Timestamp(iso8601: bytes) else { return }
            precondition(Timestamp(iso8601: time.iso8601.utf8) == time, "a moment is read as it is written")
        }
    }

    /// What a schema is compared with is itself, and one of the gateway's.
    private static func compare(_ bytes: [UInt8]) {
        guard let schema = JSONDocument(bytes) else { return }
        precondition(JSONDocument(schema.text.utf8) != nil, "what is written is JSON")
        let own = AvroSchema.own(.alarm)
        _ = AvroCompatibility.breaches(reader: schema, writer: schema)
        _ = AvroCompatibility.breaches(reader: schema, writer: own)
        _ = AvroCompatibility.breaches(reader: own, writer: schema)
    }

    /// Whatever it says, it is computed without a trap, of odd numbers too.
    private static func compute(_ text: String) {
        let units = ["p": "W", "q": "var", "t": "Cel", "t2": "[degF]", "bar1": "bar", "phi": "deg", "rh": "%"]
        for (unit, isRule) in [(nil, false), ("W", false), ("Cel", false), ("bar", false), (nil, true)] {
            let program = try? ExpressionCompiler.compile(
                text, unit: unit, names: units.keys.sorted(), isRule: isRule
            ) { input in
                switch input.point {
                case "door": .boolean
                case "state": .text(labels: ["on", "off"])
                default: .number(unit: units[input.point].flatMap(UnitOfMeasure.init))
                }
            }
            guard let program else { continue }
            for number in [0, 1, -1e300, .infinity, .nan] {
                let inputs = program.inputs.map { isYesOrNo($0) && !number.isNaN ? (number == 0 ? 0 : 1) : number }
                let result = inputs.withUnsafeBufferPointer(program.evaluate)
                precondition(!program.isBoolean || result.isNaN || result == 0 || result == 1, "yes is 1 and no is 0")
                precondition(!result.isInfinite, "what cannot be computed is no number")
            }
        }
    }

    /// Whether a formula is given 0 or 1 for it, as rules and derived points do.
    private static func isYesOrNo(_ input: Program.Input) -> Bool {
        switch input.look {
        case .value: input.point == "door"
        case .equals, .quality, .reason: true
        case .rate, .change: false
        }
    }

    private static func measure(_ text: String) {
        _ = NamePattern(text).matches("meter-1")
        precondition(NamePattern("*").matches(text), "any name is any name")
        guard let unit = UnitOfMeasure(text) else { return }
        precondition(text.isEmpty || UCUM.isUnit(text), "what is measured in is a unit")
        let told = unit.conversion(to: unit)
        precondition(told.map { $0.scale == 1 && $0.offset == 0 } ?? false, "a unit is itself")
        _ = unit.squareRoot
    }

    private static func readMap(_ text: String) {
        let problems = Problems()
        let map = DeviceMapFile.read(text, name: "fuzz", file: "fuzz.yaml", problems: problems)
        precondition(map != nil || !problems.isEmpty, "what is refused is told")
        guard let map else { return }
        _ = ExampleProof.failures(of: map)
        _ = MapDocument.markdown(map)
    }

    /// The first byte says of which gateway; what comes of it must be a map with nothing wrong.
    private static func importMaps(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let formats = ForeignFormat.allCases
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        let format = formats[Int(first) % formats.count]
        for map in (try? ForeignFile.maps(of: text, name: "fuzz", format: format)) ?? [] {
            let (text, made) = MapText.text(of: map)
            guard !made.points.isEmpty else { continue }
            let problems = Problems()
            _ = DeviceMapFile.read(text, name: made.name, file: "fuzz.yaml", problems: problems)
            precondition(problems.isEmpty, "\(problems.sorted)\n\(text)")
        }
    }

    private static let messageMap: DeviceMap? = DeviceMapFile.read(
        """
        map: fuzz
        version: 1
        title: t
        source: s
        mqtt: { payload: json, id: { path: id }, time: { path: t, format: unix }, items: list }
        points:
          a: { path: "a.b[1]", scale: 0.1, range: [0, 10] }
          b: { path: b, type: int64, absent: [-1] }
          c: { path: c, values: { "ON": true } }
          d: { path: "d.e", type: string }
          e: { path: s, samples: kurtosis }
          f: { path: s, samples: { band: [1, 3], rate: { path: fs } } }
        examples: [{ payload: '{"list":[]}', expect: {} }]
        """, name: "fuzz", file: "fuzz.yaml", problems: Problems())

    private static func readMessage(_ bytes: [UInt8]) {
        guard let map = messageMap, case .mqtt(let form) = map.form else { preconditionFailure("the map is right") }
        var batch = Batch()
        let layout = MessageLayout(points: map.points, topic: "", form: form)
        for contents in (try? layout.readAll(bytes, into: &batch)) ?? [] {
            for one in contents.values {
                var reading = Reading(
                    series: SeriesNumber(raw: 0), time: Timestamp(microseconds: 0), value: one.value,
                    quality: one.quality, reason: one.reason)
                map.points[one.point].interpret(&reading, texts: &batch)
                precondition(reading.quality != .good || reading.value != .none, "what is good has a value")
            }
        }
    }

    private static let kinds = ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]

    /// Messages with two bytes between them, the first byte of each says of which kind.
    private static func hear(_ bytes: [UInt8]) {
        let catalog = Catalog()
        let pattern = SparkplugNodeName(group: "g", node: "+")
        var host = SparkplugHost(
            [SparkplugDevice(name: "line", pattern: pattern, map: ("sparkplug-b", 3), tags: [])], catalog: catalog)
        var now = MessageRouter.Arrival(time: Timestamp(microseconds: 1_795_251_600_000_000))
        var batch = Batch()
        for message in bytes.split(separator: [0xFF, 0xFE]) {
            guard let first = message.first else { continue }
            let kind = kinds[Int(first) % kinds.count]
            let topic = "spBv1.0/g/\(kind)/n" + (kind.hasPrefix("D") ? "/d\(first / 6 % 2)" : "")
            let heard = MQTTMessage(topic: topic, payload: Array(message.dropFirst()), retained: false)
            _ = try? host.take(heard, at: now, into: &batch)
            now.instant += .milliseconds(Int(first))
            _ = host.tick(now, into: &batch)
        }
        precondition(catalog.contents.describes(batch), "what is said is of somebody")
        for reading in batch.readings {
            precondition(reading.quality != .good || reading.value != .none, "what is good has a value")
            precondition(reading.value.asNumber?.isFinite ?? true, "what is no number is none")
        }
    }

    /// Four bytes say how the rest lies in registers.
    private static func decode(_ bytes: [UInt8]) {
        guard bytes.count >= 6 else { return }
        let type = RegisterType.allCases[Int(bytes[0]) % RegisterType.allCases.count]
        var layout = RegisterLayout(
            type: type, order: ByteOrder.allCases[Int(bytes[1]) % ByteOrder.allCases.count],
            length: Int(bytes[2] % 125) + 1, absentNaN: bytes[3] & 1 == 1)
        let width = type.registers * 16
        if type.isInteger, bytes[3] & 2 == 2 {
            let low = Int(bytes[2]) % width
            layout.bits = low...min(width - 1, low + Int(bytes[3] >> 2))
        }
        let words = stride(from: 4, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        let source = RegisterSource(
            table: .holding, address: 1, layout: layout, every: 1, scaleFactor: bytes[3] & 4 == 4 ? 0 : nil)
        var batch = Batch()
        let found = words.withUnsafeBufferPointer { source.decode($0, into: &batch) }
        precondition(found.quality != .good || found.value != .none, "what is good has a value")
        precondition(words.count >= source.span.count || found.quality == .bad, "what is missing is not made up")
        guard found.quality == .good, layout.bits == nil, source.scaleFactor == nil, let number = found.value.asNumber,
            abs(number) < 0x1p53, let pattern = layout.pattern(of: number)
        else { return }
        precondition(
            layout.registers(of: pattern) == Array(words.prefix(layout.registers)) || number == 0,
            "a number lies in its registers as it was read from them")
    }
}

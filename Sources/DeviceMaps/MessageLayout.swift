// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Everything a map reads from the messages of one topic.
public struct MessageLayout: Sendable {
    /// What one message said, raw.
    public struct Contents: Sendable {
        public var values: [(point: Int, value: Value, quality: Quality, reason: Reason)] = []
        /// The device's own time and id, where the map takes them from the payload.
        public var time: JSONLeaf?
        public var id: JSONLeaf?
        /// Whether it has all that a message of this product must have.
        public var isIdentified = true

        public init() {}
    }

    private let sources: [(point: Int, payload: MessageSource.Payload)]
    private let tree: JSONPathTree
    /// What each path of the tree is for.
    private let targets: [Target]
    private let items: JSONPath?
    /// The time and the id, looked for around the items.
    private let outerTree: JSONPathTree
    private let outerTargets: [Target]

    private enum Target: Sendable {
        case point(Int, MessageSource.JSONType)
        /// A list of numbers, by its place in `samples`.
        case samples(Int)
        case rate(JSONPath)
        case time, id
        /// Must be there.
        case required(Int)
    }

    private let required: Int
    private let isLenient: Bool

    /// What is told of the lists of numbers, list by list.
    private let samples: [[(point: Int, figure: SampleFigure)]]

    /// - Parameters:
    ///   - points: every point of the map; those of other topics are left out.
    ///   - topic: below the device's own.
    public init(points: [Point], topic: String, form: MQTTForm) {
        var paths: [JSONPath] = []
        var targets: [Target] = []
        var sources: [(point: Int, payload: MessageSource.Payload)] = []
        var samples: [[(point: Int, figure: SampleFigure)]] = []
        var listOfPath: [String: Int] = [:]
        for (index, point) in points.enumerated() {
            guard case .message(let source) = point.source, source.topic == topic else { continue }
            switch source.payload {
            case .json(let path, let type):
                paths.append(path)
                targets.append(.point(index, type))
            case .samples(let path, let figure):
                let list = listOfPath[path.description, default: samples.count]
                if list == samples.count {
                    listOfPath[path.description] = list
                    samples.append([])
                    paths.append(path)
                    targets.append(.samples(list))
                }
                samples[list].append((index, figure))
                if case .path(let rate) = figure.rate {
                    paths.append(rate)
                    targets.append(.rate(rate))
                }
            case .number, .text, .registers, .rawSamples: sources.append((index, source.payload))
            }
        }
        self.samples = samples
        // Only a payload that is read as JSON has a time or an id to be found by a path.
        let isJSON = !paths.isEmpty
        if isJSON, case .path(let path) = form.time?.place {
            paths.append(path)
            targets.append(.time)
        }
        if isJSON, let path = form.id?.path {
            paths.append(path)
            targets.append(.id)
        }
        for (place, path) in form.requires.enumerated() where isJSON {
            paths.append(path)
            targets.append(.required(place))
        }
        required = isJSON ? form.requires.count : 0
        isLenient = form.isLenient
        self.sources = sources
        self.targets = targets
        let lists = targets.indices.filter { if case .samples = targets[$0] { true } else { false } }
        tree = JSONPathTree(paths, lists: Set(lists))
        items = form.items
        let outer = zip(paths, targets).filter {
            switch $0.1 {
            case .time, .id: true
            case .point, .samples, .rate, .required: false
            }
        }
        outerTree = JSONPathTree(outer.map(\.0))
        outerTargets = outer.map(\.1)
    }

    /// The points that it reads.
    public var points: [Int] {
        let inJSON = targets.flatMap { target -> [Int] in
            switch target {
            case .point(let point, _): [point]
            case .samples(let list): samples[list].map(\.point)
            case .rate, .time, .id, .required: []
            }
        }
        return sources.map(\.point) + inJSON
    }

    /// The topics a map listens to, below the device's own.
    public static func topics(of points: [Point]) -> [String] {
        var topics: [String] = []
        for case .message(let source) in points.map(\.source) where !topics.contains(source.topic) {
            topics.append(source.topic)
        }
        return topics
    }

    /// Takes a message apart: once, or element by element where the map says where a list of them is. What an element
    /// does not say of its time and its device, the message around it may.
    public func readAll(_ payload: [UInt8], into batch: inout Batch) throws(JSONError) -> [Contents] {
        guard let items, !targets.isEmpty else { return [try read(payload, into: &batch)] }
        let elements = try JSONScanner.elements(of: payload, at: items, isLenient: isLenient)
        guard elements.count <= Self.mostItems else {
            throw JSONError(offset: 0, expected: "at most \(Self.mostItems) elements at \(items)")
        }
        let outer = try outer(payload)
        var all: [Contents] = []
        for element in elements {
            var contents = try read(element, into: &batch)
            contents.time = contents.time ?? outer.time
            contents.id = contents.id ?? outer.id
            all.append(contents)
        }
        return all
    }

    /// What one message may hold of one device.
    private static let mostItems = 10_000

    private func outer(_ payload: [UInt8]) throws(JSONError) -> Contents {
        var contents = Contents()
        guard !outerTargets.isEmpty else { return contents }
        for (target, leaf) in try JSONScanner.scan(payload, for: outerTree, isLenient: isLenient) {
            if case .time = outerTargets[target] { contents.time = leaf } else { contents.id = leaf }
        }
        return contents
    }

    /// Takes a message, or an element of one, apart.
    /// - Throws: where the payload is not JSON though points are read from it as such.
    func read(_ payload: [UInt8], into batch: inout Batch) throws(JSONError) -> Contents {
        var contents = Contents()
        for source in sources {
            let (value, quality, reason) = Self.read(payload, as: source.payload, into: &batch)
            contents.values.append((source.point, value, quality, reason))
        }
        guard !targets.isEmpty else { return contents }
        var lists: [Int: JSONLeaf] = [:]
        var rates: [String: Double] = [:]
        var missing = Set(0..<required)
        for (target, leaf) in try JSONScanner.scan(payload, for: tree, isLenient: isLenient) {
            switch targets[target] {
            case .required(let place): if leaf != .null { missing.remove(place) }
            case .time: contents.time = leaf
            case .id: contents.id = leaf
            case .samples(let list): lists[list] = leaf
            case .rate(let path): rates[path.description] = leaf.asNumber
            case .point(let point, let type):
                let (value, quality, reason) = Self.value(of: leaf, as: type, into: &batch)
                // A key that stands twice: the last one counts.
                contents.values.removeAll { $0.point == point }
                contents.values.append((point, value, quality, reason))
            }
        }
        for (list, leaf) in lists.sorted(by: { $0.key < $1.key }) {
            Self.read(leaf, samples[list], rates, into: &contents)
        }
        contents.isIdentified = missing.isEmpty
        return contents
    }

    private static func read(
        _ leaf: JSONLeaf, _ figures: [(point: Int, figure: SampleFigure)], _ rates: [String: Double],
        into contents: inout Contents
    ) {
        var (samples, failure) = Self.samples(of: leaf)
        for (point, figure) in figures {
            let rate: Double? =
                switch figure.rate {
                case .hertz(let rate): rate
                case .path(let path): rates[path.description]
                case nil: nil
                }
            let (value, quality, reason) = samples?.reading(of: figure, rate: rate) ?? failure
            contents.values.append((point, value, quality, reason))
        }
    }

    /// - Returns: without samples, why there are none.
    private static func samples(of leaf: JSONLeaf) -> (SampleSet?, (Value, Quality, Reason)) {
        switch leaf {
        case .null: return (nil, (.none, .absent, .none))
        case .notANumber: return (nil, (.none, .bad, .notANumber))
        case .numbers(let numbers) where numbers.count > SampleSet.most: return (nil, (.none, .bad, .tooLong))
        case .numbers(let numbers): return (SampleSet(numbers), (.none, .absent, .none))
        default: return (nil, (.none, .bad, .wrongType))
        }
    }

    /// Numbers one after the other, to the payload's end; a rest that is shorter than one is left.
    private static func rawSamples(
        _ payload: [UInt8], from start: Int, _ layout: RegisterLayout, absent: [UInt64], _ figure: SampleFigure,
        into batch: inout Batch
    ) -> (Value, Quality, Reason) {
        let count = max(0, payload.count - start) / (layout.registers * 2)
        guard count > 0 else { return (.none, .bad, .tooShort) }
        guard count <= SampleSet.most else { return (.none, .bad, .tooLong) }
        var numbers: [Double] = []
        numbers.reserveCapacity(count)
        // Where one sample is none, nothing is told: frequencies want all of them.
        for sample in 0..<count {
            let (value, quality, reason) = registers(
                payload, at: start + sample * layout.registers * 2, layout, absent: absent, into: &batch)
            guard quality == .good, let number = value.asNumber else { return (.none, quality, reason) }
            numbers.append(number)
        }
        let rate: Double? = if case .hertz(let rate) = figure.rate { rate } else { nil }
        var samples = SampleSet(numbers)
        return samples?.reading(of: figure, rate: rate) ?? (.none, .absent, .none)
    }

    private static func registers(
        _ payload: [UInt8], at start: Int, _ layout: RegisterLayout, absent: [UInt64], into batch: inout Batch
    ) -> (Value, Quality, Reason) {
        guard start + layout.registers * 2 <= payload.count else { return (.none, .bad, .tooShort) }
        return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: layout.registers) { words in
            for place in 0..<layout.registers {
                words[place] = UInt16(payload[start + place * 2]) << 8 | UInt16(payload[start + place * 2 + 1])
            }
            return layout.decode(UnsafeBufferPointer(words), absent: absent, into: &batch)
        }
    }

    private static func read(
        _ payload: [UInt8], as form: MessageSource.Payload, into batch: inout Batch
    ) -> (Value, Quality, Reason) {
        switch form {
        case .json, .samples: return (.none, .bad, .wrongType)
        case .rawSamples(let address, let layout, let absent, let figure):
            return rawSamples(payload, from: address * 2, layout, absent: absent, figure, into: &batch)
        case .text:
            guard let text = String(validating: payload.withoutEnd, as: UTF8.self) else {
                return (.none, .bad, .notText)
            }
            return self.text(text, into: &batch)
        case .number:
            guard let text = String(validating: payload.withoutEnd, as: UTF8.self) else {
                return (.none, .bad, .notText)
            }
            return number(text) ?? self.text(text, into: &batch)
        case .registers(let address, let layout, let absent):
            return registers(payload, at: address * 2, layout, absent: absent, into: &batch)
        }
    }

    /// Bytes of the longest text that is kept: what says something, but not a picture or a log.
    public static let longestText = 65_536

    private static func text(_ text: String, into batch: inout Batch) -> (Value, Quality, Reason) {
        guard text.utf8.count <= longestText else { return (.none, .bad, .tooLong) }
        return (batch.text(text), .good, .none)
    }

    /// A number as people write it, blanks around it allowed.
    private static func number(_ text: String) -> (Value, Quality, Reason)? {
        let text = text.trimmingBlanks
        if let whole = Value(wholeNumber: text) { return (whole, .good, .none) }
        // Swift also reads "nan", "infinity" and hexadecimal as numbers.
        let isDecimal = text.utf8.allSatisfy {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || "+-.eE".utf8.contains($0)
        }
        guard isDecimal, let number = Double(text), number.isFinite else { return nil }
        // A whole number of more than 64 bits.
        let isRounded = !text.utf8.contains { ".eE".utf8.contains($0) }
        return isRounded ? (.number(number), .uncertain, .imprecise) : (.number(number), .good, .none)
    }

    private static func value(
        of leaf: JSONLeaf, as type: MessageSource.JSONType, into batch: inout Batch
    ) -> (Value, Quality, Reason) {
        switch (leaf, type) {
        case (.null, _): return (.none, .absent, .none)
        case (.notANumber, _): return (.none, .bad, .notANumber)
        case (.notText, _): return (.none, .bad, .notText)
        case (.number(let number), .any), (.number(let number), .number), (.number(let number), .measured):
            return (.number(number), .good, .none)
        case (.number(let number), .integer):
            // Written with decimals or an exponent, a large one may have been rounded.
            let (quality, reason): (Quality, Reason) = abs(number) > 0x1p53 ? (.uncertain, .imprecise) : (.good, .none)
            if let integer = Int64(exactly: number) { return (.integer(integer), quality, reason) }
            return UInt64(exactly: number).map { (Value($0), quality, reason) } ?? (.none, .bad, .wrongType)
        case (.integer(let integer), .any), (.integer(let integer), .integer), (.integer(let integer), .measured),
            (.integer(let integer), .number):
            return (whole(.integer(integer), as: type), .good, .none)
        case (.unsigned(let number), .any), (.unsigned(let number), .integer), (.unsigned(let number), .measured),
            (.unsigned(let number), .number):
            return (whole(.unsigned(number), as: type), .good, .none)
        case (.rounded(let number), .any), (.rounded(let number), .number), (.rounded(let number), .measured):
            return (.number(number), .uncertain, .imprecise)
        case (.boolean(let boolean), .any), (.boolean(let boolean), .boolean):
            return (.boolean(boolean), .good, .none)
        case (.string(let text), .any), (.string(let text), .string): return self.text(text, into: &batch)
        // Some products send numbers in quotes; where the map says that it is one, it is read as one. What is none
        // may still be one of the point's `values` or `absent` texts.
        case (.string(let text), .number), (.string(let text), .integer), (.string(let text), .boolean),
            (.string(let text), .measured):
            guard type != .boolean, let (value, quality, reason) = number(text) else {
                return self.text(text, into: &batch)
            }
            if type == .integer, case .number = value { return (.none, .bad, .wrongType) }
            return (type == .number ? whole(value, as: type) : value, quality, reason)
        default: return (.none, .bad, .wrongType)
        }
    }

    /// A whole number where one of any kind is wanted: a double is one only where it is exactly the same.
    private static func whole(_ value: Value, as type: MessageSource.JSONType) -> Value {
        guard type == .number, value.isExactNumber, let number = value.asNumber else { return value }
        return .number(number)
    }
}

extension [UInt8] {
    /// Without the zeros that printers of C leave behind a text.
    fileprivate var withoutEnd: ArraySlice<UInt8> {
        var rest = self[...]
        while rest.last == 0 { rest = rest.dropLast() }
        return rest
    }
}

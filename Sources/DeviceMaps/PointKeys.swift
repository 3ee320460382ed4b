// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import YAMLText

/// The keys of one point, with the map's defaults behind them.
public struct PointKeys {
    /// The keys of points of either form.
    static let common =
        [
            "unit", "output_unit", "kind", "lane", "scale", "offset", "labels", "absent", "absent_register", "range",
        ] + FilterKeys.all

    private let own: YAMLMapping
    private let defaults: YAMLMapping?

    init(_ own: YAMLMapping, defaults: YAMLMapping?) {
        self.own = own
        self.defaults = defaults
    }

    func take(_ key: String) -> YAMLValue? {
        own.take(key) ?? defaults?.take(key)
    }

    /// A key that means nothing for some points: it is a mistake to give it to one of them, and the map's default is not
    /// meant for it.
    func take(_ key: String, where hasMeaning: Bool, _ problem: String = "is only for numbers") -> YAMLValue? {
        if hasMeaning { return take(key) }
        takeOwn(key)?.problem(.onlyForType, problem, fix: "remove it")
        return nil
    }

    /// A key that no default can give.
    func takeOwn(_ key: String) -> YAMLValue? {
        own.take(key)
    }

    /// Whether the map gives the point what only a number has.
    var isMeasured: Bool {
        ["unit", "output_unit", "scale", "offset", "range"].contains { own.has($0) || defaults?.has($0) ?? false }
    }

    /// Whether the point must be a number, by what it says of itself.
    var isNumber: Bool { isMeasured || ["kind", "deadband", "swinging_door", "spike"].contains(where: own.has) }

    func problem(_ code: Code, _ message: String, fix: String = "") {
        own.problem(code, message, fix: fix)
    }

    /// The point with what does not depend on how it is read.
    func point(named name: String, source: Point.Source?) -> Point? {
        let figure = source?.figure
        let unit =
            take("unit", where: figure?.isOfUnit ?? true, "is not for this figure of samples, which has no unit")
            .flatMap(Self.unit)
            ?? ""
        let kind =
            take("kind", where: figure == nil, "is of single numbers")?.word([
                "gauge": Point.Kind.gauge, "counter": .counter,
            ]) ?? .gauge
        let lane = lane
        let conversion = conversion(source: source)
        let isNumber = source?.isNumber ?? true
        let written = take("range", where: isNumber && conversion.labels.isEmpty, "is of numbers only, without labels")
        let range = written.flatMap(Self.range)
        // What the device multiplies with, nobody knows beforehand.
        if let written, let range, !(source?.hasScaleFactor ?? false) {
            Self.prove(range, written, source?.layout, conversion)
        }
        let filters = filters(isNumber: isNumber && conversion.labels.isEmpty, lane)
        guard let source else { return nil }
        var writable: Writable?
        if case .register(let register) = source { writable = self.writable(register, conversion) }
        return Point(
            name: name, unit: unit, kind: kind, lane: lane, source: source, conversion: conversion, range: range,
            filters: filters, writable: writable,
            report: report(unit, isNumber: isNumber, figure, filters.deadband, isWritable: writable != nil))
    }

    /// Another unit of the same kind.
    private func report(
        _ unit: String, isNumber: Bool, _ figure: SampleFigure?, _ deadband: Deadband?, isWritable: Bool
    ) -> Point.Report? {
        guard let value = take("output_unit", where: isNumber), let told = Self.unit(value) else { return nil }
        guard !unit.isEmpty, let from = UnitOfMeasure(unit), let to = UnitOfMeasure(told) else {
            value.problem(.missingKey, "needs `unit`, the unit in which the device measures", fix: "write unit: Cel")
            return nil
        }
        guard let conversion = from.conversion(to: to) else {
            value.problem(
                .incompatibleUnit, "cannot be converted from \(unit): the two measure different quantities",
                fix: "write a unit of the same quantity")
            return nil
        }
        if isWritable {
            value.problem(
                .conflictingKeys, "is not allowed beside `writable`: a point is written and read in one unit",
                fix: "remove one of the two")
        }
        if conversion.offset != 0, let figure, !figure.followsOffset {
            value.problem(
                .unitWithOffset, "has another zero than \(unit), which changes a difference", fix: "remove it")
        }
        if conversion.offset != 0, case .relative = deadband {
            value.problem(
                .conflictingKeys,
                "is not allowed beside a deadband in percent: a percentage of a temperature is another amount in each unit",
                fix: "write the deadband as an amount")
        }
        return Point.Report(unit: told, scaling: Scaling(scale: conversion.scale, offset: conversion.offset))
    }

    var lane: Lane {
        take("lane")?.word(["critical": .critical, "normal": .normal, "bulk": .bulk]) ?? .normal
    }

    static func unit(_ value: YAMLValue) -> String? {
        guard let text = value.string() else { return nil }
        if text.isEmpty || UCUM.isUnit(text) { return text }
        value.problem(
            .unknownUnit, "is not a UCUM unit: `\(text)`",
            fix: UCUM.meant(by: text).map { "write \($0)" }
                ?? "see ucum.org, or write \(UCUM.isUnit("{\(text)}") ? "{\(text)}" : "{name}") for a unit of your own")
        return nil
    }

    // MARK: From raw to meaning

    private func conversion(source: Point.Source?) -> Conversion {
        let isNumber = source?.isNumber ?? true
        let scale =
            take("scale", where: isNumber).flatMap { Self.decimal($0, "a factor that is not 0") { $0.digits != 0 } }
            ?? .one
        let offset = take("offset", where: isNumber).flatMap { Self.decimal($0, "a number") { _ in true } } ?? .zero
        var conversion = Conversion(scale: scale, offset: offset)
        if let figure = source?.figure {
            proveSamples(figure, scale, offset)
            conversion.refusesTexts = true
            return conversion
        }
        if let labels = takeOwn("labels") {
            conversion.labels = Self.labels(labels)
            if conversion.scales {
                labels.problem(
                    .conflictingKeys, "is not allowed beside `scale` or `offset`: labels name raw numbers",
                    fix: "remove one of the two")
            }
            if let layout = source?.layout, !layout.type.isInteger, layout.type != .bool {
                labels.problem(.needsIntegerType, "must have whole numbers", fix: "give the point an integer type")
            }
        }
        if let layout = source?.layout, layout.type == .string {
            conversion.absentTexts = (takeOwn("absent")?.sequence() ?? []).compactMap { absentText($0, layout) }
        } else if case .message(let message) = source {
            takeMessageConversion(message, into: &conversion)
        }
        return conversion
    }

    private func absentText(_ written: YAMLValue, _ layout: RegisterLayout) -> String? {
        guard let text = written.string() else { return nil }
        if (layout.text ?? TextLayout()).registers(of: text, count: layout.length) == nil {
            written.problem(
                .labelTextTooLong, "is not a text that the registers can contain",
                fix: "write it without the padding at its end, and not longer than the registers")
        }
        return text
    }

    private func proveSamples(_ figure: SampleFigure, _ scale: Decimal, _ offset: Decimal) {
        if scale.digits < 0 || (scale != .one && !figure.isOfUnit) {
            let isOfNone = scale.digits >= 0
            problem(
                .sampleScale, isOfNone ? "has a `scale`, which does not change its value" : "has a `scale` below 0",
                fix: isOfNone ? "remove it" : "write a scale greater than 0")
        }
        if offset != .zero, !figure.followsOffset {
            problem(
                .sampleScale, "has an `offset`, which does not change what is computed from its samples",
                fix: "remove it")
        }
    }

    private func takeMessageConversion(_ message: MessageSource, into conversion: inout Conversion) {
        if let values = takeOwn("values")?.mapping() {
            for (key, value) in values.all() {
                conversion.values[key.scalar ?? ""] = Self.value(value)
            }
        }
        switch message.payload {
        // Raw bytes have theirs as bit patterns, beside the layout.
        case .registers, .samples, .rawSamples: return
        case .number, .json(_, .number), .json(_, .integer), .json(_, .boolean), .json(_, .measured):
            conversion.refusesTexts = true
        case .text, .json: break
        }
        for absent in take("absent")?.sequence() ?? [] {
            if absent.isNull { continue }
            // `nan` is no number in a payload: it is the text that stands for none.
            if !absent.isQuoted, let whole = absent.scalar.flatMap({ Value(wholeNumber: $0) }) {
                conversion.absentNumbers.append(whole)
            } else if !absent.isQuoted, let number = absent.scalar.flatMap(Double.init), number.isFinite {
                conversion.absentNumbers.append(.number(number))
            } else if let text = absent.string() {
                conversion.absentTexts.append(text)
            }
        }
    }

    private static func value(_ value: YAMLValue) -> Value? {
        if !value.isQuoted, value.scalar == "true" { return .boolean(true) }
        if !value.isQuoted, value.scalar == "false" { return .boolean(false) }
        if !value.isQuoted, let integer = value.scalar.flatMap(YAMLValue.integer) { return .integer(Int64(integer)) }
        if !value.isQuoted, let whole = value.scalar.flatMap({ Value(wholeNumber: $0) }) { return whole }
        if let number = value.number() { return .number(number) }
        return nil
    }

    private static func labels(_ value: YAMLValue) -> [Int64: String] {
        var labels: [Int64: String] = [:]
        for (key, label) in value.mapping()?.all() ?? [] {
            guard let number = key.scalar.flatMap(YAMLValue.integer) else {
                key.problem(
                    .invalidLabels, "must be a whole number and its label",
                    fix: "write labels: { 0: stopped, 1: running }")
                continue
            }
            labels[Int64(number)] = label.string()
        }
        return labels
    }

    private static func decimal(
        _ value: YAMLValue, _ what: String, _ isRight: (Decimal) -> Bool
    ) -> Decimal? {
        guard let decimal = value.scalar.flatMap(Decimal.init), isRight(decimal) else {
            value.problem(.invalidNumber, "must be \(what)")
            return nil
        }
        return decimal
    }

    static func range(_ value: YAMLValue) -> ClosedRange<Double>? {
        guard let ends = value.sequence() else { return nil }
        guard ends.count == 2, let low = ends[0].number(), let high = ends[1].number(), low < high else {
            value.problem(.invalidRange, "must be two numbers, the lower first", fix: "write [0, 500]")
            return nil
        }
        return low...high
    }

    /// A bound that no raw value comes to is most often a wrong type or scale: -40 degrees of an unsigned register.
    static func prove(
        _ range: ClosedRange<Double>, _ written: YAMLValue, _ layout: RegisterLayout?, _ conversion: Conversion
    ) {
        guard let layout, let reach = layout.reach else { return }
        let ends = [conversion.scaled(reach.lowerBound), conversion.scaled(reach.upperBound)].sorted()
        guard range.lowerBound < ends[0] || range.upperBound > ends[1] else { return }
        written.problem(
            .rangeBeyondType,
            "is wider than the values of \(layout.type.rawValue) here, \(ends[0].plain) to \(ends[1].plain)",
            fix: "correct `type`, `scale` and `offset`, or write a range inside these values")
    }

    // MARK: Filters

    /// - Parameter keys: those that mean something here.
    func filters(isNumber: Bool, _ lane: Lane, keys: [String] = FilterKeys.all) -> Filters {
        var filters = Filters()
        let changes = FilterKeys.changes(canClear: false) { key in
            guard keys.contains(key) else { return nil }
            return FilterKeys.ofNumbers.contains(key) ? take(key, where: isNumber) : take(key)
        }
        for change in changes { filters.apply(change) }
        if let contradiction = filters.contradiction {
            problem(.filterConflict, contradiction.message, fix: contradiction.fix)
        }
        if filters.swing != nil, lane == .critical {
            problem(
                .filterDelaysCritical, "has `swinging_door`, which delays readings, and this point is critical",
                fix: "write a deadband instead")
        }
        return filters
    }
}

extension Point {
    /// Whether it is told of samples how far they are from somewhere, which another zero changes.
    public var isDistance: Bool { source.figure.map { $0.isOfUnit && !$0.followsOffset } ?? false }
}

extension Point.Source {
    /// False where no value can be a number.
    var isNumber: Bool {
        if let layout { return layout.type != .bool && layout.type != .string && layout.bits?.count != 1 }
        if case .derived(let derived) = self { return !derived.program.isBoolean }
        guard case .message(let message) = self else { return true }
        // A text may stand for a number in the map's `values`.
        if case .json(_, .boolean) = message.payload { return false }
        return true
    }

    /// What is told of many samples, where it is that.
    var figure: SampleFigure? {
        guard case .message(let message) = self else { return nil }
        switch message.payload {
        case .samples(_, let figure), .rawSamples(_, _, _, let figure): return figure
        case .json, .number, .text, .registers: return nil
        }
    }

    fileprivate var hasScaleFactor: Bool {
        if case .register(let register) = self { register.scaleFactor != nil } else { false }
    }

    /// How the value lies in registers, where it does.
    public var layout: RegisterLayout? {
        switch self {
        case .register(let register): return register.layout
        case .message(let message):
            if case .registers(_, let layout, _) = message.payload { return layout }
            return nil
        case .derived: return nil
        }
    }
}

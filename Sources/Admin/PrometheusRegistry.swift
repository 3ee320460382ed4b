// Headgate
// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// Keeps what the parts count, and writes it as Prometheus reads it (text format 0.0.4).
///
/// Labels are as the parts give them: names after Prometheus' conventions, the unit last, `_total` for counters.
public final class PrometheusRegistry: MetricsFactory {
    fileprivate struct Key: Hashable {
        var name: String
        var labels: String
    }

    private struct Instruments {
        var counters: [Key: CounterCell] = [:]
        var gauges: [Key: GaugeCell] = [:]
        var histograms: [Key: HistogramCell] = [:]
    }

    private let instruments = Mutex(Instruments())

    public init() {}

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let key = Self.key(label, dimensions)
        return instruments.withLock { $0.counters.value(for: key, CounterCell.init) }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        let key = Self.key(label, dimensions)
        return instruments.withLock { $0.gauges.value(for: key, GaugeCell.init) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let key = Self.key(label, dimensions)
        return instruments.withLock { $0.histograms.value(for: key, HistogramCell.init) }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        let key = Self.key(label, dimensions)
        return instruments.withLock { $0.gauges.value(for: key, GaugeCell.init) }
    }

    /// What is counted goes on being shown until the process ends.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    private static func key(_ name: String, _ dimensions: [(String, String)]) -> Key {
        Key(name: name, labels: PrometheusText.labels(dimensions))
    }

    // MARK: Text

    public func exposition() -> String {
        let (counters, gauges, histograms) = instruments.withLock { ($0.counters, $0.gauges, $0.histograms) }
        var text = ""
        for (name, cells) in counters.byName {
            text += PrometheusText.head(name, "counter")
            for (labels, cell) in cells { text += "\(name)\(PrometheusText.braces(labels)) \(cell.value)\n" }
        }
        for (name, cells) in gauges.byName {
            text += PrometheusText.head(name, "gauge")
            for (labels, cell) in cells { text += "\(name)\(PrometheusText.braces(labels)) \(cell.value)\n" }
        }
        for (name, cells) in histograms.byName {
            text += PrometheusText.head(name, "histogram")
            for (labels, cell) in cells { text += cell.exposition(name, labels) }
        }
        return text
    }
}

extension Dictionary {
    fileprivate mutating func value(for key: Key, _ make: () -> Value) -> Value {
        if let known = self[key] { return known }
        let made = make()
        self[key] = made
        return made
    }
}

extension Dictionary where Key == PrometheusRegistry.Key {
    /// Sorted, so that two scrapes can be compared.
    fileprivate var byName: [(name: String, cells: [(labels: String, cell: Value)])] {
        Dictionary<String, [Element]>(grouping: self) { $0.key.name }
            .map { name, cells in
                (name, cells.map { ($0.key.labels, $0.value) }.sorted { $0.0 < $1.0 })
            }
            .sorted { $0.name < $1.name }
    }
}

/// The form of the lines.
enum PrometheusText {
    static func head(_ name: String, _ type: String) -> String {
        let help = Metric.named(name).map { "# HELP \(name) \($0.help)\n" } ?? ""
        return help + "# TYPE \(name) \(type)\n"
    }

    static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
    }

    static func braces(_ labels: String) -> String {
        labels.isEmpty ? "" : "{\(labels)}"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }
}

// MARK: Cells

private final class CounterCell: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() {
        count.store(0, ordering: .relaxed)
    }
}

private final class GaugeCell: MeterHandler, RecorderHandler {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    func decrement(by amount: Double) { increment(by: -amount) }

    func increment(by amount: Double) {
        var known = bits.load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: known) + amount).bitPattern
            let (isExchanged, current) = bits.compareExchange(expected: known, desired: sum, ordering: .relaxed)
            if isExchanged { return }
            known = current
        }
    }
}

/// A histogram of seconds.
private final class HistogramCell: TimerHandler {
    private struct State {
        var counts = [UInt64](repeating: 0, count: HistogramCell.bounds.count + 1)
        var sum: Int64 = 0
    }

    /// Upper ends in nanoseconds: from a request on loopback to one that times out.
    private static let bounds: [Int64] = [
        50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]
    private let state = Mutex(State())

    func recordNanoseconds(_ duration: Int64) {
        let bucket = Self.bounds.firstIndex { duration <= $0 } ?? Self.bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum = state.sum.addingReportingOverflow(duration).partialValue
        }
    }

    func exposition(_ name: String, _ labels: String) -> String {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        var text = ""
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < Self.bounds.count ? "\(Double(Self.bounds[index]) / 1e9)" : "+Inf"
            let all = labels.isEmpty ? "le=\"\(bound)\"" : "\(labels),le=\"\(bound)\""
            text += "\(name)_bucket{\(all)} \(total)\n"
        }
        text += "\(name)_sum\(PrometheusText.braces(labels)) \(Double(sum) / 1e9)\n"
        text += "\(name)_count\(PrometheusText.braces(labels)) \(total)\n"
        return text
    }
}

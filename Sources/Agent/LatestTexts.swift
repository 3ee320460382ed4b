// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// The last texts of series, within a budget: a device, or a stranger at a broker, can send long texts under names without end.
struct LatestTexts {
    /// Bytes of all texts together.
    static let limit = 16 << 20

    private var texts: [SeriesNumber: String] = [:]
    private(set) var bytes = 0
    private let limit: Int

    init(limit: Int = LatestTexts.limit) {
        self.limit = limit
    }

    subscript(_ series: SeriesNumber) -> String? { texts[series] }

    /// Frees what is kept of a series.
    mutating func remove(_ series: SeriesNumber) {
        bytes -= texts.removeValue(forKey: series)?.utf8.count ?? 0
    }

    /// - Returns: whether the text is kept; if not, the series has none.
    mutating func keep(_ text: String, of series: SeriesNumber) -> Bool {
        remove(series)
        guard bytes + text.utf8.count <= limit else { return false }
        bytes += text.utf8.count
        texts[series] = text
        return true
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps

extension ImportedMap {
    /// A map of what a SunSpec device says that it has.
    /// - Parameters:
    ///   - models: their numbers, and where each begins with its number and length.
    ///   - common: the texts of its common model: maker and product; empty where they are not known.
    public static func sunSpec(
        name: String, models: [(number: Int, address: Int, length: Int)], common: [UInt16]
    ) -> ImportedMap {
        func text(_ words: ArraySlice<UInt16>) -> String {
            let bytes = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }.prefix { $0 != 0 }
            return String(decoding: bytes, as: UTF8.self).trimmed
        }
        let product = common.count >= 32 ? "\(text(common[0..<16])) \(text(common[16..<32]))".trimmed : ""
        var map = ImportedMap(name: product.isEmpty ? name : product, title: product.isEmpty ? name : product)
        map.source = "the device's own SunSpec models: \(models.map { "\($0.number)" }.joined(separator: ", "))"
        for model in models {
            guard let known = SunSpecModel.numbered(model.number) else {
                map.leave("model \(model.number), \(model.length) registers from \(model.address)", "is not known here")
                continue
            }
            map.add(known, at: model.address + 2, length: model.length)
        }
        return map
    }

    private mutating func add(_ model: SunSpecModel, at start: Int, length: Int) {
        let end = start + length
        var factors: [String: Int] = [:]
        var address = start
        for point in model.points {
            if point.type == "sunssf", address < end { factors[point.name] = address }
            address += point.size
        }
        add(model.points, at: start, end: end, prefix: model.subject, factors)
        guard let (name, points) = model.repeated else { return }
        let size = points.reduce(0) { $0 + $1.size }
        var number = 1
        // A device may say more room than it has.
        while size > 0, address + size <= end, number <= 32 {
            add(points, at: address, end: end, prefix: "\(model.subject)_\(name)_\(number)", factors)
            address += size
            number += 1
        }
    }

    private mutating func add(
        _ points: [SunSpecModel.Point], at start: Int, end: Int, prefix: String, _ factors: [String: Int]
    ) {
        var address = start
        for point in points {
            defer { address += point.size }
            // Older devices have shorter models.
            guard address + point.size <= end, let (type, absent) = point.layout else { continue }
            var imported = ImportedPoint("\(prefix)_\(point.name)", .holding, address, type)
            imported.absent = absent
            imported.labels = point.labels
            imported.unit = point.unit
            imported.isCounter = point.isCounter
            if type == .string { imported.length = point.size }
            switch point.scale {
            case .point(let name):
                guard let factor = factors[name] else {
                    leave("\(prefix) \(point.name)", "its scale factor \(name) is beyond the end of the model")
                    continue
                }
                imported.scaleFactor = factor
            case .exponent(let exponent): imported.scale = exponent < 0 ? 1 / power(-exponent) : power(exponent)
            case nil: break
            }
            imported.every = type == .string ? 3_600_000 : 2_000
            self.points.append(imported)
        }
    }

    private func power(_ exponent: Int) -> Double {
        (0..<min(exponent, 20)).reduce(1) { power, _ in power * 10 }
    }
}

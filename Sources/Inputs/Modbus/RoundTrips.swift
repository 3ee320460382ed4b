// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What requests on a link have taken: the measured price of a request, and of a byte of its answer. Pure.
struct RoundTrips {
    /// Fewer say little.
    static let least = 100
    /// Half of what was seen is forgotten after 500 more.
    private static let memory = exp2(-1.0 / 500)

    private let usual: RequestCost
    /// Whether the price of a byte is known.
    private let isLine: Bool
    private(set) var count = 0
    // Sums of weights, bytes, nanoseconds and their products.
    private var weight = 0.0
    private var bytes = 0.0
    private var nanoseconds = 0.0
    private var squares = 0.0
    private var products = 0.0

    /// - Parameter isLine: whether the price of a byte is known.
    init(_ usual: RequestCost, isLine: Bool) {
        self.usual = usual
        self.isLine = isLine
    }

    mutating func note(bytes size: Int, nanoseconds took: Int64) {
        var took = Double(took)
        // One that waited for somebody else's reasons says nothing of the others.
        if weight > 20 { took = min(took, 4 * nanoseconds / weight) }
        let size = Double(size)
        count += 1
        weight = weight * Self.memory + 1
        bytes = bytes * Self.memory + size
        nanoseconds = nanoseconds * Self.memory + took
        squares = squares * Self.memory + size * size
        products = products * Self.memory + size * took
    }

    /// Nil while too few have been seen.
    var cost: RequestCost? {
        guard count >= Self.least else { return nil }
        let (meanBytes, mean) = (bytes / weight, nanoseconds / weight)
        let variance = squares / weight - meanBytes * meanBytes
        // Requests of one size say nothing of the price of a byte.
        let measured = variance > 100 ? (products / weight - meanBytes * mean) / variance : Double(usual.byte)
        let byte = isLine ? Double(usual.byte) : min(max(measured, 0), mean / max(meanBytes, 1))
        return RequestCost(
            request: Int64(max(mean - byte * meanBytes, 10_000).rounded()), byte: Int64(byte.rounded()))
    }
}

extension RequestCost {
    /// Whether another price makes another plan worth making.
    func differs(from other: RequestCost) -> Bool {
        func isFar(_ one: Int64, _ other: Int64) -> Bool { abs(one - other) * 4 > max(one, other) }
        return isFar(request, other.request) || isFar(byte, other.byte)
    }
}

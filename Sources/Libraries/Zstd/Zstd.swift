// Headgate
// SPDX-License-Identifier: Apache-2.0

import CZstd

public struct ZstdError: Error, CustomStringConvertible {
    public let description: String
}

/// Compresses and expands whole buffers, with contexts kept between calls (a fresh one costs more than a small block).
public struct Zstd: ~Copyable {
    /// Nil if there was no memory for them: each call throws then.
    private let compressor = ZSTD_createCCtx()
    private let expander = ZSTD_createDCtx()

    private static let noMemory = ZstdError(description: "zstd: no memory for a context")

    public init() {}

    deinit {
        ZSTD_freeCCtx(compressor)
        ZSTD_freeDCtx(expander)
    }

    /// - Parameter level: zstd's own scale; 1 is fastest.
    public func compress(_ bytes: [UInt8], level: Int32) throws(ZstdError) -> [UInt8] {
        guard let compressor else { throw Self.noMemory }
        var failure: ZstdError?
        let out = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { buffer, count in
            let written = bytes.withUnsafeBytes {
                ZSTD_compressCCtx(compressor, buffer.baseAddress, buffer.count, $0.baseAddress, $0.count, level)
            }
            failure = Self.failure(written)
            count = failure == nil ? written : 0
        }
        if let failure { throw failure }
        return out
    }

    /// Expands one frame.
    /// - Parameter limit: the most bytes it may expand to; a frame that claims more is refused before any is written.
    public func expand(_ bytes: [UInt8], limit: Int) throws(ZstdError) -> [UInt8] {
        guard let expander else { throw Self.noMemory }
        let claimed = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        guard claimed <= UInt64(limit) else {
            // The two reserved values for "unknown" and "error" are the largest there are, so they end here too.
            throw ZstdError(description: "not a zstd frame, or one larger than \(limit) bytes")
        }
        var failure: ZstdError?
        let out = [UInt8](unsafeUninitializedCapacity: Int(claimed)) { buffer, count in
            let written = bytes.withUnsafeBytes {
                ZSTD_decompressDCtx(expander, buffer.baseAddress, buffer.count, $0.baseAddress, $0.count)
            }
            failure = Self.failure(written)
            count = failure == nil ? written : 0
        }
        if let failure { throw failure }
        return out
    }

    private static func failure(_ code: Int) -> ZstdError? {
        ZSTD_isError(code) == 0 ? nil : ZstdError(description: "zstd: \(String(cString: ZSTD_getErrorName(code)))")
    }
}

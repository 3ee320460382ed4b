// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Which unit may answer a request.
public enum AnsweringUnit: Sendable, Equatable {
    /// The one that was asked.
    case asked
    /// One that always answers under this number.
    case number(UInt8)
    /// Whichever: where there is one unit on the link, and it answers under any number.
    case any

    func accepts(_ unit: UInt8, asked: UInt8) -> Bool {
        switch self {
        case .asked: unit == asked
        case .number(let number): unit == number || unit == asked
        case .any: true
        }
    }
}

/// What the answer to a request looks like (MODBUS Application Protocol V1.1b3, 6).
enum AnswerShape {
    /// The data of a read: so many bytes behind their count.
    case data(function: UInt8, bytes: Int)
    /// A write repeats the first five bytes of the request.
    case repeated([UInt8])

    var function: UInt8 {
        switch self {
        case .data(let function, _): function
        case .repeated(let bytes): bytes[0]
        }
    }

    /// Bytes from the function's code on.
    var length: Int {
        switch self {
        case .data(_, let bytes): 2 + bytes
        case .repeated: 5
        }
    }

    func matches(_ body: UnsafeBufferPointer<UInt8>) -> Bool {
        guard body.count == length else { return false }
        switch self {
        case .data(let function, let bytes): return body[0] == function && Int(body[1]) == bytes
        case .repeated(let bytes): return body.elementsEqual(bytes)
        }
    }

    /// Whether an answer may begin with a byte.
    func isFunction(_ byte: UInt8) -> Bool { byte & 0x7F == function }

    /// The code of the exception that a body is; nil where it is none to this request.
    func exception(_ body: UnsafeBufferPointer<UInt8>) -> UInt8? {
        body.count >= 2 && body[0] == function | 0x80 ? body[1] : nil
    }
}

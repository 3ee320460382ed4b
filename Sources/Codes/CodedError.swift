// Headgate
// SPDX-License-Identifier: Apache-2.0

/// An error whose message has a code.
public protocol CodedError: Error, CustomStringConvertible {
    var code: Code { get }
}

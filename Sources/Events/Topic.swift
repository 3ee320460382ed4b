// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A topic of an output, and the template that made it: with another template the same events have another topic, and those
/// that are held are still found by this one.
public struct Topic: Sendable, Hashable {
    public var name: String
    public var template: String

    public init(name: String, template: String) {
        self.name = name
        self.template = template
    }
}

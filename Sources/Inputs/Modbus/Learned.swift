// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// What a device has shown that its map does not say, under the names of its points: as it is kept over restarts and shown.
public struct Learned: Codable, Sendable, Equatable {
    /// Points that it does not have, and what it says when it is asked for them.
    public var refused: [String: String] = [:]
    /// Points between which it lets no unused registers be read through.
    public var tight: [String] = []
    /// The most registers, or bits, that one of its answers carries.
    public var registers: Int?
    public var bits: Int?
    /// How long it wants to be left alone before each request, in microseconds.
    public var pause: Int64?

    public init() {}

    public var isEmpty: Bool { self == Learned() }
}

extension Learned {
    init(_ cuts: PollCuts, pause: Int64?, names: [String]) {
        for (place, reason) in cuts.refused { refused[names[place]] = "\(reason.name)" }
        tight = cuts.tight.map { names[$0] }.sorted()
        registers = cuts.registers
        bits = cuts.bits
        self.pause = pause
    }
}

extension PollCuts {
    /// Points that there are no longer are left out.
    init(_ learned: Learned, names: [String]) {
        for (place, name) in names.enumerated() {
            if let reason = learned.refused[name] {
                refused[place] = reason == "\(Reason.illegalValue.name)" ? .illegalValue : .illegalAddress
            }
            if learned.tight.contains(name) { tight.insert(place) }
        }
        registers = learned.registers.map { max(1, $0) }
        bits = learned.bits.map { max(1, $0) }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import DeviceMaps
import Events
import Pipeline

/// What the `privacy` of a configuration does to which points.
public struct MinimiseRule: Sendable {
    public enum Way: Sendable, Hashable {
        case drop
        case mask(keep: Int)
        case generalise(step: Double)
        /// - Parameter authority: who gave the ids.
        case token(authority: String)
    }

    public var selection = Selection()
    public var way: Way
}

/// Who is named after an id that messages bring, and has a token for a name.
public struct MinimisedNames: Sendable {
    public var selection = Selection()
    public var authority: String
}

/// Everything that is not to leave as it is.
public struct MinimiseRules: Sendable {
    public var points: [MinimiseRule] = []
    public var names: [MinimisedNames] = []
    /// Where the keys are that tokens are made with.
    public var keys: Secret?

    /// What is done to points, in a word that is another where that is.
    var word: String { "\(points)" }

    /// What is done to a point; the last entry that is meant for it counts.
    func way(of point: String, _ device: Device) -> MinimiseRule.Way? {
        points.last { $0.selection.isMeant(for: device) && $0.selection.isMeant(for: point) }?.way
    }
}

/// The same with the keys in hand.
struct Minimising: Sendable {
    private let rules: MinimiseRules
    private let tokens: Tokens

    init(_ rules: MinimiseRules, _ tokens: Tokens) {
        self.rules = rules
        self.tokens = tokens
    }

    var isEmpty: Bool { rules.points.isEmpty }

    func treatment(of number: SeriesNumber, _ catalog: Catalog) -> Treatment? {
        if rules.points.isEmpty { return nil }
        let contents = catalog.contents
        // What nobody knows anything about goes nowhere.
        guard let series = contents[number], let device = contents[series.device] else { return .drop }
        switch rules.way(of: series.point, device) {
        case nil: return nil
        case .drop: return .drop
        case .mask(let keep): return .mask(keep: keep)
        case .generalise(let step):
            return .generalise(Scaling(scale: Decimal("\(step)") ?? .one, offset: .zero))
        case .token(let authority): return .token { [tokens] in tokens.token(of: $0, authority: authority) }
        }
    }

    /// Whether the name of a device that was heard of in an earlier run is one that it would have now.
    func isCurrent(_ id: String, of device: Configuration.ConfiguredDevice) -> Bool {
        naming(of: device.described) == nil || tokens.isName(id.dropFirst(device.name.count + 1))
    }

    /// What stands for the ids of the devices that are named after one; nil where they stand for themselves.
    func naming(of device: Device) -> (@Sendable (String) -> String)? {
        guard let found = rules.names.last(where: { $0.selection.isMeant(for: device) }) else { return nil }
        return { [tokens] in tokens.name(of: $0, authority: found.authority) }
    }
}

extension MinimiseRules {
    /// With the keys from where they are kept.
    func revealed() throws(StartError) -> Minimising {
        guard let keys else { return Minimising(self, .ofTrials) }
        let text = try keys.reveal()
        do throws(Tokens.Mistake) {
            return Minimising(self, try Tokens(lines: text))
        } catch {
            throw StartError(.invalidKeyFile, "privacy.keys: \(keys), line \(error.line): \(error.description)")
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Inputs
import Sparkplug
import YAMLText

/// `sparkplug: GROUP/NODE` of a device: edge nodes whose births say what they have.
enum SparkplugKeys {
    static func nodes(_ value: YAMLValue) -> SparkplugNodeName? {
        guard let text = value.string() else { return nil }
        let levels = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard levels.count == 2, levels.allSatisfy({ $0 == "+" || isLevel($0) }) else {
            value.problem(
                .invalidEdgeNodePattern, "must be GROUP/NODE, where + matches any name",
                fix: "write sparkplug: plant-1/+ for all edge nodes of plant-1 and their devices")
            return nil
        }
        return SparkplugNodeName(group: levels[0], node: levels[1])
    }

    /// A level of a topic.
    static func level(_ value: YAMLValue, _ what: String) -> String? {
        guard let text = value.string() else { return nil }
        if isLevel(text) { return text }
        value.problem(.invalidName, "must be \(what), without /, + and #")
        return nil
    }

    private static func isLevel(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 128 && !text.utf8.contains { "/+#".utf8.contains($0) || $0 < 0x20 }
    }
}

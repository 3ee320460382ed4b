// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events

/// Topics, each found by the template that made it.
public struct TopicSet: Sendable {
    private var groups: [(template: TopicTemplate, text: String, names: Set<String>)] = []

    public init(_ topics: Set<Topic>) {
        for (text, topics) in Dictionary(grouping: topics, by: \.template) {
            guard let template = TopicTemplate(text) else { continue }
            groups.append((template, text, Set(topics.map(\.name))))
        }
    }

    /// The topic of an event; nil if the set does not have it.
    func topic(_ kind: EventKind, lane: Lane, device: Device?, gateway: String) -> Topic? {
        for (template, text, names) in groups {
            let name = template.text(kind, lane: lane, device: device, gateway: gateway)
            if names.contains(name) { return Topic(name: name, template: text) }
        }
        return nil
    }
}

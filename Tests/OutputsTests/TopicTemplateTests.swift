// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Outputs

@Suite("Topic template")
struct TopicTemplateTests {
    private let device = Device(
        id: "meter-1", map: "sdm630", mapVersion: 1, tags: [.init(name: "line", value: "hall A/+#")])

    private func text(_ template: String, device: Device?) throws -> String {
        try #require(TopicTemplate(template)).text(.status, lane: .critical, device: device, gateway: "g-1")
    }

    @Test("fills in what an event is about")
    func fills() throws {
        #expect(
            try text("t/{gateway}/{device}/{map}/{lane}/{kind}", device: device)
                == "t/g-1/meter-1/sdm630/critical/status")
    }

    @Test("a tag cannot break a topic out of its level")
    func tags() throws {
        #expect(try text("{tag:line}", device: device) == "hall-A---")
        #expect(try text("{tag:missing}", device: device) == "none")
    }

    @Test("what concerns no device is `none` there")
    func noDevice() throws {
        #expect(try text("x.{device}.{map}", device: nil) == "x.none.none")
    }

    @Test("unknown places and open braces are mistakes", arguments: ["{divice}", "{device", "device}", "{tag:}", "{}"])
    func mistakes(template: String) {
        #expect(TopicTemplate(template) == nil)
    }
}

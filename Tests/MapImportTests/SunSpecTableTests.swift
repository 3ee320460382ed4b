// Headgate
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MapImport

@Suite("Table of SunSpec models")
struct SunSpecTableTests {
    @Test("no label of the table is lost when it is read")
    func readsEachLabel() {
        let written = SunSpecTable.text.count { $0 == "=" }
        let models = Array(SunSpecModel.all.values)
        let points = models.flatMap(\.points) + models.flatMap { $0.repeated?.points ?? [] }
        #expect(points.reduce(0) { $0 + $1.labels.count } == written)
        #expect(points.allSatisfy { $0.labels.values.allSatisfy { !$0.isEmpty } })
    }

    @Test("a battery's type and state have names with several words")
    func namesStates() throws {
        let battery = try #require(SunSpecModel.numbered(802))
        let type = try #require(battery.points.first { $0.name == "Typ" })
        #expect(type.labels[0] == "not_applicable_unknown" && type.labels[99] == "other")
        let state = try #require(battery.points.first { $0.name == "State" })
        #expect(state.labels[5] == "soc_protection" && state.labels[99] == "fault")
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import DeviceMaps

/// That the schema knows no other keys than a map can have is proved through the command (`test_schemas`).
@Suite("Schema of device maps")
struct MapSchemaTests {
    private struct Schema: Decodable {
        struct Object: Decodable { var properties: [String: Ignored] }
        struct Ignored: Decodable {}
        var definitions: [String: Object]

        enum CodingKeys: String, CodingKey { case definitions = "$defs" }
    }

    @Test(
        "has every key that a point can have",
        arguments: [("modbus_point", ModbusFormFile.pointKeys), ("mqtt_point", MQTTFormFile.pointKeys)])
    func hasEveryKey(definition: String, keys: [String]) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../deploy/schemas/device-map.json")
        let schema = try JSONDecoder().decode(Schema.self, from: Data(contentsOf: file))
        #expect(try Set(#require(schema.definitions[definition]).properties.keys) == Set(PointKeys.common + keys))
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Hummingbird

extension AdminServer {
    /// Waits as long as the device does; an order that waits too long for its turn is refused.
    func addWriter(to router: Router<BasicRequestContext>) {
        router.post("/api/write") { [writer] request, _ in
            let asked = request.uri.queryParameters
            return try await Self.changing(request) {
                guard let device = asked.get("device"), let point = asked.get("point"), let value = asked.get("value")
                else { throw DeskError(.invalidRequest, "the parameters device, point and value are required") }
                let within = asked.get("within_ms", as: Int.self) ?? 5_000
                let wish = WriteRequest(
                    device: String(device.prefix(64)), point: String(point.prefix(64)),
                    value: String(value.prefix(256)),
                    by: String((asked.get("by") ?? "api").prefix(128)), within: min(max(within, 1), 60_000))
                return try Self.json(await writer.write(wish))
            }
        }
    }
}

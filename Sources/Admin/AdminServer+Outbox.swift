// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

extension HTTPField.Name {
    /// What a page that was loaded from elsewhere cannot send without being asked for permission first (Fetch, 4.8).
    static let headgate = HTTPField.Name("X-Headgate") ?? .from
    /// Where the next page of events begins.
    static let next = HTTPField.Name("Headgate-Next") ?? .from
}

extension AdminServer {
    /// The outbox's desk: asking is free, changing wants a header that no form sends.
    func addDesk(to router: Router<BasicRequestContext>) {
        router.get("/api/outbox/events") { [desk] request, _ in
            let asked = request.uri.queryParameters
            let query = EventQuery(
                id: asked.get("id"), device: asked.get("device"), lane: asked.get("lane"), since: asked.get("since"),
                until: asked.get("until"))
            return try await Self.answering {
                let page = try await desk.events(query, from: asked.get("from"))
                var response = Response(
                    status: .ok, headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"],
                    body: ResponseBody(byteBuffer: ByteBuffer(bytes: page.lines)))
                response.headers[.next] = page.next
                return response
            }
        }
        router.get("/api/outbox/verify") { [desk] _, _ in
            try await Self.answering { try Self.json(await desk.verify()) }
        }
        router.get("/api/outbox/dead") { [desk] _, _ in
            try await Self.answering { try Self.json(await desk.deadLetters()) }
        }
        router.post("/api/outbox/dead/drop") { [desk] request, _ in
            try await Self.changing(request) { try Self.json(await desk.drop(Self.letters(request))) }
        }
        router.post("/api/outbox/dead/retry") { [desk] request, _ in
            try await Self.changing(request) { try Self.json(await desk.retry(Self.letters(request))) }
        }
        router.post("/api/outbox/replay") { [desk] request, _ in
            let asked = request.uri.queryParameters
            return try await Self.changing(request) {
                guard let output = asked.get("output"), let since = asked.get("since"), let until = asked.get("until")
                else { throw DeskError(.invalidRequest, "the parameters output, since and until are required") }
                return try Self.json(await desk.replay(to: output, since: since, until: until))
            }
        }
    }

    private static func letters(_ request: Request) -> [Int] {
        request.uri.queryParameters.getAll("letter", as: Int.self)
    }

    /// Answers who may change something.
    static func changing(_ request: Request, _ body: () async throws -> Response) async throws -> Response {
        guard request.headers[.headgate] != nil else {
            return failure(.invalidRequest, "send the header X-Headgate: yes", .forbidden)
        }
        return try await answering(body)
    }

    private static func answering(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch {
            return failure((error as? any CodedError)?.code ?? .adminRequestFailed, "\(error)", .badRequest)
        }
    }

    /// A refusal as JSON: its code and its text.
    static func failure(_ code: Code, _ message: String, _ status: HTTPResponse.Status) -> Response {
        let body = try? APIJSON.encode(APIError(code: code.description, message: message))
        return response(ByteBuffer(bytes: body ?? []), type: "application/json", status: status)
    }

    static func json(_ value: some Encodable) throws -> Response {
        response(ByteBuffer(bytes: try APIJSON.encode(value)), type: "application/json")
    }
}

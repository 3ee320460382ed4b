// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Events
import FoundationEssentials
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import Metrics
import NIOCore
import ServiceLifecycle

/// What the admin server shows. Nothing of it waits for a device or a broker.
public protocol GatewayView: Sendable {
    /// - Parameter withPoints: whether each device's last readings are wanted too: thousands, of a large plant.
    func status(withPoints: Bool) async throws -> GatewayStatus
    /// Whether the gateway can take and store readings, and the current problems.
    func readiness() async -> Readiness
    /// Each event as it is committed, as JSON. A reader that is too slow misses some.
    func liveEvents() -> AsyncStream<[UInt8]>
}

/// Whether the gateway can do its work: `GET /readyz`.
public struct Readiness: Sendable {
    /// False where the gateway cannot take and store readings.
    public var isReady: Bool
    /// The problems, one a line. A problem of a broker or a device is listed, and does not make the gateway unready.
    public var findings: [String]

    public init(isReady: Bool, findings: [String]) {
        self.isReady = isReady
        self.findings = findings
    }
}

/// Why there is no admin address.
public struct AdminError: CodedError {
    public var code: Code { .gatewayNotStarted }
    public let description: String
    /// Whether another process has the address.
    public let isInUse: Bool
}

/// Health, metrics, the status API, the outbox's desk and the page, on a loopback address.
public struct AdminServer: Service {
    private let host: String
    private let port: Int
    private let hosts: Set<String>
    private let view: any GatewayView
    let desk: any OutboxDesk
    let writer: any PointWriter
    private let metrics: PrometheusRegistry
    private let warnings: any WarningSink
    private let logger: Logger
    private let connections: ConnectionLimit
    /// The number of clients that can receive events at the same time.
    private let mostStreams: Int

    /// - Parameters:
    ///   - hosts: the names under which a proxy forwards to this address.
    ///   - spareFiles: how many descriptors links and outputs leave.
    public init(
        host: String, port: Int, hosts: [String], view: any GatewayView, desk: any OutboxDesk, writer: any PointWriter,
        metrics: PrometheusRegistry, warnings: any WarningSink, logger: Logger, spareFiles: Int
    ) {
        self.host = host
        self.port = port
        self.hosts = Set(hosts.map { $0.lowercased() })
        self.view = view
        self.desk = desk
        self.writer = writer
        self.metrics = metrics
        self.warnings = warnings
        self.logger = logger
        let most = min(max(spareFiles, Self.fewestConnections), Self.mostConnections)
        let closed = Counter(label: "headgate_admin_connections_closed_total")
        connections = ConnectionLimit(most: most) { [warnings] in
            closed.increment()
            warnings.warn(
                .adminConnectionsClosed, of: "admin",
                "more than \(most) connections to the admin address are open: the one that waited longest for a request is closed",
                next: "find the clients that keep connections open: ss -tnp")
        }
        mostStreams = most / 2
    }

    /// The process has 1,024 file descriptors, and links and brokers need most of them.
    private static let (fewestConnections, mostConnections) = (8, 192)

    public func run() async throws {
        let application = Application(
            router: router(),
            server: .http1(configuration: .init(additionalChannelHandlers: [ConnectionGuard(connections)])),
            configuration: .init(address: .hostname(host, port: port), serverName: "headgate"), logger: logger)
        do {
            try await application.run()
        } catch let error as IOError {
            throw AdminError(
                description: "admin: cannot listen on \(host):\(port): \(String(cString: strerror(error.errnoCode))); "
                    + "give another address under admin: { listen: … }", isInUse: error.errnoCode == EADDRINUSE)
        }
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: OriginGuard(hosts: hosts, warnings: warnings))
        router.get("/healthz") { _, _ in Self.text("ok\n") }
        router.get("/readyz") { [view] _, _ in
            let readiness = await view.readiness()
            let lines = [readiness.isReady ? "ready" : "not ready"] + readiness.findings
            return Self.text(
                lines.map { $0 + "\n" }.joined(), status: readiness.isReady ? .ok : .serviceUnavailable)
        }
        router.get("/metrics") { [view, metrics] _, _ in
            let status = try? await view.status(withPoints: false)
            let text = metrics.exposition() + (status.map(StatusGauges.exposition) ?? "") + ProcessGauges.exposition()
            return Self.text(text, type: "text/plain; version=0.0.4; charset=utf-8")
        }
        router.get("/api/status") { [view] _, _ in
            return try Self.json(await view.status(withPoints: true))
        }
        router.get("/api/events") { [view, connections] _, _ in
            guard connections.streams < mostStreams else {
                return Self.failure(
                    .adminRequestFailed, "\(mostStreams) clients already receive events; stop one of them first",
                    .serviceUnavailable)
            }
            return Self.stream(view.liveEvents())
        }
        addDesk(to: router)
        addWriter(to: router)
        router.get("/") { _, _ in Self.text(Page.html, type: "text/html; charset=utf-8") }
        return router
    }

    // MARK: Responses

    static func text(
        _ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> Response {
        response(ByteBuffer(string: text), type: type, status: status)
    }

    static func response(
        _ body: ByteBuffer, type: String, status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: body))
    }

    /// Server-sent events (HTML Living Standard, 9.2): what the page and `headgate tail` listen to.
    private static func stream(_ events: AsyncStream<[UInt8]>) -> Response {
        let body = ResponseBody { writer in
            // A comment, so that a reader knows at once that it is heard.
            try await writer.write(ByteBuffer(string: ": live\n\n"))
            for await event in events.cancelOnGracefulShutdown() {
                var line = ByteBuffer(string: "data: ")
                line.writeBytes(event)
                line.writeString("\n\n")
                try await writer.write(line)
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: ConnectionGuard.streamType, .cacheControl: "no-store"], body: body)
    }
}

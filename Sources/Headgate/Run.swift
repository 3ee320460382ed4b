// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Codes
import Glibc

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway until SIGTERM or Ctrl-C.",
        discussion: """
            The gateway starts also if devices and brokers are down, and keeps trying. It logs to standard error, one line for each \
            entry; `log:` sets the levels. It stops within 5 s: it closes its links, sends committed events if the brokers accept \
            them, and keeps the rest in the outbox for the next start. SIGHUP checks the configuration and logs its mistakes; a \
            change takes effect at the next start.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        let configuration = try options.load()
        do {
            try await GatewayProcess.run(configuration, file: options.config)
        } catch let error as InUse {
            throw fail(error, else: .outboxInUse, EX_TEMPFAIL)
        } catch {
            throw fail(error, else: .gatewayNotStarted, EX_UNAVAILABLE)
        }
    }
}

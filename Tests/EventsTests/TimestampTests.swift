// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "is written as RFC 3339 with microseconds",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000000Z"),
            (1_795_251_600_123_456, "2026-11-21T09:00:00.123456Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (Int64.max, "9999-12-31T23:59:59.999999Z"),
        ])
    func written(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).iso8601 == text)
    }

    @Test("reads back every text it writes, over four centuries")
    func roundTrip() {
        for day in stride(from: Int64(-73_000), through: 73_000, by: 17) {
            let time = Timestamp(microseconds: day * 86_400_000_000 + 3_661_000_042)
            #expect(Timestamp(iso8601: time.iso8601.utf8) == time)
        }
    }

    @Test(
        "reads zones, blanks and short fractions",
        arguments: [
            ("2026-11-21T10:00:00+01:00", Int64(1_795_251_600_000_000)),
            ("2026-11-21 09:00:00.5Z", 1_795_251_600_500_000),
            ("2026-11-21T09:00Z", 1_795_251_600_000_000),
            ("2026-11-21T03:30:00-0530", 1_795_251_600_000_000),
        ])
    func reads(text: String, microseconds: Int64) {
        #expect(Timestamp(iso8601: text.utf8)?.microseconds == microseconds)
    }

    @Test(
        "refuses what is no time, and a time without a zone",
        arguments: [
            "", "2026-11-21T09:00:00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-11-21T09:00:00Zulu", "21.11.2026 09:00", "2026-11-21T09:00:00.Z",
        ])
    func refuses(text: String) {
        #expect(Timestamp(iso8601: text.utf8) == nil)
    }

    @Test("stays at the ends of what can be told")
    func ends() {
        #expect(Timestamp(microseconds: .max).advanced(byMicroseconds: 1).microseconds == .max)
        #expect(Timestamp(microseconds: .max).microseconds(since: Timestamp(microseconds: .min)) == .max)
    }
}

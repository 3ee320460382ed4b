// Headgate
// SPDX-License-Identifier: Apache-2.0

/// RFC 3339 times, the profile of ISO 8601 that CloudEvents asks for, by hand: a formatter would cost fifty times as
/// much and bring all of Foundation.
extension Timestamp {
    /// `2026-11-21T09:00:00.123456Z`.
    public func write(to out: inout ByteWriter) {
        // A date further away than four digits of a year can say is shown as the nearest that they can.
        let clamped = min(max(microseconds, Self.yearZero), Self.year9999)
        let (second, fraction) = clamped.flooredDivision(by: 1_000_000)
        let (day, secondOfDay) = second.flooredDivision(by: 86_400)
        let date = CivilDate(daysSince1970: day)
        out.digits(date.year, width: 4)
        out.byte(UInt8(ascii: "-"))
        out.digits(date.month, width: 2)
        out.byte(UInt8(ascii: "-"))
        out.digits(date.day, width: 2)
        out.byte(UInt8(ascii: "T"))
        out.digits(secondOfDay / 3_600, width: 2)
        out.byte(UInt8(ascii: ":"))
        out.digits(secondOfDay / 60 % 60, width: 2)
        out.byte(UInt8(ascii: ":"))
        out.digits(secondOfDay % 60, width: 2)
        out.byte(UInt8(ascii: "."))
        out.digits(fraction, width: 6)
        out.byte(UInt8(ascii: "Z"))
    }

    public var iso8601: String {
        var out = ByteWriter()
        write(to: &out)
        return String(decoding: out.bytes, as: UTF8.self)
    }

    private static let yearZero: Int64 = -62_167_219_200_000_000
    private static let year9999: Int64 = 253_402_300_799_999_999

    /// Reads a date and a time of ISO 8601 with their zone, as RFC 3339 has them or in another form that the standard
    /// knows. Nil where it is none, or where it names no zone: such a time may mean any of 26 hours.
    public init?(iso8601 text: some Collection<UInt8>) {
        guard let local = LocalTime(iso8601: text), let offset = local.offset else { return nil }
        self.init(local, east: offset)
    }

    /// A local time in a zone; nil outside the years that can be written.
    /// - Parameter offset: seconds east of Greenwich.
    public init?(_ local: LocalTime, east offset: Int64) {
        let microseconds = local.microseconds - offset * 1_000_000
        // A zone may lead out of the years that can be written.
        guard (Self.yearZero...Self.year9999).contains(microseconds) else { return nil }
        self.init(microseconds: microseconds)
    }
}

/// A date and a time as they are written (ISO 8601-1:2019, 5.2 to 5.4): basic or extended, with calendar, ordinal or week
/// dates, hours alone or with minutes and seconds, the last of them with decimals.
public struct LocalTime: Sendable, Equatable {
    /// Since 1970-01-01T00:00:00 of the same zone.
    public var microseconds: Int64
    /// Seconds east of Greenwich; nil where no zone is written.
    public var offset: Int64?

    /// Nil where the text is none.
    public init?(iso8601 text: some Collection<UInt8>) {
        var reader = DigitReader(text)
        guard let (day, isExtended) = reader.date(), reader.take("T") || reader.take("t") || reader.take(" "),
            let time = reader.time(isExtended)
        else { return nil }
        if !reader.isAtEnd {
            _ = reader.take(" ")
            guard let zone = reader.zone(), reader.isAtEnd else { return nil }
            offset = zone
        }
        microseconds = day * 86_400_000_000 + time
    }
}

/// A day of the Gregorian calendar, carried back before its beginning.
private struct CivilDate {
    let year: Int64
    let month: Int64
    let day: Int64

    /// Days are counted in eras of 400 years that begin in March, so that the leap day comes last
    /// (the method of E. G. Richards, "Mapping Time", 1998).
    init(daysSince1970 days: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Nil where there is no such day.
    init?(year: Int64, month: Int64, day: Int64) {
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        self.year = year
        self.month = month
        self.day = day
        let back = CivilDate(daysSince1970: daysSince1970)
        guard back.month == month, back.day == day else { return nil }
    }

    var daysSince1970: Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = marchYear.flooredDivision(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension Int64 {
    /// Quotient and remainder with the remainder never negative, for a positive divisor.
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

private struct DigitReader<Text: Collection<UInt8>> {
    private var rest: Text.SubSequence

    init(_ text: Text) {
        rest = text[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func number(_ width: Int) -> Int64? {
        var value: Int64 = 0
        for _ in 0..<width {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    private mutating func digit() -> Int64? {
        guard let first = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
        rest = rest.dropFirst()
        return Int64(first - UInt8(ascii: "0"))
    }

    /// Days since 1970, and whether its parts stand apart.
    mutating func date() -> (day: Int64, isExtended: Bool)? {
        guard let year = number(4) else { return nil }
        let isExtended = take("-")
        if take("W") {
            guard let week = number(2), take("-") == isExtended, let weekday = number(1) else { return nil }
            return Self.day(year, week: week, weekday).map { ($0, isExtended) }
        }
        guard let two = number(2) else { return nil }
        if isExtended, take("-") {
            guard let day = number(2), let date = CivilDate(year: year, month: two, day: day) else { return nil }
            return (date.daysSince1970, true)
        }
        guard let third = number(1) else { return nil }
        guard !isExtended, let fourth = number(1) else {
            return Self.day(year, ordinal: two * 10 + third).map { ($0, isExtended) }
        }
        return CivilDate(year: year, month: two, day: third * 10 + fourth).map { ($0.daysSince1970, false) }
    }

    private static func day(_ year: Int64, ordinal: Int64) -> Int64? {
        guard let first = CivilDate(year: year, month: 1, day: 1),
            let next = CivilDate(year: year + 1, month: 1, day: 1)
        else { return nil }
        let day = first.daysSince1970 + ordinal - 1
        return ordinal >= 1 && day < next.daysSince1970 ? day : nil
    }

    /// The first week of a year is the one with its fourth of January.
    private static func day(_ year: Int64, week: Int64, _ weekday: Int64) -> Int64? {
        guard (1...53).contains(week), (1...7).contains(weekday), let fourth = CivilDate(year: year, month: 1, day: 4)
        else { return nil }
        // 1970-01-01 was a Thursday.
        let monday = fourth.daysSince1970 - (fourth.daysSince1970 + 3).flooredDivision(by: 7).remainder
        return monday + (week - 1) * 7 + weekday - 1
    }

    /// Microseconds since midnight.
    mutating func time(_ isExtended: Bool) -> Int64? {
        guard let hour = number(2) else { return nil }
        var (time, unit) = (hour * 3_600_000_000, Int64(3_600_000_000))
        for (most, next) in [(Int64(59), Int64(60_000_000)), (60, 1_000_000)] {
            guard isExtended ? take(":") : rest.first.map({ (0x30...0x39).contains($0) }) ?? false else { break }
            guard let value = number(2), value <= most else { return nil }
            time += value * next
            unit = next
        }
        if take(".") || take(",") {
            guard let fraction = fraction() else { return nil }
            time += fraction * (unit / 1_000_000)
        }
        // 24:00 is the end of a day.
        return time < 86_401_000_000 && (hour < 24 || time == 86_400_000_000) ? time : nil
    }

    /// Millionths; digits beyond the sixth are read and dropped.
    mutating func fraction() -> Int64? {
        guard var value = digit() else { return nil }
        var digits = 1
        while let next = digit() {
            if digits < 6 {
                value = value * 10 + next
                digits += 1
            }
        }
        for _ in digits..<6 { value *= 10 }
        return value
    }

    /// Seconds east of Greenwich.
    mutating func zone() -> Int64? {
        if take("Z") || take("z") { return 0 }
        let sign: Int64
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24 else { return nil }
        var minutes: Int64 = 0
        if take(":") || !isAtEnd {
            guard let value = number(2), value < 60 else { return nil }
            minutes = value
        }
        return sign * (hours * 3_600 + minutes * 60)
    }
}

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

    /// Reads an RFC 3339 time. Nil where it is none, or where it names no zone: such a time may mean any of 26 hours.
    public init?(iso8601 text: some Collection<UInt8>) {
        var reader = DigitReader(text)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), reader.take("T") || reader.take("t") || reader.take(" "),
            let hour = reader.number(2), reader.take(":"), let minute = reader.number(2)
        else { return nil }
        var second: Int64 = 0
        if reader.take(":") {
            guard let value = reader.number(2) else { return nil }
            second = value
        }
        let fraction = reader.take(".") || reader.take(",") ? reader.fraction() : 0
        guard let fraction, let offset = reader.zone(), reader.isAtEnd,
            hour < 24, minute < 60, second <= 60, let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        let seconds = date.daysSince1970 * 86_400 + hour * 3_600 + minute * 60 + second - offset
        let microseconds = seconds * 1_000_000 + fraction
        // A zone may lead out of the years that can be written.
        guard (Self.yearZero...Self.year9999).contains(microseconds) else { return nil }
        self.init(microseconds: microseconds)
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

    /// Microseconds of a fraction of a second; digits beyond the sixth are read and dropped.
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
        _ = take(":")
        guard let minutes = number(2), minutes < 60 else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }
}

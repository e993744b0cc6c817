package import CacheModel

/// Text as it goes to people: safe to print, with ages, sizes and shares as they read them.
package enum OutputText {
    /// The text with control characters and invisible direction marks written as `\u{…}`, so that no key can steer a terminal.
    package static func escaped(_ text: some StringProtocol) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            if Self.isUnsafe(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // Marks that turn the direction of text; the joiners of emoji are harmless.
        case .format: scalar.value != 0x200d && scalar.value != 0x200c
        default: false
        }
    }

    /// The number of terminal columns that the text takes.
    package static func width(_ text: some StringProtocol) -> Int {
        text.unicodeScalars.reduce(0) { $0 + Self.width($1) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
            0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
            return 2
        default: return 1
        }
    }

    /// The text in at most `limit` columns, with `…` in the middle of what is too long: keys differ at both ends.
    package static func shortened(_ text: String, to limit: Int) -> String {
        guard limit > 0, Self.width(text) > limit else { return text }
        let tail = (limit - 1) / 2
        let start = Self.prefix(text, columns: limit - 1 - tail)
        let end = String(Self.prefix(String(text.reversed()), columns: tail).reversed())
        return "\(start)…\(end)"
    }

    private static func prefix(_ text: String, columns: Int) -> String {
        var used = 0
        return String(
            text.prefix { character in
                used += Self.width(String(character))
                return used <= columns
            }
        )
    }

    /// How long ago a moment was, in its largest unit: `45s`, `3m`, `2h`, `5d`; `now` if it is not past.
    package static func age(of moment: Timestamp, at now: Timestamp) -> String {
        let seconds = (now - moment).components.seconds
        return seconds > 0 ? Self.rough(seconds) : "now"
    }

    /// How long there is until a moment, in its largest unit; `now` if it is past.
    package static func rest(until moment: Timestamp, at now: Timestamp) -> String {
        Self.age(of: now, at: moment)
    }

    private static func rough(_ seconds: Int64) -> String {
        switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3_600: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3_600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// `part` of `whole` in percent with one digit after the point; `-` if there is no whole.
    package static func percent(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "-" }
        let tenths = Int((Double(part) / Double(whole) * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }

    /// The quotient with two digits after the point and `x`: `3.41x`; `-` if the divisor is 0.
    package static func ratio(_ dividend: Int, to divisor: Int) -> String {
        guard divisor > 0 else { return "-" }
        let hundredths = Int((Double(dividend) / Double(divisor) * 100).rounded())
        let fraction = String(hundredths % 100 + 100).dropFirst()
        return "\(hundredths / 100).\(fraction)x"
    }

    /// `1 entry`, `2 entries`.
    package static func count(_ number: Int, _ singular: String, _ plural: String) -> String {
        "\(number) \(number == 1 ? singular : plural)"
    }
}

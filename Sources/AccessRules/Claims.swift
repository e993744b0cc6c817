/// The claims of an identity token, as far as any rule looks at them.
///
/// Systems differ in how they write the same thing: GitLab sends `"true"` where others send `true`, and numbers come as
/// text or not. So a claim is asked for in the form that the question needs.
package struct Claims: Sendable, Hashable {
    /// The value of a claim; objects count as nothing.
    package enum Value: Sendable, Hashable {
        case text(String)
        case number(Double)
        case flag(Bool)
        case list([String])
        case nothing
    }

    /// The values by the claims' names.
    package var values: [String: Value]

    /// Creates claims.
    package init(_ values: [String: Value]) { self.values = values }

    /// A claim as text; whole numbers count as their digits.
    package func text(_ name: String) -> String? {
        switch self.values[name] {
        case .text(let text): text.isEmpty ? nil : text
        case .number(let number): Int64(exactly: number).map(String.init)
        case .flag, .list, .nothing, nil: nil
        }
    }

    /// A claim as true or false, also where it is written as text; `nil` if it is neither.
    package func flag(_ name: String) -> Bool? {
        switch self.values[name] {
        case .flag(let flag): flag
        case .text("true"): true
        case .text("false"): false
        default: nil
        }
    }

    /// A claim as a list; a text is a list of one.
    package func list(_ name: String) -> [String] {
        switch self.values[name] {
        case .list(let list): list
        case .text(let text): [text]
        default: []
        }
    }

    /// A claim as seconds since 1970.
    package func seconds(_ name: String) -> Double? {
        guard case .number(let seconds) = self.values[name], seconds.isFinite, abs(seconds) < 1e12 else { return nil }
        return seconds
    }
}

extension Claims: Codable {
    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Reads a JSON object.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        var values: [String: Value] = [:]
        for name in container.allKeys {
            if let text = try? container.decode(String.self, forKey: name) {
                values[name.stringValue] = .text(text)
            } else if let flag = try? container.decode(Bool.self, forKey: name) {
                values[name.stringValue] = .flag(flag)
            } else if let number = try? container.decode(Double.self, forKey: name) {
                values[name.stringValue] = .number(number)
            } else if let list = try? container.decode([String].self, forKey: name) {
                values[name.stringValue] = .list(list)
            } else {
                values[name.stringValue] = .nothing
            }
        }
        self.values = values
    }

    /// Writes a JSON object.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        for (name, value) in self.values {
            let name = Name(stringValue: name)
            switch value {
            case .text(let text): try container.encode(text, forKey: name)
            case .number(let number):
                if let whole = Int64(exactly: number) {
                    try container.encode(whole, forKey: name)
                } else {
                    try container.encode(number, forKey: name)
                }
            case .flag(let flag): try container.encode(flag, forKey: name)
            case .list(let list): try container.encode(list, forKey: name)
            case .nothing: try container.encodeNil(forKey: name)
            }
        }
    }
}

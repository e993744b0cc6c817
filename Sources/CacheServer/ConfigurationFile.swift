internal import Yams

/// The configuration file: a flat YAML mapping with the names of the flags as keys.
enum ConfigurationFile {
    /// Reads the settings in `text`; what is wrong goes to `problems`, each with its line.
    static func read(_ path: String, text: String, problems: inout [String]) throws -> [String: String] {
        guard let document = try Yams.compose(yaml: text) else { return [:] }
        guard let mapping = document.mapping else {
            problems.append("\(path): it is no mapping; write lines such as 'max-size: 50GB'")
            return [:]
        }
        let known = Set(Setting.all.map(\.name))
        var values: [String: String] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            let line = key.mark.map { ":\($0.line)" } ?? ""
            guard known.contains(name), name != "config" else {
                problems.append(
                    "\(path)\(line): '\(name)' is no setting; known are \(known.sorted().joined(separator: ", "))"
                )
                continue
            }
            guard let scalar = value.scalar else {
                problems.append("\(path)\(line): \(name) has to be a single value")
                continue
            }
            values[name] = scalar.string
        }
        return values
    }
}

@testable import KeyTemplates
import Support

// Glob patterns: matching agrees with a table that looks at every pair of positions, however the pattern is built.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    // Pattern and name stand in one text, with a NUL in between.
    let place = input.firstIndex(of: 0) ?? count
    let text = String(decoding: input[..<place], as: UTF8.self)
    let name = String(decoding: input[min(place + 1, count)...], as: UTF8.self)
    let pattern = GlobPattern(text)
    let isMatch = pattern.matches(name)
    // The table takes the product of both lengths.
    if text.utf8.count * name.utf8.count <= 16_384 {
        let expected = isExpected(pattern, name)
        require(isMatch == expected, "'\(text)' and '\(name)': \(isMatch), expected \(expected)")
    }
    return 0
}

private func isExpected(_ pattern: GlobPattern, _ name: String) -> Bool {
    let other = GlobPattern(name)
    guard pattern.root == other.root else { return false }
    let names = name.dropFirst(other.root.count).split(separator: "/").filter { $0 != "." }
    let components = pattern.components
    // Row after row: whether the first components match the first names.
    var matched = [Bool](repeating: false, count: names.count + 1)
    matched[0] = true
    for (index, component) in components.enumerated() {
        var next = [Bool](repeating: false, count: names.count + 1)
        for place in 0...names.count {
            if component == .anyDepth {
                let isLast = index == components.count - 1
                next[place] = (0...place).contains { matched[$0] && !(isLast && $0 == place) }
            } else if place > 0, matched[place - 1] {
                next[place] = GlobPattern.matches(names[place - 1], component)
            }
        }
        matched = next
    }
    return matched[names.count]
}

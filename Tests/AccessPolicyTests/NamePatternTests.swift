import CacheModel
import Testing

@testable import AccessPolicy

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("release/*", "release/1", true), ("release/*", "release", false), ("*", "", true), ("", "", true),
        ("main", "main", true), ("main", "mainly", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "acb", false),
        ("*ab", "aab", true), ("ab*ab", "ab", false),
    ]) func `a star stands for any text`(pattern: String, name: String, matches: Bool) {
        #expect(NamePattern(pattern).matches(name) == matches)
    }
}

import Testing

@testable import KeyTemplates

struct GlobPatternTests {
    @Test(arguments: [
        ("**/*.txt", "a/b/c.txt", true), ("**/*.txt", "c.txt", true), ("a/**", "a", false), ("a/**", "a/b/c", true),
        ("a/**/b", "a/b", true), ("a/**/b/**/c", "a/x/b/y/b/c", true), ("a/**/b/**/c", "a/x/c", false),
        ("[]a]x", "]x", true), ("[a", "[a", true), ("[z-a]", "m", false), ("[!z-a]", "m", true), ("[a-]", "-", true),
        ("*[", "x[", true), ("a?c", "a/c", false), ("~/a", "~/a", true), ("/a", "a", false), ("./a//b", "a/b", true),
    ])
    func `a pattern stands for names`(pattern: String, name: String, matches: Bool) {
        #expect(GlobPattern(pattern).matches(name) == matches)
    }

    @Test func `patterns and names of any make are compared soon`() {
        let folders = String(repeating: "**/a/", count: 5_000)
        #expect(!GlobPattern(folders + "b").matches(String(repeating: "a/", count: 5_000) + "c"))
        let brackets = String(repeating: "[", count: 60_000)
        #expect(!GlobPattern("*" + brackets).matches(String(repeating: "[", count: 255)))
    }
}

import CacheModel
@testable import JobContext
import KeyTemplates
import Support

// CircleCI's YAML: steps that are pasted, and whole configs.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = text(start, count)
    // One of them for each input, because all of them parse it again.
    switch count % 4 {
    case 0:
        guard let node = try? YAMLParser.parse(text) else { break }
        let limits = YAMLParser.Limits()
        let isSmall = node.weight <= limits.nodes && node.height <= limits.depth
        require(isSmall, "\(node.weight) nodes, \(node.height) levels")
    case 1: consume(try? CacheStep.parse(text, expecting: .restore))
    case 2: consume(try? CacheStep.parse(text, expecting: .save))
    default: consume(try? ConfigLint(text, in: context))
    }
    return 0
}

private struct NoFiles: TemplateFiles {
    func contents(of path: String) throws(FileFailure) -> FileContents {
        throw FileFailure("open", path: path, reason: "no such file or directory")
    }
    func kind(of path: String) -> FileKind? { nil }
    func list(_ folder: String) throws(FileFailure) -> [FolderItem] { [] }
}

private let context = ExpansionContext(
    branch: "main",
    workingDirectory: "/w",
    home: "/home",
    now: Timestamp(milliseconds: 1_700_000_000_000),
    architecture: "linux-amd64",
    files: NoFiles()
)

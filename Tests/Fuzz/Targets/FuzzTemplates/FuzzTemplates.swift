import CacheModel
@testable import KeyTemplates
import Support

// Key templates: what is parsed, written in its usual spelling, parses as the same; expanding and linting never trap.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = text(start, count)
    let template: KeyTemplate
    do throws(KeyTemplateError) {
        template = try KeyTemplate(text)
    } catch {
        require((0...text.utf8.count).contains(error.offset), "an error at byte \(error.offset)")
        return 0
    }
    checkSpelling(template)
    checkExpansion(template)
    guard let literal = try? KeyTemplate("deps-{{ .Branch }}") else { return 0 }
    consume(TemplateLint.check(template))
    consume(TemplateLint.checkRestore([template, literal, template]))
    consume(TemplateLint.checkSave(template, restoredBy: [template]))
    consume(KeySetLint.check(saves: [template, literal], restores: [literal, template]))
    require(KeyPatternText(template).isPrefix(of: KeyPatternText(template)), "a template is no start of itself")
    return 0
}

private func checkSpelling(_ template: KeyTemplate) {
    var spelling = ""
    var isAmbiguous = false
    for segment in template.segments {
        switch segment.content {
        case .literal(let text):
            spelling += text
            // A brace before an action would become part of its start.
            isAmbiguous = isAmbiguous || text.utf8.last == UInt8(ascii: "{")
        case .action: spelling += "{{ \(segment.source) }}"
        }
    }
    guard !isAmbiguous, spelling.utf8.count <= KeyTemplate.maximumLength else { return }
    let again = try? KeyTemplate(spelling)
    let isSame = again?.segments.map(\.content) == template.segments.map(\.content)
    require(isSame, "'\(spelling)' parses as something else")
}

private func checkExpansion(_ template: KeyTemplate) {
    let key: ExpandedKey
    do {
        key = try template.expand(in: context)
    } catch {
        return require((0...template.text.utf8.count).contains(error.offset), "an error at byte \(error.offset)")
    }
    require(key.text == key.parts.map(\.value).joined(), "the key is not the sum of its parts")
    require(key.parts.count == template.segments.count, "a part of the key is missing")
    guard let usable = try? key.cacheKey() else { return }
    require(usable.text == key.text && key.text.utf8.count <= CacheKey.maximumJobLength, "a key is too long")
}

/// Files that exist only here: every path that ends in `.txt`, and folders above them.
private struct InventedFiles: TemplateFiles {
    func contents(of path: String) throws(FileFailure) -> FileContents {
        guard self.kind(of: path) == .file else {
            throw FileFailure("open", path: path, reason: "no such file or directory")
        }
        return FileContents(digest: digest, text: path)
    }

    func kind(of path: String) -> FileKind? {
        path.hasSuffix(".txt") ? .file : path == "/w" || path == "/w/sub" || path == "/home" ? .folder : nil
    }

    func list(_ folder: String) throws(FileFailure) -> [FolderItem] {
        switch folder {
        case "/w": [FolderItem(name: "a.txt", isLink: false), FolderItem(name: "sub", isLink: false)]
        case "/w/sub": [FolderItem(name: "b.txt", isLink: false), FolderItem(name: "w", isLink: true)]
        default: []
        }
    }
}

private let digest = KeyChecksum.digest(of: [1])
private let context = ExpansionContext(
    branch: "main",
    environment: { $0.hasPrefix("A") ? $0 : nil },
    workingDirectory: "/w",
    home: "/home",
    now: Timestamp(milliseconds: 1_700_000_000_000),
    architecture: "linux-amd64",
    files: InventedFiles()
)

@testable import AccessPolicy
import CacheModel
@testable import JobContext
import Support

// The words of requests and flags: what is accepted is written as it was read, and equal words have equal bytes.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    let kind = feed.number(below: 8)
    let text = String(decoding: feed.rest, as: UTF8.self)
    switch kind {
    case 0: checkDigest(text)
    case 1: checkKey(text)
    case 2: checkProject(text)
    case 3: checkScope(&feed)
    case 4: checkQuantities(text)
    case 5: checkRepository(text)
    case 6: checkPercent(text)
    default: checkRange(&feed)
    }
    return 0
}

private func isSame(_ one: String, _ other: String) -> Bool { one.utf8.elementsEqual(other.utf8) }

private func checkDigest(_ text: String) {
    guard let digest = try? Digest(hex: text) else { return }
    require(isSame(digest.description, text), "a digest is written differently")
    require(digest.bytes.withUnsafeBytes { Digest(loading: $0) } == digest, "a digest's bytes are another digest")
}

private func checkKey(_ text: String) {
    guard let key = try? CacheKey(text) else { return }
    require(isSame(key.text, text) && (1...CacheKey.maximumLength).contains(text.utf8.count), "a key changes")
}

private func checkProject(_ text: String) {
    if let project = try? ProjectName(text) {
        require(isSame(project.description, text), "a project is written differently")
        require(ProjectPattern(project).covers(project), "a project's own pattern does not cover it")
        require((try? ProjectPattern(text)).map { $0.covers(project) } ?? false, "'\(text)' does not cover itself")
    }
    guard let pattern = try? ProjectPattern(text) else { return }
    require(isSame(pattern.description, text), "a pattern is written differently")
}

private func checkScope(_ feed: inout Feed) {
    let (one, other) = (feed.text(), feed.text())
    if let first = try? Scope(one), let second = try? Scope(other) {
        require(isSame(first.text, one), "a scope changes")
        require((first == second) == isSame(one, other), "scopes are equal that have different bytes")
    }
    if let first = try? CacheKey(one), let second = try? CacheKey(other) {
        require((first == second) == isSame(one, other), "keys are equal that have different bytes")
    }
    let isMatch = NamePattern(one).matches(other)
    if one.utf8.count * other.utf8.count <= 4_096 {
        require(isMatch == isExpected(Array(one.utf8), Array(other.utf8)), "'\(one)' and '\(other)': \(isMatch)")
    }
}

/// Whether a pattern with `*` matches, by a table over all pairs of positions.
private func isExpected(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
    var matched = [Bool](repeating: false, count: name.count + 1)
    matched[0] = true
    for byte in pattern {
        var next = [Bool](repeating: false, count: name.count + 1)
        var isReached = false
        for place in 0...name.count {
            isReached = isReached || matched[place]
            let isNext = place > 0 && matched[place - 1] && name[place - 1] == byte
            next[place] = byte == UInt8(ascii: "*") ? isReached : isNext
        }
        matched = next
    }
    return matched[name.count]
}

private func checkQuantities(_ text: String) {
    if let bytes = Quantity.bytes(text) {
        require(bytes >= 0, "\(bytes) bytes")
        consume(Quantity.describe(bytes: bytes))
    }
    if let duration = Quantity.duration(text) {
        require(duration >= .zero, "\(duration)")
        consume(Quantity.describe(duration))
        consume(Timestamp(milliseconds: .max) + duration)
    }
}

private func checkRepository(_ text: String) {
    if let project = RemoteURL.project(text) {
        require((try? ProjectName(project.description)) == project, "a project of a URL is none")
    }
    let bare = RemoteURL.withoutCredentials(text)
    require(isSame(RemoteURL.withoutCredentials(bare), bare), "'\(text)' keeps credentials")
}

private func checkPercent(_ text: String) {
    guard let bytes = try? PercentCoding.decodeBytes(text, what: "x") else { return }
    require(bytes.count <= text.utf8.count, "decoding makes more bytes")
    let written = bytes.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    require((try? PercentCoding.decodeBytes(written, what: "x")) == bytes, "encoded bytes decode as others")
    let decoded = try? PercentCoding.decode(text, what: "x")
    require(decoded.map { Array($0.utf8) == bytes } ?? (String(validating: bytes, as: UTF8.self) == nil), "not UTF-8")
}

private func checkRange(_ feed: inout Feed) {
    let size = Int(truncatingIfNeeded: feed.word() >> 1) >> feed.number(below: 64)
    let text = String(decoding: feed.rest, as: UTF8.self)
    guard case .part(let range) = ByteRange.parse(text, size: size) else { return }
    require(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= size, "range \(range) of \(size)")
}

internal import FoundationEssentials

/// The members as the wire has them: one column for each property, paths
/// front-coded against the path before.
struct MemberColumns {
    let message: Tarn_Layer_V1_MembersMessage

    init(_ message: Tarn_Layer_V1_MembersMessage) { self.message = message }

    init(_ members: MemberList) {
        var message = Tarn_Layer_V1_MembersMessage()
        var suffixes: [UInt8] = []
        var targets: [UInt8] = []
        var kinds: [UInt8] = []
        var previous: [UInt8] = []
        for index in members.indices {
            let (shared, suffix) = members.withPath(at: index) { path in
                let shared = zip(previous, path).lazy.prefix { $0 == $1 }.count { _ in true }
                previous.replaceSubrange(shared..., with: path[shared...])
                suffixes.append(contentsOf: path[shared...])
                return (shared, path.count - shared)
            }
            message.sharedSizes.append(UInt32(shared))
            message.suffixSizes.append(UInt32(suffix))
            kinds.append(members.kind(at: index).rawValue)
            switch members.kind(at: index) {
            case .directory: message.modes.append(UInt32(members.mode(at: index)))
            case .file:
                message.modes.append(UInt32(members.mode(at: index)))
                message.sizes.append(UInt64(members.size(at: index)))
            case .symlink, .hardlink:
                let count = members.withTarget(at: index) { target in
                    targets.append(contentsOf: target)
                    return target.count
                }
                message.targetSizes.append(UInt32(count))
            }
        }
        message.suffixes = Data(suffixes)
        message.targets = Data(targets)
        message.kinds = Data(kinds)
        self.message = message
    }

    /// Rebuilds the list; every count is checked against the bytes that are there before anything is allocated.
    func list() throws -> MemberList {
        let count = self.message.kinds.count
        guard count <= MemberList.maximumCount else {
            throw LayerFormatError("a recipe lists \(count) members, more than \(MemberList.maximumCount)")
        }
        guard self.message.sharedSizes.count == count, self.message.suffixSizes.count == count else {
            throw LayerFormatError("a recipe's columns have different lengths")
        }
        var suffixes = ByteReader(Array(self.message.suffixes), "paths")
        var targets = ByteReader(Array(self.message.targets), "link targets")
        var modes = self.message.modes.makeIterator()
        var sizes = self.message.sizes.makeIterator()
        var targetSizes = self.message.targetSizes.makeIterator()
        var members = MemberList()
        var path: [UInt8] = []
        var target: [UInt8] = []
        var (pathBytes, totalSize) = (0, 0)
        for (index, rawKind) in Array(self.message.kinds).enumerated() {
            guard let kind = MemberKind(rawValue: rawKind) else {
                throw LayerFormatError("a recipe lists a member of unknown kind \(rawKind)")
            }
            let shared = Int(self.message.sharedSizes[index])
            let suffixSize = Int(self.message.suffixSizes[index])
            guard shared <= path.count, shared + suffixSize <= Member.maximumPathLength else {
                throw LayerFormatError("a recipe's path \(index) is damaged")
            }
            path.removeSubrange(shared...)
            path += try suffixes.take(suffixSize)
            // A few bytes can stand for a long path, over and over.
            pathBytes += path.count
            guard pathBytes <= MemberList.maximumPathBytes else {
                throw LayerFormatError("a recipe's paths have more than \(MemberList.maximumPathBytes) bytes in all")
            }
            target.removeAll(keepingCapacity: true)
            var (mode, size): (UInt16, Int) = (kind == .symlink ? 0o777 : 0, 0)
            switch kind {
            case .directory: mode = try Self.mode(&modes)
            case .file:
                mode = try Self.mode(&modes)
                guard let number = sizes.next(), number <= 1 << 50 else {
                    throw LayerFormatError("a recipe lacks a size")
                }
                size = Int(number)
                totalSize += size
                guard totalSize <= 1 << 50 else {
                    throw LayerFormatError("a recipe's files have more than 2^50 bytes in all")
                }
            case .symlink, .hardlink:
                guard let number = targetSizes.next() else { throw LayerFormatError("a recipe lacks a link target") }
                target += try targets.take(Int(number))
            }
            path.withUnsafeBufferPointer { path in
                target.withUnsafeBufferPointer { target in
                    members.append(path: path, kind: kind, mode: mode, size: size, target: target)
                }
            }
        }
        guard suffixes.isAtEnd, targets.isAtEnd, modes.next() == nil, sizes.next() == nil, targetSizes.next() == nil
        else { throw LayerFormatError("a recipe's columns have bytes left over") }
        return members
    }

    private static func mode(_ modes: inout IndexingIterator<[UInt32]>) throws -> UInt16 {
        guard let mode = modes.next(), mode <= 0o777 else { throw LayerFormatError("a recipe lacks a usable mode") }
        return UInt16(mode)
    }
}

/// Takes pieces off the front of some bytes.
private struct ByteReader {
    private let bytes: [UInt8]
    private let what: String
    private var position = 0

    init(_ bytes: [UInt8], _ what: String) {
        self.bytes = bytes
        self.what = what
    }

    var isAtEnd: Bool { self.position == self.bytes.count }

    mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= self.bytes.count - self.position else {
            throw LayerFormatError("a recipe's \(self.what) end too early")
        }
        defer { self.position += count }
        return self.bytes[self.position..<self.position + count]
    }
}

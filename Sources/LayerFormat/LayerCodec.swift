public import CacheModel
internal import FoundationEssentials
internal import SwiftProtobuf

extension Recipe {
    /// The recipe's blob: protobuf as in `layer.proto`, deterministic.
    ///
    /// - Throws: Nothing for recipes that obey the limits of ``MemberList`` and ``Recipe``.
    public func encoded() throws -> [UInt8] {
        var message = Tarn_Layer_V1_RecipeMessage()
        message.format = Self.format
        message.streamSize = UInt64(self.streamSize)
        message.treeDigest = self.treeDigest.data
        message.chunkSizes = self.chunks.map { UInt32($0.size) }
        var digests: [UInt8] = []
        digests.reserveCapacity(self.chunks.count * Digest.byteCount)
        for chunk in self.chunks { chunk.digest.append(to: &digests) }
        message.chunkDigests = Data(digests)
        message.members = MemberColumns(self.members).message
        message.contentDigests = self.contentDigests.data
        return try message.serializedBytes()
    }

    /// Reads a recipe's blob and checks that its columns fit together.
    ///
    /// The members' paths are not judged here: ``MemberList/validate(root:)`` does that.
    ///
    /// - Throws: ``LayerFormatError``.
    public init(decoding bytes: [UInt8]) throws {
        guard bytes.count <= Self.maximumBlobSize else {
            throw LayerFormatError("a recipe has \(bytes.count) bytes, more than \(Self.maximumBlobSize)")
        }
        let message = try decodeMessage(Tarn_Layer_V1_RecipeMessage.self, bytes, "recipe")
        try checkFormat(message.format, Self.format, "recipe")
        let digests = try digestList(message.chunkDigests, "chunk digests of a recipe")
        guard digests.count == message.chunkSizes.count else {
            throw LayerFormatError("a recipe has \(message.chunkSizes.count) chunk sizes and \(digests.count) digests")
        }
        var total = 0
        for size in message.chunkSizes {
            guard size > 0, size <= UInt32(Self.maximumChunkSize) else {
                throw LayerFormatError("a recipe lists a chunk of \(size) bytes")
            }
            total += Int(size)
        }
        guard message.streamSize == UInt64(total) else {
            throw LayerFormatError("a recipe's chunks add up to \(total) bytes, its stream to \(message.streamSize)")
        }
        self.init(
            treeDigest: try digest(message.treeDigest, "tree digest of a recipe"),
            streamSize: total,
            chunks: zip(digests, message.chunkSizes).map { ChunkReference(digest: $0, size: Int($1)) },
            members: try MemberColumns(message.members).list(),
            contentDigests: try digest(message.contentDigests, "content digests of a recipe")
        )
    }
}

/// The blob with the digest of each file of a layer.
public enum ContentDigests {
    /// Writes the blob.
    ///
    /// - Throws: Nothing for lists of at most ``MemberList/maximumCount`` digests.
    public static func encode(_ digests: [Digest]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digests.count * Digest.byteCount)
        for digest in digests { digest.append(to: &bytes) }
        var message = Tarn_Layer_V1_ContentDigestsMessage()
        message.digests = Data(bytes)
        return try message.serializedBytes()
    }

    /// Reads the blob of a layer with `count` files.
    ///
    /// - Throws: ``LayerFormatError``.
    public static func decode(_ bytes: [UInt8], count: Int) throws -> [Digest] {
        let message = try decodeMessage(Tarn_Layer_V1_ContentDigestsMessage.self, bytes, "list of content digests")
        let digests = try digestList(message.digests, "content digests")
        guard digests.count == count else {
            throw LayerFormatError("a layer has \(count) files and \(digests.count) content digests")
        }
        return digests
    }
}

extension Stamps {
    /// The stamps' blob: protobuf as in `layer.proto`.
    ///
    /// - Throws: Nothing for stamps of at most ``MemberList/maximumCount`` members.
    public func encoded() throws -> [UInt8] {
        var message = Tarn_Layer_V1_StampsMessage()
        message.format = Self.format
        var previous: Int64 = 0
        message.mtimeDeltas = self.mtimes.map { mtime in
            defer { previous = mtime }
            return mtime &- previous
        }
        var previousMember = 0
        message.pycMemberDeltas = self.pycStamps.map { stamp in
            defer { previousMember = stamp.member }
            return UInt32(stamp.member - previousMember)
        }
        message.pycStamps = self.pycStamps.map(\.value)
        message.sparseFiles = self.sparseFiles.map { file in
            var sparse = Tarn_Layer_V1_SparseFileMessage()
            sparse.member = UInt32(file.member)
            var end = 0
            for extent in file.extents {
                sparse.extents.append(UInt64(extent.lowerBound - end))
                sparse.extents.append(UInt64(extent.count))
                end = extent.upperBound
            }
            return sparse
        }
        return try message.serializedBytes()
    }

    /// Reads stamps that belong to `members`.
    ///
    /// - Throws: ``LayerFormatError`` if they do not fit the members.
    public init(decoding bytes: [UInt8], for members: MemberList) throws {
        let message = try decodeMessage(Tarn_Layer_V1_StampsMessage.self, bytes, "stamps blob")
        try checkFormat(message.format, Self.format, "stamps blob")
        guard message.mtimeDeltas.count == members.count, message.pycMemberDeltas.count == message.pycStamps.count
        else {
            throw LayerFormatError("stamps of \(message.mtimeDeltas.count) members do not fit \(members.count) members")
        }
        var mtime: Int64 = 0
        let mtimes = message.mtimeDeltas.map { delta in
            mtime &+= delta
            return mtime
        }
        var member = 0
        let pycStamps = try zip(message.pycMemberDeltas, message.pycStamps).map { delta, value in
            member += Int(delta)
            guard member < members.count, members.kind(at: member) == .file, members.size(at: member) >= 16 else {
                throw LayerFormatError("a .pyc stamp belongs to member \(member), which is no .pyc file")
            }
            return PycStamp(member: member, value: value)
        }
        let sparseFiles = try message.sparseFiles.map { try SparseFile(decoding: $0, for: members) }
        self.init(mtimes: mtimes, pycStamps: pycStamps, sparseFiles: sparseFiles)
    }
}

extension Stamps.SparseFile {
    fileprivate init(decoding message: Tarn_Layer_V1_SparseFileMessage, for members: MemberList) throws {
        let member = Int(message.member)
        guard member < members.count, members.kind(at: member) == .file, message.extents.count % 2 == 0 else {
            throw LayerFormatError("a sparse map belongs to member \(member), which is no file")
        }
        let size = members.size(at: member)
        var extents: [Range<Int>] = []
        var end = 0
        for index in stride(from: 0, to: message.extents.count, by: 2) {
            let (gap, length) = (message.extents[index], message.extents[index + 1])
            guard gap <= UInt64(size), length <= UInt64(size), end + Int(gap) + Int(length) <= size else {
                throw LayerFormatError("a sparse map goes beyond the \(size) bytes of member \(member)")
            }
            extents.append(end + Int(gap)..<end + Int(gap) + Int(length))
            end += Int(gap) + Int(length)
        }
        self.init(member: member, extents: extents)
    }
}

/// Decodes a message and names what was read if it cannot be.
func decodeMessage<M: Message>(_ type: M.Type, _ bytes: [UInt8], _ what: String) throws -> M {
    do {
        return try M(serializedBytes: bytes)
    } catch {
        throw LayerFormatError("a \(what) of \(bytes.count) bytes is damaged")
    }
}

func checkFormat(_ format: UInt32, _ known: UInt32, _ what: String) throws {
    guard format == known else {
        throw LayerFormatError("a \(what) has format \(format), this program reads \(known); use a newer Tarn")
    }
}

func digest(_ data: Data, _ what: String) throws -> Digest {
    guard data.count == Digest.byteCount else {
        throw LayerFormatError("the \(what) has \(data.count) bytes, expected \(Digest.byteCount)")
    }
    return data.withUnsafeBytes { Digest(loading: $0) }
}

private func digestList(_ data: Data, _ what: String) throws -> [Digest] {
    guard data.count % Digest.byteCount == 0 else {
        throw LayerFormatError("the \(what) have \(data.count) bytes, expected a multiple of \(Digest.byteCount)")
    }
    return data.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: Digest.byteCount).map { offset in
            Digest(loading: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Digest.byteCount]))
        }
    }
}

extension Digest {
    var data: Data { Data(self.bytes) }
}

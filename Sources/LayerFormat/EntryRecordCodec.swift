internal import CacheModel
internal import FoundationEssentials
internal import SwiftProtobuf

extension EntryRecord {
    /// The record's blob: protobuf as in `layer.proto`.
    ///
    /// - Throws: Nothing for records within the limits of their parts.
    public func encoded() throws -> [UInt8] {
        var message = Tarn_Layer_V1_EntryRecordMessage()
        message.format = Self.format
        message.project = self.project.description
        message.scope = self.scope.text
        message.key = self.key.text
        message.createdAt = self.createdAt.milliseconds
        message.expiresAt = self.expiresAt?.milliseconds ?? 0
        message.layers = self.layers.map(\.message)
        message.provenance = self.provenance.message
        if let signature = self.signature { message.signature = Data(signature.packed) }
        return try message.serializedBytes()
    }

    /// Reads a record's blob.
    ///
    /// - Throws: ``LayerFormatError``, ``CacheModel/InvalidKey`` or ``CacheModel/CacheError``.
    public init(decoding bytes: [UInt8]) throws {
        let message = try decodeMessage(Tarn_Layer_V1_EntryRecordMessage.self, bytes, "entry record")
        try checkFormat(message.format, Self.format, "entry record")
        self.init(
            project: try ProjectName(message.project),
            scope: try Scope(message.scope),
            key: try CacheKey(message.key),
            createdAt: Timestamp(milliseconds: message.createdAt),
            expiresAt: message.expiresAt == 0 ? nil : Timestamp(milliseconds: message.expiresAt),
            layers: try message.layers.map { try Layer($0) },
            provenance: try Provenance(message.provenance),
            signature: message.signature.isEmpty ? nil : EntrySignature(packed: message.signature)
        )
    }
}

extension Layer {
    fileprivate var message: Tarn_Layer_V1_LayerMessage {
        var message = Tarn_Layer_V1_LayerMessage()
        message.path = self.path
        message.anchor = self.anchor.rawValue
        message.treeDigest = self.treeDigest.data
        message.recipe = self.recipe.data
        message.stamps = self.stamps.data
        message.size = UInt64(self.size)
        message.memberCount = UInt64(self.memberCount)
        message.chunkCount = UInt64(self.chunkCount)
        return message
    }

    fileprivate init(_ message: Tarn_Layer_V1_LayerMessage) throws {
        guard let anchor = Anchor(rawValue: message.anchor) else {
            throw LayerFormatError("a layer has the unknown anchor '\(message.anchor)'")
        }
        self.init(
            path: message.path,
            anchor: anchor,
            treeDigest: try digest(message.treeDigest, "tree digest of a layer"),
            recipe: try digest(message.recipe, "recipe digest of a layer"),
            stamps: try digest(message.stamps, "stamps digest of a layer"),
            size: Int(clamping: message.size),
            memberCount: Int(clamping: message.memberCount),
            chunkCount: Int(clamping: message.chunkCount)
        )
    }
}

extension Provenance {
    fileprivate var message: Tarn_Layer_V1_ProvenanceMessage {
        var message = Tarn_Layer_V1_ProvenanceMessage()
        message.template = self.template
        message.parts = self.parts.map { part in
            var result = Tarn_Layer_V1_ProvenanceMessage.Part()
            result.source = part.source
            result.value = part.value
            result.isLiteral = part.isLiteral
            return result
        }
        message.files = self.files.map { file in
            var result = Tarn_Layer_V1_ProvenanceMessage.File()
            result.path = file.path
            result.digest = file.digest.data
            if let text = file.text { result.text = text }
            return result
        }
        if let branch = self.branch { message.branch = branch }
        if let revision = self.revision { message.revision = revision }
        if let build = self.build { message.build = build }
        if let system = self.system { message.system = system }
        if let host = self.host { message.host = host }
        return message
    }

    fileprivate init(_ message: Tarn_Layer_V1_ProvenanceMessage) throws {
        self.init(
            template: message.template,
            parts: message.parts.map { Part(source: $0.source, value: $0.value, isLiteral: $0.isLiteral) },
            files: try message.files.map { file in
                ChecksummedFile(
                    path: file.path,
                    digest: try digest(file.digest, "digest of a checksummed file"),
                    text: file.hasText ? file.text : nil
                )
            },
            branch: message.hasBranch ? message.branch : nil,
            revision: message.hasRevision ? message.revision : nil,
            build: message.hasBuild ? message.build : nil,
            system: message.hasSystem ? message.system : nil,
            host: message.hasHost ? message.host : nil
        )
    }
}

package import CacheModel
package import LayerKernels
internal import NativeAPI
internal import SQLiteCatalog
internal import StorageInterface

/// The check of a stopped server's audit log.
package enum FolderAudit {
    /// Recomputes the whole chain; changes nothing.
    ///
    /// - Parameters:
    ///   - path: The data folder; no server may have it.
    ///   - remembered: The hash of a head that was seen earlier.
    /// - Returns: What was found.
    /// - Throws: ``CacheModel/CacheError`` if the folder is in use, is not Tarn's, or its database cannot be read.
    package static func verify(_ path: String, remembered: Digest?) async throws -> AuditVerdict {
        let folder = try DataFolder(path, creating: false)
        let catalog = try SQLiteCatalog(path: folder.catalogPath, access: .readOnly, readers: 1)
        let verdict = try await AuditVerdict.check(remembered: remembered) { last in
            try await catalog.auditPage(AuditFilter(after: last, limit: 1_000))
        }
        try catalog.close()
        return verdict
    }

    /// The verdict as JSON.
    package static func json(_ verdict: AuditVerdict) throws -> String {
        String(decoding: try NativeJSON.encode(verdict), as: UTF8.self)
    }
}

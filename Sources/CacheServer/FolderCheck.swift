package import CacheService
internal import Logging
internal import NIOPosix
internal import NativeAPI
internal import SQLiteCatalog

/// The check of a stopped server's folder.
package enum FolderCheck {
    /// Compares the folder's rows with its bytes, both ways.
    ///
    /// - Parameters:
    ///   - path: The data folder; no server may have it.
    ///   - readData: Whether to read every blob.
    ///   - repair: Whether to mark damaged blobs as missing and to delete bytes without a row.
    ///   - subset: Which part of the blobs to look at.
    /// - Returns: What was found.
    /// - Throws: ``CacheModel/CacheError`` if the folder is in use, is not Tarn's, or cannot be opened.
    package static func run(
        _ path: String,
        readData: Bool,
        repair: Bool,
        subset: BlobSubset = .all
    ) async throws
        -> CheckReport
    {
        let folder = try DataFolder(path, creating: false)
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        var configuration = ServerConfiguration()
        configuration.data = path
        let logger = Logger(label: "tarnd") { _ in SwiftLogNoOpLogHandler() }
        let report: CheckReport
        do {
            let storage = try await Storage.open(folder, configuration, threads)
            let service = storage.makeService(configuration, logger: logger)
            report = try await service.checkStore(readData: readData, repair: repair, subset: subset)
            try storage.catalog.checkpoint()
            try storage.catalog.close()
        } catch {
            try? await threads.shutdownGracefully()
            throw error
        }
        try await threads.shutdownGracefully()
        return report
    }
}

extension FolderCheck {
    /// The report as the native API's message.
    package static func json(_ report: CheckReport) throws -> String {
        let response = CheckResponse(
            checkedBlobs: report.checkedBlobs,
            checkedBytes: report.checkedBytes,
            problems: report.problems,
            repaired: report.repaired
        )
        return String(decoding: try NativeJSON.encode(response), as: UTF8.self)
    }
}

internal import CacheModel
internal import CacheService
internal import DiskBlobs
internal import GatewayKit
internal import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import NativeGateway
internal import SQLiteCatalog
internal import ServiceLifecycle
internal import StorageInterface
internal import UnixSignals

/// The composition root: the only place that names a concrete store or gateway.
package struct TarnServer: Sendable {
    /// Tarn's version.
    package static let version = "0.1.0"

    private let group: ServiceGroup
    private let folder: DataFolder
    private let catalog: SQLiteCatalog
    private let service: CacheService
    private let threads: NIOThreadPool
    private let logger: Logger

    /// Opens the data folder and puts everything together; ``run()`` starts to listen.
    ///
    /// - Parameters:
    ///   - configuration: What the server was told.
    ///   - logger: The log.
    ///   - signals: Whether SIGTERM and SIGINT stop the server.
    ///   - onRunning: Called with the port once it is bound.
    /// - Throws: ``CacheModel/CacheError`` if the folder is in use, is not Tarn's, or cannot be opened.
    package init(
        _ configuration: ServerConfiguration,
        logger: Logger,
        signals: Bool = true,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        let folder = try DataFolder(configuration.data)
        let threads = NIOThreadPool(numberOfThreads: configuration.threads)
        threads.start()
        let storage = try await Storage.open(folder, configuration, threads)
        let service = storage.makeService(configuration, logger: logger)
        let metrics = Metrics()
        let gateway = NativeGateway(
            service: service,
            limits: configuration.limits,
            metrics: metrics,
            probe: ServerProbe(folder: folder, service: service, threads: threads, metrics: metrics)
        )
        let fastPath = FastPath.Environment(
            answers: gateway.hotAnswers,
            observer: FastObserver(route: NativeGateway.blobRoute, metrics: metrics, logger: logger),
            threads: threads
        )
        let application = Application(
            router: Self.makeRouter(gateway, metrics),
            server: HTTPServerBuilder { responder in
                Connection(
                    responder: responder,
                    timeouts: configuration.timeouts,
                    maximumHeaderSize: configuration.maximumHeaderSize,
                    fastPath: fastPath
                )
            },
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                availableConnectionsDelegate: .maximum(configuration.maximumConnections, logger: logger)
            ),
            onServerRunning: { channel in
                await Self.announce(channel.localAddress?.port ?? 0, configuration, logger, onRunning)
            },
            logger: logger
        )
        let jobs = Self.makeJobs(configuration, service, metrics, logger)
        var lifetimes = ServiceGroupConfiguration(
            services: jobs + [application],
            gracefulShutdownSignals: signals ? [.sigterm, .sigint] : [],
            logger: logger.quiet
        )
        lifetimes.maximumGracefulShutdownDuration = configuration.shutdownTime
        self.group = ServiceGroup(configuration: lifetimes)
        (self.folder, self.catalog, self.service) = (folder, storage.catalog, service)
        (self.threads, self.logger) = (threads, logger)
    }

    /// Serves until it is told to stop; requests in flight finish, then the database is checkpointed and closed.
    package func run() async throws {
        await self.note(.serverStarted, "version \(Self.version)")
        var failure: (any Error)?
        do {
            try await self.group.run()
        } catch {
            failure = error
        }
        await self.note(.serverStopped, failure.map { "\($0)" } ?? "")
        do {
            try self.catalog.checkpoint()
            try self.catalog.close()
        } catch {
            self.logger.error("the database was not closed cleanly", metadata: ["error": "\(error)"])
        }
        try await self.threads.shutdownGracefully()
        self.logger.info("stopped", metadata: ["data": "\(self.folder.path)"])
        if let failure { throw failure }
    }

    /// Writes into the audit log; a disk that takes nothing does not keep the server from reading.
    private func note(_ action: AuditEvent.Action, _ detail: String) async {
        do {
            try await self.service.note(action, by: AuditEvent.server, detail: detail)
        } catch {
            self.logger.error("nothing was added to the audit log", metadata: ["error": "\(error)"])
        }
    }

    /// Tells the server to stop, as SIGTERM does.
    package func stop() async { await self.group.triggerGracefulShutdown() }

    private static func makeRouter(_ gateway: NativeGateway, _ metrics: Metrics) -> Router<GatewayContext> {
        let router = Router(context: GatewayContext.self, options: .autoGenerateHeadEndpoints)
        let table = RouteTable()
        router.add(middleware: RequestEnvelope(fallback: gateway, routes: table, metrics: metrics))
        router.mount(gateway)
        table.fill(from: router)
        return router
    }

    private static func makeJobs(
        _ configuration: ServerConfiguration,
        _ service: CacheService,
        _ metrics: Metrics,
        _ logger: Logger
    ) -> [any Service] {
        [
            RepeatedJob(name: "flush", interval: configuration.flushInterval, logger: logger, runsAtEnd: true) {
                try await service.flushTraffic()
            },
            RepeatedJob(name: "collect", interval: configuration.collectInterval, logger: logger, runsAtEnd: false) {
                metrics.note(try await service.collect())
            },
            // The number of rows that are dropped at once is not bounded, but each day drops about a day's.
            RepeatedJob(name: "trim-audit", interval: .seconds(86_400), logger: logger, runsAtEnd: false) {
                try await service.trimAudit()
            },
        ]
    }

    private static func announce(
        _ port: Int,
        _ configuration: ServerConfiguration,
        _ logger: Logger,
        _ onRunning: @Sendable (Int) async -> Void
    ) async {
        if let path = configuration.portFile {
            do {
                try AtomicFile.write("\(port)\n", to: path)
            } catch {
                logger.error("the port file was not written", metadata: ["error": "\(error)"])
            }
        }
        logger.notice(
            "listening",
            metadata: ["address": "\(configuration.host):\(port)", "version": "\(Self.version)"]
        )
        await onRunning(port)
    }
}

/// The stores of a data folder.
struct Storage: Sendable {
    let folder: DataFolder
    let blobs: VerifyingBlobStore<DiskBlobStore>
    let catalog: SQLiteCatalog
    let threads: NIOThreadPool

    static func open(
        _ folder: DataFolder,
        _ configuration: ServerConfiguration,
        _ threads: NIOThreadPool
    ) async throws -> Self {
        try CatalogFiles.requireNotLost(in: folder)
        // SQLite removes its log when it is closed.
        let isSuspect = CatalogFiles.hasLog(folder.catalogPath) || folder.databaseBytes <= CatalogFiles.smallSize
        do {
            let storage = try await self.open(
                folder,
                catalogPath: folder.catalogPath,
                isStrict: configuration.durability == .strict,
                threads
            )
            if isSuspect { try await threads.runIfActive { try storage.catalog.requireSound() } }
            return storage
        } catch let error as CacheError where error.code == .corrupt {
            throw CacheError(
                .corrupt,
                "the database '\(folder.catalogPath)' is damaged; make a new one with "
                    + "tarnd rebuild-index --data '\(folder.path)'",
                cause: error
            )
        }
    }

    /// Opens the folder's blobs with a database that may have another name than the folder's own.
    static func open(
        _ folder: DataFolder,
        catalogPath: String,
        isStrict: Bool,
        _ threads: NIOThreadPool
    ) async throws -> Self {
        let disk = try await DiskBlobStore(
            directory: folder.path,
            threads: threads,
            durability: isStrict ? .strict : .relaxed
        )
        let catalog = try await threads.runIfActive {
            try SQLiteCatalog(path: catalogPath, durability: isStrict ? .strict : .relaxed)
        }
        let blobs = VerifyingBlobStore(disk) { work in try await threads.runIfActive(work) }
        return Self(folder: folder, blobs: blobs, catalog: catalog, threads: threads)
    }

    func makeService(_ configuration: ServerConfiguration, logger: Logger) -> CacheService {
        var service = configuration.service
        let folder = self.folder
        service.spoolDirectory = folder.spoolPath
        service.recordKey = folder.recordKey
        service.serverKey = folder.serverKey
        service.overheadBytes = { folder.databaseBytes }
        return CacheService(
            blobs: self.blobs,
            catalog: self.catalog,
            threads: self.threads,
            configuration: service,
            logger: logger
        )
    }
}

extension Logger {
    /// The log for libraries whose information is noise here.
    var quiet: Logger {
        var logger = self
        logger.logLevel = max(.warning, self.logLevel)
        return logger
    }
}

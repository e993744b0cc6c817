internal import AccessControl
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
    /// The threads that write blobs: as many as hang with a hung disk, while the others go on reading.
    private static let writerCount = 4

    private let group: ServiceGroup
    private let folder: DataFolder
    private let catalog: SQLiteCatalog
    private let service: CacheService
    private let threads: [NIOThreadPool]
    private let logger: Logger

    /// Opens the data folder and puts everything together; ``run()`` starts to listen.
    ///
    /// - Parameters:
    ///   - configuration: What the server was told.
    ///   - logger: The log.
    ///   - setup: What decides about access beside the tokens of the folder.
    ///   - signals: Whether SIGTERM and SIGINT stop the server.
    ///   - onRunning: Called with the port once it is bound.
    /// - Throws: ``CacheModel/CacheError`` if the folder is in use, is not Tarn's, or cannot be opened.
    package init(
        _ configuration: ServerConfiguration,
        logger: Logger,
        access setup: AccessSetup = AccessSetup(),
        signals: Bool = true,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        let folder = try DataFolder(configuration.data)
        let threads = NIOThreadPool(numberOfThreads: configuration.threads)
        threads.start()
        let writers = NIOThreadPool(numberOfThreads: Self.writerCount)
        writers.start()
        let spoolers = NIOThreadPool(numberOfThreads: Self.writerCount)
        spoolers.start()
        let watch = VolumeWatch(folder, configuration, writers, spoolers: spoolers)
        let storage = try await Storage.open(folder, configuration, threads, writers: writers)
        let service = storage.makeService(configuration, logger: logger, watch)
        let scrub = ScrubJob(service, folder, rate: configuration.scrubRate, logger: logger)
        let identities = try Identities(configuration, setup, logger: logger)
        let control = try await AccessControl(folder: folder, store: storage.catalog, identities.setup)
        try configuration.requireNotExposed(isClosed: control.isClosed)
        let metrics = Metrics()
        var edge = Edge(configuration)
        edge.credentialName = { control.credentialName($0) }
        let certificates = try Certificates(configuration, metrics)
        metrics.declare("tarn_refused_connections_total", .counter, "Connections closed for their address's number.")
        metrics.count("tarn_refused_connections_total", by: 0)
        let refused = metrics.counter("tarn_refused_connections_total")
        let gateway = NativeGateway(
            service: service,
            limits: configuration.limits,
            metrics: metrics,
            probe: ServerProbe(folder: folder, service: service, watch: watch, scrub: scrub, metrics: metrics),
            control: control,
            exchange: identities.exchange
        )
        let fastPath = FastPath.Environment(
            answers: gateway.hotAnswers,
            observer: FastObserver(route: NativeGateway.blobRoute, metrics: metrics, logger: logger),
            threads: threads,
            edge: edge,
            isAllowed: control.allowsFastAnswer
        )
        let connections = Self.connections(configuration, logger)
        let census = ConnectionCensus(
            limit: connections,
            limitOfOrigin: configuration.maximumConnectionsPerAddress,
            proxies: edge.proxies
        )
        let application = Application(
            router: Self.makeRouter(gateway, metrics, edge),
            server: HTTPServerBuilder { responder in
                Connection(
                    responder: responder,
                    timeouts: configuration.timeouts,
                    maximumHeaderSize: configuration.maximumHeaderSize,
                    fastPath: fastPath,
                    census: census,
                    refused: refused,
                    certificates: certificates
                )
            },
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                availableConnectionsDelegate: .maximum(connections, logger: logger)
            ),
            onServerRunning: { channel in
                await Self.announce(channel.localAddress?.port ?? 0, configuration, logger, onRunning)
            },
            logger: logger
        )
        var jobs =
            Self.makeJobs(configuration, service, control, metrics, logger)
            + Self.makeDiskJobs(configuration, storage, service, watch, scrub, metrics, logger)
        if let certificates { jobs.append(certificates.job(logger)) }
        jobs.append(identities.job(control, service, logger))
        var lifetimes = ServiceGroupConfiguration(
            services: jobs + [application],
            gracefulShutdownSignals: signals ? [.sigterm, .sigint] : [],
            logger: logger.quiet
        )
        lifetimes.maximumGracefulShutdownDuration = configuration.shutdownTime
        self.group = ServiceGroup(configuration: lifetimes)
        (self.folder, self.catalog, self.service) = (folder, storage.catalog, service)
        (self.threads, self.logger) = ([threads, writers, spoolers], logger)
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
        for threads in self.threads { try await threads.shutdownGracefully() }
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

    /// How many connections are accepted, given the files that the process may have open.
    private static func connections(_ configuration: ServerConfiguration, _ logger: Logger) -> Int {
        let files = OpenFiles.raiseLimit()
        let connections = OpenFiles.connections(configuration.maximumConnections, ofFiles: files)
        if connections < configuration.maximumConnections {
            logger.warning(
                "fewer connections than max-connections, because few files may be open; raise LimitNOFILE or ulimit -n",
                metadata: ["connections": "\(connections)", "open.files": "\(files)"]
            )
        }
        return connections
    }

    private static func makeRouter(
        _ gateway: NativeGateway,
        _ metrics: Metrics,
        _ edge: Edge
    ) -> Router<GatewayContext> {
        let router = Router(context: GatewayContext.self, options: .autoGenerateHeadEndpoints)
        let table = RouteTable()
        router.add(middleware: RequestEnvelope(fallback: gateway, routes: table, metrics: metrics, edge: edge))
        router.mount(gateway)
        table.fill(from: router)
        return router
    }

    private static func makeJobs(
        _ configuration: ServerConfiguration,
        _ service: CacheService,
        _ control: AccessControl,
        _ metrics: Metrics,
        _ logger: Logger
    ) -> [any Service] {
        [
            RepeatedJob(name: "flush", interval: configuration.flushInterval, logger: logger, runsAtEnd: true) {
                try await service.flushTraffic()
                try await control.flushUses()
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

    /// What keeps the disk and the bytes on it healthy.
    private static func makeDiskJobs(
        _ configuration: ServerConfiguration,
        _ storage: Storage,
        _ service: CacheService,
        _ watch: VolumeWatch,
        _ scrub: ScrubJob,
        _ metrics: Metrics,
        _ logger: Logger
    ) -> [any Service] {
        let limit = min(configuration.service.policy.budget ?? .max, storage.folder.volumeBytes) / 100
        let jobs: [any Service] = [
            RepeatedJob(name: "disk", interval: .seconds(2), logger: logger, runsAtEnd: false) {
                await watch.tend()
                if service.isShortOfRoom { metrics.note(try await service.collect()) }
            },
            RepeatedJob(name: "quarantine", interval: .seconds(3_600), logger: logger, runsAtEnd: false) {
                let since = Timestamp.current + .seconds(-7 * 86_400)
                try await storage.disk.tidyQuarantine(keepingSince: since, atMost: limit)
            },
        ]
        return configuration.scrubRate > 0 ? jobs + [scrub] : jobs
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
    let disk: DiskBlobStore
    let threads: NIOThreadPool
    /// Whether the last server was stopped, and did not merely end.
    var wasStopped = true

    static func open(
        _ folder: DataFolder,
        _ configuration: ServerConfiguration,
        _ threads: NIOThreadPool,
        writers: NIOThreadPool? = nil
    ) async throws -> Self {
        try CatalogFiles.requireNotLost(in: folder)
        // SQLite removes its log when it is closed.
        let wasStopped = !CatalogFiles.hasLog(folder.catalogPath)
        let isSuspect = !wasStopped || folder.databaseBytes <= CatalogFiles.smallSize
        do {
            var storage = try await self.open(
                folder,
                catalogPath: folder.catalogPath,
                isStrict: configuration.durability == .strict,
                threads,
                writers: writers
            )
            storage.wasStopped = wasStopped
            if isSuspect { try await threads.runIfActive { [storage] in try storage.catalog.requireSound() } }
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
        _ threads: NIOThreadPool,
        writers: NIOThreadPool? = nil
    ) async throws -> Self {
        let disk = try await DiskBlobStore(
            directory: folder.path,
            threads: threads,
            writers: writers,
            durability: isStrict ? .strict : .relaxed
        )
        let catalog = try await threads.runIfActive {
            try SQLiteCatalog(path: catalogPath, durability: isStrict ? .strict : .relaxed)
        }
        let blobs = VerifyingBlobStore(disk) { work in try await threads.runIfActive(work) }
        return Self(folder: folder, blobs: blobs, catalog: catalog, disk: disk, threads: threads)
    }

    func makeService(
        _ configuration: ServerConfiguration,
        logger: Logger,
        _ watch: VolumeWatch? = nil
    ) -> CacheService {
        var service = configuration.service
        if let watch {
            service.volume = watch.volume
            let (disk, catalog) = (self.disk, self.catalog)
            service.volume.finishedWrites = { disk.finishedSyncs + catalog.finishedCommits }
        }
        if configuration.durability == .relaxed, !self.wasStopped {
            // What was written last may be on the disk in part, or not at all.
            service.verifiesEverything = true
            service.verifyAfter = service.verifyAfter ?? .seconds(7 * 86_400)
        }
        service.hasFoundDamage = self.disk.hadDamage
        let folder = self.folder
        service.spoolDirectory = folder.spoolPath
        service.recordKey = folder.recordKey
        service.overheadBytes = { folder.databaseBytes + (watch?.ballastBytes ?? 0) }
        service.serverKey = folder.serverKey
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

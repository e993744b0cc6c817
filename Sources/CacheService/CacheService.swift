package import CacheModel
package import LayerFormat
package import Logging
package import NIOPosix
package import Signatures
package import StorageInterface

/// The use cases: the only type that talks to both the blob store and the
/// catalog, and the only type that gateways talk to.
///
/// The order of effects is fixed here and nowhere else. Save: pin → bytes
/// durable → rows → entry. Collect: condemn → delete bytes → forget rows. A
/// crash anywhere leaves bytes without rows or pins that expire, never rows
/// without bytes.
package final class CacheService: Sendable {
    let blobs: any BlobStore
    let catalog: any Catalog
    let threads: NIOThreadPool
    let configuration: Configuration
    let logger: Logger
    let now: @Sendable () -> Timestamp
    let leases: Leases
    let budget: Budget
    let traffic = TrafficLog()
    let uploads = UploadsInFlight()
    let verified = VerifiedBlobs()
    let rechecked = VerifiedBlobs()
    /// Whoever stores a blob or takes it out of use is alone with it.
    let gate = DigestGate()
    /// Whoever looks at a blob for a save is alone with it.
    let inspections = DigestGate()
    /// What checks of stored bytes have done.
    package let figures = IntegrityFigures()
    /// Moves on whenever a blob may have become invisible to a project.
    package let visibility = VisibilityClock()

    /// Creates the service.
    ///
    /// - Parameters:
    ///   - blobs: Checks what it is given against its digest; see ``VerifyingBlobStore``.
    ///   - catalog: The rows that belong to `blobs`.
    ///   - threads: Where compression, hashing and blocking reads run.
    ///   - configuration: Times, budgets and limits.
    ///   - logger: For what nobody is told otherwise.
    ///   - now: The clock.
    package init(
        blobs: any BlobStore,
        catalog: any Catalog,
        threads: NIOThreadPool,
        configuration: Configuration,
        logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { .current }
    ) {
        self.blobs = blobs
        self.catalog = catalog
        self.threads = threads
        self.configuration = configuration
        self.logger = logger
        self.now = now
        self.leases = Leases(duration: configuration.leaseTime)
        self.budget = Budget(policy: configuration.policy, overhead: configuration.overheadBytes)
    }

    /// Times, budgets and limits; each has a default that serves a team.
    package struct Configuration: Sendable {
        /// The budgets and how entries are chosen when they are exceeded.
        package var policy = EvictionPolicy()
        /// How long a save may pause before its pins end.
        package var sessionTime = Duration.seconds(3_600)
        /// How long a restore may take before its bytes may be collected.
        package var leaseTime = Duration.seconds(1_800)
        /// How long a removed entry can be brought back.
        package var undoTime = Duration.seconds(86_400)
        /// How long rows of the audit log are kept, or `nil` for ever.
        package var auditTime: Duration?
        /// When entries expire whose save names no time to live.
        package var defaultTimeToLive: Duration?
        /// The longest time to live that a save may ask for.
        package var maximumTimeToLive: Duration?
        /// The most bytes of tar that an entry may have.
        package var maximumEntrySize = 64 * 1_073_741_824
        /// The most layers of an entry.
        package var maximumLayers = 64
        /// Where uploaded tars are kept while they are read; on the disk of the data folder.
        package var spoolDirectory = "/tmp"
        /// The zstd level for what the server compresses itself.
        package var compressionLevel = 3
        /// What entry records are sealed with, so that a rebuild knows them.
        package var recordKey = RecordKey()
        /// How long a blob counts as sound after it was compared with its digest; `nil` to leave that to clients.
        package var verifyAfter: Duration? = .seconds(7 * 86_400)
        /// Whether blobs of any size are compared at their first read: after a crash without syncs.
        package var verifiesEverything = false
        /// Whether damage was found before the start, and may not be all there is.
        package var hasFoundDamage = false
        /// The disk under the stores.
        package var volume = Volume()
        /// What receipts are signed with.
        package var serverKey = SigningKey()
        /// The bytes of the data folder that are no blobs, such as the database.
        package var overheadBytes: @Sendable () -> Int = { 0 }

        package init() {}
    }

    /// The undo time, for telling people.
    package var undoTime: Duration { self.configuration.undoTime }

    /// The budget, for telling people.
    package var maximumBytes: Int? { self.configuration.policy.budget }

    /// Runs blocking or CPU-heavy work off the cooperative pool.
    func offload<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await self.reading { try await self.threads.runIfActive(work) }
    }
}

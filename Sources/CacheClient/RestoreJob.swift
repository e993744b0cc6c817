package import CacheModel
internal import LayerFiles
internal import LayerFormat
internal import LayerKernels
internal import NIOCore
package import NativeAPI

/// Restores the best entry for some keys: keeps what is right on disk, fetches the rest, and swaps it into place.
package struct RestoreJob: Sendable {
    /// What is to be restored, and where to.
    package struct Request: Sendable {
        /// The keys, in order, with what explains a miss.
        package var keys: [ResolveRequest.Pattern]
        /// The folders that paths are relative to.
        package var places: Places
        /// A folder that takes the place of every anchor.
        package var target: String?
        /// The scope, if the server shall not choose.
        package var scope: Scope?
        /// Whether to say what would be done without doing it.
        package var isDryRun = false
        /// Where stat caches are kept; `nil` to keep none.
        package var cacheDirectory: String?

        package init(keys: [ResolveRequest.Pattern], places: Places) {
            self.keys = keys
            self.places = places
        }
    }

    let client: NativeClient
    let request: Request
    let report: @Sendable (TransferEvent) -> Void

    /// Creates a job.
    ///
    /// - Parameters:
    ///   - client: Where to restore from.
    ///   - request: What to restore.
    ///   - report: Is told what happens, from any thread.
    package init(
        client: NativeClient,
        request: Request,
        report: @escaping @Sendable (TransferEvent) -> Void = { _ in }
    ) {
        self.client = client
        self.request = request
        self.report = report
    }

    /// Restores.
    ///
    /// - Throws: ``CacheModel/CacheError`` or ``LayerFiles/TreeError``; what was on disk is still there then.
    package func run() async throws -> RestoreResult {
        let clock = ContinuousClock()
        let start = clock.now
        let question = ResolveRequest(
            keys: self.request.keys,
            scope: self.request.scope,
            isDryRun: self.request.isDryRun
        )
        let answer = try await self.client.resolve(question)
        var result = RestoreResult(explanations: answer.explanations ?? [])
        if answer.entry != nil, let target = self.request.target, !self.request.isDryRun {
            try await offload { try makeFolder(target) }
        }
        if let entry = answer.entry, let index = answer.keyIndex, self.request.keys.indices.contains(index) {
            let isExact = answer.isExact ?? false
            result.hit = RestoreResult.Hit(entry: entry, keyIndex: index, isExact: isExact)
            self.report(.found(entry, isExact: isExact))
            do {
                for layer in entry.layers { try await self.restore(layer, lease: answer.lease, into: &result) }
            } catch {
                await self.end(answer.lease)
                throw error
            }
            await self.end(answer.lease)
        }
        result.duration = clock.now - start
        return result
    }

    private func end(_ lease: String?) async {
        // A lease ends by itself; ending it now only lets the server collect earlier.
        guard let lease else { return }
        await cleanUp { try await self.client.endLease(lease) }
    }

    private func restore(_ layer: Layer, lease: String?, into result: inout RestoreResult) async throws {
        let folder = self.request.target ?? self.request.places.folder(of: layer.anchor)
        let (recipe, recipeBlob) = try await self.recipe(of: layer, lease: lease, into: &result)
        let (restorer, digestsBlob) = try await self.restorer(
            layer,
            recipe,
            folder: folder,
            lease: lease,
            into: &result
        )
        let plan = try await offload { try restorer.plan() }
        result.chunksTotal += recipe.chunks.count
        result.paths.append(folder == "/" ? "/" + layer.path : layer.path == "." ? folder : "\(folder)/\(layer.path)")
        if plan.isAlreadyRight { self.remember(plan.statCache, layer, folder: folder) }
        guard !self.request.isDryRun else {
            result.add(plan, of: recipe)
            return
        }
        guard !plan.isAlreadyRight else {
            result.filesKept += plan.filesToKeep
            try await offload { restorer.removeLeftovers() }
            return
        }
        let fetch = ChunkFetch(
            client: self.client,
            recipe: recipe,
            restorer: restorer,
            lease: lease,
            report: self.report
        )
        do {
            try await offload { try restorer.prepare() }
            let fetched = try await fetch.run(plan.neededChunks)
            let clock = ContinuousClock()
            let start = clock.now
            let counters = try await offload { try restorer.finish() }
            result.add(counters, fetched)
            result.writeTime += clock.now - start
            self.remember(restorer.statCache, layer, folder: folder)
            self.remember(recipeBlob, digestsBlob, layer, folder: folder)
        } catch {
            await cleanUp { try await offload { restorer.abort() } }
            throw error
        }
    }

    private func recipe(
        of layer: Layer,
        lease: String?,
        into result: inout RestoreResult
    ) async throws -> (
        Recipe, blob: [UInt8]
    ) {
        let blobs = try await self.fetch([layer.recipe], lease: lease, into: &result)
        let recipe = try await offload { try Recipe(decoding: blobs[0]) }
        guard recipe.treeDigest == layer.treeDigest else {
            throw CacheError(.corrupt, "the recipe of '\(layer.path)' is that of another tree")
        }
        return (recipe, blobs[0])
    }

    private func restorer(
        _ layer: Layer,
        _ recipe: Recipe,
        folder: String,
        lease: String?,
        into result: inout RestoreResult
    ) async throws -> (TreeRestorer, digestsBlob: [UInt8]?) {
        let directory = self.request.cacheDirectory
        let mayReuse = pathExists(layer.path == "." ? folder : "\(folder)/\(layer.path)")
        let needsDigests = mayReuse || directory != nil
        let wanted = [layer.stamps] + (needsDigests ? [recipe.contentDigests] : [])
        let blobs = try await self.fetch(wanted, lease: lease, into: &result)
        let restorer = try await offload {
            let stamps = try Stamps(decoding: blobs[0], for: recipe.members)
            let files = recipe.members.indices.count { recipe.members.kind(at: $0) == .file }
            let digests = needsDigests ? try ContentDigests.decode(blobs[1], count: files) : nil
            var options = TreeRestorer.Options()
            if mayReuse, let directory {
                options.statCache = StatCache.load(from: directory, anchor: folder, path: layer.path)
            }
            return try TreeRestorer(
                anchor: folder,
                path: layer.path,
                recipe: recipe,
                stamps: stamps,
                contentDigests: digests,
                options: options
            )
        }
        return (restorer, needsDigests ? blobs[1] : nil)
    }

    /// A stat cache only saves time; one that cannot be written is no reason to fail.
    private func remember(_ cache: StatCache, _ layer: Layer, folder: String) {
        guard let directory = self.request.cacheDirectory else { return }
        try? cache.save(to: directory, anchor: folder, path: layer.path)
    }

    /// Remembers how the tree was cut, so that a save of it reads only what the job has changed.
    private func remember(_ recipe: [UInt8], _ contentDigests: [UInt8]?, _ layer: Layer, folder: String) {
        guard let directory = self.request.cacheDirectory, let contentDigests else { return }
        try? ChunkMemory.save(
            recipe: recipe,
            contentDigests: contentDigests,
            to: directory,
            anchor: folder,
            path: layer.path
        )
    }

    /// Fetches small blobs into memory, checked.
    private func fetch(_ digests: [Digest], lease: String?, into result: inout RestoreResult) async throws -> [[UInt8]]
    {
        var blobs: [[UInt8]] = []
        var size = 0
        let decoder = BlobDecoder()
        try await self.client.fetchBlobs(digests, lease: lease) { header, stored in
            size += stored.readableBytes
            blobs.append(try decoder.decode(header, stored, limit: Recipe.maximumBlobSize) { Array($0) })
        }
        result.bytesDownloaded += size
        return blobs
    }
}

/// What a restore did.
package struct RestoreResult: Sendable {
    /// The entry that was restored.
    package struct Hit: Sendable {
        package var entry: Entry
        package var keyIndex: Int
        package var isExact: Bool
    }

    /// The entry, or `nil` on a miss.
    package var hit: Hit?
    /// On a miss, why.
    package var explanations: [MissExplanation]
    /// The absolute paths that were restored.
    package var paths: [String] = []
    package var bytesDownloaded = 0
    package var chunksDownloaded = 0
    package var chunksTotal = 0
    package var filesWritten = 0
    package var filesKept = 0
    package var filesReused = 0
    package var bytesWritten = 0
    package var duration = Duration.zero
    /// Time spent waiting for the network, summed over the transfers that ran at the same time.
    package var downloadTime = Duration.zero
    /// Time spent decompressing and checking, summed over threads.
    package var decodeTime = Duration.zero
    /// Time spent writing, summed over threads.
    package var writeTime = Duration.zero

    init(explanations: [MissExplanation]) { self.explanations = explanations }

    mutating func add(_ plan: RestorePlan, of recipe: Recipe) {
        self.chunksDownloaded += plan.neededChunks.count
        self.bytesDownloaded += plan.neededSize
        self.filesWritten += plan.filesToWrite
        self.filesKept += plan.filesToKeep
        self.filesReused += plan.filesToReuse
    }

    mutating func add(_ counters: RestoreCounters, _ fetched: ChunkFetch.Result) {
        self.filesWritten += counters.filesWritten
        self.filesKept += counters.filesKept
        self.filesReused += counters.filesReused
        self.bytesWritten += counters.bytesWritten
        self.bytesDownloaded += fetched.bytes
        self.chunksDownloaded += fetched.chunks
        self.downloadTime += fetched.downloadTime
        self.decodeTime += fetched.decodeTime
        self.writeTime += fetched.writeTime
    }
}

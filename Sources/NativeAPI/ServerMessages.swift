package import CacheModel

// The JSON bodies of what concerns a whole server, and of errors.

/// Figures of a project or of the whole server.
package struct StatisticsResponse: Codable, Sendable {
    package struct Family: Codable, Sendable {
        package var project: ProjectName
        /// The key template, or the key where there was none.
        package var family: String
        package var exactHits: Int
        package var prefixHits: Int
        package var misses: Int
        package var saves: Int
        package var knownSaves: Int
        package var bytesSent: Int
        package var bytesReceived: Int

        package init(
            project: ProjectName,
            family: String,
            exactHits: Int,
            prefixHits: Int,
            misses: Int,
            saves: Int,
            knownSaves: Int,
            bytesSent: Int,
            bytesReceived: Int
        ) {
            self.project = project
            self.family = family
            self.exactHits = exactHits
            self.prefixHits = prefixHits
            self.misses = misses
            self.saves = saves
            self.knownSaves = knownSaves
            self.bytesSent = bytesSent
            self.bytesReceived = bytesReceived
        }
    }

    package var entries: Int
    package var pinnedEntries: Int
    package var removedEntries: Int
    package var layers: Int
    package var blobs: Int
    /// Bytes of all entries' tars, as if each were stored alone.
    package var logicalBytes: Int
    /// Raw bytes of the blobs.
    package var rawBytes: Int
    /// Bytes on the disk.
    package var storedBytes: Int
    /// The server's budget, if it has one.
    package var maximumBytes: Int?
    /// Entries that are gone, by reason.
    package var removals: [String: Int]
    package var families: [Family]

    package init(
        entries: Int,
        pinnedEntries: Int,
        removedEntries: Int,
        layers: Int,
        blobs: Int,
        logicalBytes: Int,
        rawBytes: Int,
        storedBytes: Int,
        maximumBytes: Int?,
        removals: [String: Int],
        families: [Family]
    ) {
        self.entries = entries
        self.pinnedEntries = pinnedEntries
        self.removedEntries = removedEntries
        self.layers = layers
        self.blobs = blobs
        self.logicalBytes = logicalBytes
        self.rawBytes = rawBytes
        self.storedBytes = storedBytes
        self.maximumBytes = maximumBytes
        self.removals = removals
        self.families = families
    }
}

/// Runs the collector.
package struct CollectRequest: Codable, Sendable {
    package var isDryRun: Bool?

    package init(isDryRun: Bool? = nil) { self.isDryRun = isDryRun }
}

/// What the collector did, or would do.
package struct CollectResponse: Codable, Sendable {
    package var removedEntries: Int
    package var deletedBlobs: Int
    package var freedBytes: Int
    package var storedBytes: Int

    package init(removedEntries: Int, deletedBlobs: Int, freedBytes: Int, storedBytes: Int) {
        self.removedEntries = removedEntries
        self.deletedBlobs = deletedBlobs
        self.freedBytes = freedBytes
        self.storedBytes = storedBytes
    }
}

/// Checks the store.
package struct CheckRequest: Codable, Sendable {
    /// Whether to read every blob and compare it with its digest.
    package var readData: Bool?
    /// Whether to mark damaged blobs as missing and remove strays.
    package var repair: Bool?
    /// Which part of the blobs to look at, such as `3/7`; all if it is left out.
    package var subset: String?

    package init(readData: Bool? = nil, repair: Bool? = nil, subset: String? = nil) {
        self.readData = readData
        self.repair = repair
        self.subset = subset
    }
}

/// What a check found.
package struct CheckResponse: Codable, Sendable {
    package var checkedBlobs: Int
    package var checkedBytes: Int
    /// One line for each problem.
    package var problems: [String]
    /// Problems that were repaired.
    package var repaired: Int

    package init(checkedBlobs: Int, checkedBytes: Int, problems: [String], repaired: Int) {
        self.checkedBlobs = checkedBlobs
        self.checkedBytes = checkedBytes
        self.problems = problems
        self.repaired = repaired
    }
}

/// The body of every answer that is an error.
package struct ErrorResponse: Codable, Sendable {
    /// A code of ``CacheModel/CacheError``.
    package var code: String
    /// What happened, to what, and what to do next.
    package var message: String
    /// The request's identifier in the server's log.
    package var requestID: String?

    package init(code: String, message: String, requestID: String? = nil) {
        self.code = code
        self.message = message
        self.requestID = requestID
    }
}

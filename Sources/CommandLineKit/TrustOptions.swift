package import ArgumentParser
internal import CacheModel
package import Signatures

/// The flags that say which entries are trusted.
package struct TrustOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Restore only what is signed: by any trusted key, or by one of a tier. [TARN_REQUIRE_SIGNATURE]",
            valueName: "none|any|tier"
        )
    )
    package var requireSignature: String?

    @Option(
        help: ArgumentHelp(
            "A public key to trust, or a file of them, for a tier or in general; may be given again. "
                + "[TARN_TRUSTED_KEYS]",
            valueName: "[tier:]file"
        )
    )
    package var trustedKey: [String] = []

    @Option(help: ArgumentHelp("Restore nothing that is older: 36h, 7d, 2w.", valueName: "time"))
    package var maxAge: String?

    package init() {}

    package func validate() throws {
        if let age = self.maxAge, Quantity.duration(age) == nil {
            throw ValidationError("--max-age '\(age)' is no time; write 36h, 7d or 2w")
        }
    }

    /// What flags and environment say.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    package func policy(environment: [String: String] = ProcessFacts.environment()) throws -> TrustPolicy {
        var policy = try TrustPolicy.read(self.requireSignature, self.trustedKey, environment: environment)
        policy.maximumAge = self.maxAge.flatMap { Quantity.duration($0) }
        return policy
    }
}

extension TrustPolicy {
    /// Reads a policy from flags, and from the environment where there is no flag.
    ///
    /// - Throws: ``CacheModel/CacheError`` with code `invalidRequest`.
    package static func read(
        _ flag: String? = nil,
        _ keys: [String] = [],
        environment: [String: String] = ProcessFacts.environment()
    ) throws -> TrustPolicy {
        let variable = environment["TARN_REQUIRE_SIGNATURE"].flatMap { $0.isEmpty ? nil : $0 }
        var policy = TrustPolicy(requirement: Requirement(flag ?? variable ?? "none"))
        guard policy.requirement != .none else { return policy }
        policy.keys = try KeyFiles.trusted(keys, environment: environment)
        guard !policy.keys.isEmpty else {
            throw CacheError(
                .invalidRequest,
                "signatures are required, but no key is trusted; name one with --trusted-key or TARN_TRUSTED_KEYS"
            )
        }
        return policy
    }
}

@testable import AccessRules
import FoundationEssentials
import Support

// The access file, and the claims of identity tokens.

/// Runs one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var feed = Feed(start, count)
    if feed.flag() {
        readAccessFile(String(decoding: feed.rest, as: UTF8.self))
    } else {
        readClaims(Data(feed.rest))
    }
    return 0
}

/// No project's jobs are known by what anybody could choose.
private func readAccessFile(_ text: String) {
    guard let file = try? AccessFile(text, path: "access.yml") else { return }
    for binding in file.identities.bindings {
        let issuer = file.identities.issuers.first { $0.name == binding.issuer }
        let required = issuer?.provider.requiredClaims ?? []
        require(issuer != nil, "an identity of an issuer that is not there")
        require(!binding.claims.isEmpty && required.allSatisfy { binding.claims[$0] != nil }, "an identity of anybody")
    }
    for issuer in file.identities.issuers {
        require(WebOrigin(issuer.url) != nil, "an issuer without TLS: \(issuer.url)")
    }
}

/// What is read is written and read again as the same, and who says nothing of how a job began is not trusted.
private func readClaims(_ json: Data) {
    guard let claims = try? JSONDecoder().decode(Claims.self, from: json) else { return }
    if let written = try? JSONEncoder().encode(claims) {
        let again = try? JSONDecoder().decode(Claims.self, from: written)
        require(again == claims, "claims change when they are written")
    }
    let origins = ["event_name", "oidc.circleci.com/ssh-rerun", "pipeline_source", "trusted"]
    for (provider, origin) in zip([IdentityIssuer.Provider.gitHub, .circleCI, .gitLab, .generic], origins) {
        consume(JobClaims(claims, of: provider))
        var silent = claims
        silent.values[origin] = nil
        require(!JobClaims(silent, of: provider).isTrusted, "\(provider) is trusted without \(origin)")
    }
}

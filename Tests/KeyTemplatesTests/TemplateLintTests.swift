import KeyTemplates
import Testing

struct TemplateLintTests {
    private func rules(restore keys: String...) throws -> [String] {
        try TemplateLint.checkRestore(keys.map { try KeyTemplate($0) }).map(\.rule)
    }

    @Test(arguments: [
        "v1-{{ epoch }}-x-", "v1-{{ .Revision }}", "v1-{{ arch }}-{{ .BuildNum }}-x-",
        "v1-{{ .Environment.CIRCLE_WORKFLOW_ID }}-x-",
    ])
    func `a rotating part in the first unstable place is found`(key: String) throws {
        #expect(try self.rules(restore: key).contains("rotating-key"))
        let save = TemplateLint.checkSave(try KeyTemplate(key), restoredBy: [])
        #expect(save.map(\.rule) == ["rotating-key"])
        #expect(save.map(\.severity) == [.warning])
    }

    @Test func `a rotating end that a restore key leaves out is no trouble`() throws {
        let save = try KeyTemplate("v1-{{ checksum \"a\" }}-{{ epoch }}")
        let restore = try KeyTemplate("v1-{{ checksum \"a\" }}-")
        #expect(TemplateLint.checkSave(save, restoredBy: [restore]) == [])
    }

    @Test func `a step whose keys all need the branch starts cold`() throws {
        let key = #"deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}"#
        #expect(try self.rules(restore: key) == ["cold-branch"])
        #expect(try self.rules(restore: key, "deps1-{{ .Branch }}-") == ["cold-branch"])
        #expect(try self.rules(restore: key, "deps1-") == [])
    }

    @Test func `the cold branch's remedy is the prefix before the branch`() throws {
        let findings = TemplateLint.checkRestore([try KeyTemplate("deps1-{{ .Branch }}-")])
        #expect(findings.map(\.message).joined().contains("add the key 'deps1-' after it"))
    }

    @Test func `open ends are found`() throws {
        #expect(try self.rules(restore: "v1-deps").contains("open-end"))
        #expect(try self.rules(restore: "v1-{{ .Branch }}", "v1-").contains("open-end"))
        #expect(try self.rules(restore: "v1-deps-") == [])
    }

    @Test func `a key behind its own prefix is never used`() throws {
        #expect(try self.rules(restore: "v1-", "v1-{{ checksum \"a\" }}") == ["shadowed-key"])
        #expect(try self.rules(restore: "v1-{{ checksum \"a\" }}", "v1-") == [])
    }

    @Test func `keys are compared across steps`() throws {
        let saves = try ["v1-app-", "v1-app-new-", "x-{{ checksum \"a\" }}"].map { try KeyTemplate($0) }
        let restores = try ["v1-app-", "y-", "x-{{ checksum \"b\" }}"].map { try KeyTemplate($0) }
        let results = KeySetLint.check(saves: saves, restores: restores)
        #expect(results.map(\.finding.rule) == ["never-restored", "never-saved", "never-saved", "prefix-trap"])
        #expect(results.map(\.subject) == [.save(2), .restore(1), .restore(2), .restore(0)])
    }

    @Test func `what only might match is not reported`() throws {
        let saves = try ["v1-{{ .Branch }}-x", "v2-<< parameters.a >>"].map { try KeyTemplate($0) }
        let restores = try ["v1-main-", "v2-b-{{ checksum \"a\" }}"].map { try KeyTemplate($0) }
        #expect(KeySetLint.check(saves: saves, restores: restores) == [])
    }

    @Test func `values show missing files, empty parts and keys that are too long`() throws {
        let folder = TemporaryFolder()
        let context = folder.context(branch: nil, environment: ["X": String(repeating: "x", count: 900)])
        func rules(_ key: String) throws -> [String] {
            TemplateLint.check(try KeyTemplate(key), in: context).map(\.rule)
        }
        #expect(try rules(#"v1-{{ checksum "none" }}"#) == ["missing-file"])
        #expect(try rules("v1-{{ .Branch }}-") == ["empty-segment"])
        #expect(try rules("v1-{{ .Environment.X }}") == ["long-key"])
        #expect(try rules("v1-x-") == [])
    }

    @Test func `odd characters and parameters are noted`() throws {
        #expect(TemplateLint.check(try KeyTemplate("v1:a?b-{{ .Branch }}")).map(\.rule) == ["characters"])
        #expect(TemplateLint.check(try KeyTemplate("v1-<< parameters.a >>-")).map(\.rule) == ["unexpanded-parameter"])
        #expect(TemplateLint.check(try KeyTemplate("v1_python-3.11-")) == [])
    }
}

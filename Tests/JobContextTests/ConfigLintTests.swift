import CacheModel
import JobContext
import KeyTemplates
import Testing

struct ConfigLintTests {
    private let folder = TemporaryFolder()

    private var context: ExpansionContext {
        ExpansionContext(
            branch: "main",
            workingDirectory: self.folder.path,
            home: "/home/ci",
            now: .init(milliseconds: 0),
            architecture: "arch1-linux-amd64-6_85"
        )
    }

    private static let config = #"""
        version: 2.1
        jobs:
          test:
            docker: [{image: python}]
            steps:
              - checkout
              - restore_cache:
                  key: deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}
              - run: pip install -r requirements.txt
              - save_cache:
                  key: deps1-{{ .Branch }}-{{ checksum "requirements.txt" }}
                  paths: [venv]
          build:
            steps:
              - when:
                  condition: << pipeline.parameters.image >>
                  steps:
                    - restore_cache:
                        keys:
                          - v1-{{ .Branch }}
                    - save_cache:
                        key: v1-{{ .Branch }}
                        paths: [/caches/app.tar]
        """#

    @Test func `the example pipeline's steps are found with their keys and lines`() throws {
        self.folder.write("requirements.txt", "")
        let lint = try ConfigLint(Self.config, in: self.context)
        #expect(lint.steps.map(\.owner) == ["job test", "job test", "job build", "job build"])
        #expect(lint.steps.map(\.line) == [7, 10, 18, 21])
        #expect(lint.steps.map(\.kind) == [.restore, .save, .restore, .save])
        let key = "deps1-main-47DEQpj8HBSa+_TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        #expect(lint.steps.flatMap(\.keys).map(\.expanded) == [key, key, "v1-main", "v1-main"])
        #expect(lint.steps.flatMap(\.keys).map(\.line) == [8, 11, 20, 22])
        #expect(lint.findings.map(\.finding.rule) == ["cold-branch", "open-end", "cold-branch"])
        #expect(lint.findings.map(\.line) == [8, 20, 20])
        #expect(lint.worst == .warning)
    }

    @Test func `a missing file is found where it is named`() throws {
        let lint = try ConfigLint(Self.config, in: self.context)
        let missing = lint.findings.filter { $0.finding.rule == "missing-file" }
        #expect(missing.map(\.line) == [8, 11])
        #expect(lint.steps.first?.keys.map(\.expanded) == [nil])
    }

    @Test func `commands, orbs, parameters and workflows have steps too`() throws {
        let lint = try ConfigLint(
            """
            commands:
              deps:
                parameters:
                  after: {type: steps, default: [{save_cache: {key: a-, paths: [x]}}]}
                steps:
                  - unless: {condition: x, steps: [{restore_cache: {key: a-}}]}
            orbs:
              node: circleci/node@5
              own:
                commands:
                  get: {steps: [{restore_cache: {key: b-}}]}
            workflows:
              version: 2
              main:
                jobs:
                  - lint
                  - test:
                      pre-steps: [{save_cache: {key: b-1, paths: [y]}}]
            """,
            in: self.context
        )
        #expect(
            lint.steps.map(\.owner) == [
                "command deps", "command deps", "orb own, command get", "workflow main, job test",
            ]
        )
        #expect(lint.findings == [])
    }

    @Test func `what is wrong across jobs is found`() throws {
        let lint = try ConfigLint(
            """
            jobs:
              a:
                steps:
                  - save_cache: {key: app-, paths: [x]}
                  - save_cache: {key: other-, paths: [x]}
              b:
                steps:
                  - restore_cache: {keys: [app-, gone-]}
                  - save_cache: {key: app-, paths: [y]}
                  - save_cache: {key: app-new-, paths: [y]}
            """,
            in: self.context
        )
        let found = lint.findings.map { "\($0.line) \($0.finding.rule)" }
        #expect(found == ["5 never-restored", "8 never-saved", "8 prefix-trap", "9 same-key-other-paths"])
    }

    @Test func `a broken step or key is a finding and the others are still checked`() throws {
        let lint = try ConfigLint(
            """
            jobs:
              a:
                steps:
                  - save_cache: {key: v1-, path: x}
                  - restore_cache:
                      keys:
                        - v1-{{ nope }}
                        - v2-<< parameters.x >>-
                  - save_cache: {key: v2-b-, paths: [x]}
            """,
            in: self.context
        )
        #expect(lint.findings.map(\.finding.rule) == ["invalid-step", "invalid-template", "unexpanded-parameter"])
        #expect(lint.findings.map(\.line) == [4, 7, 8])
        #expect(lint.worst == .error)
    }

    @Test func `a text that is no config is refused`() {
        #expect(throws: YAMLError.self) { try ConfigLint("name: Build\non: push\n", in: self.context) }
        #expect(throws: YAMLError.self) { try ConfigLint("", in: self.context) }
    }
}

package import KeyTemplates

/// Reads a `.circleci/config.yml` and says what its cache steps will do, and what is wrong with them.
package struct ConfigLint: Hashable, Sendable {
    /// A key of a step, and what it gives in the context of the lint.
    package struct Key: Hashable, Sendable {
        /// The key as it stands in the file.
        package var template: String
        /// Its line, from 1.
        package var line: Int
        /// What it expands to; `nil` if it cannot be expanded.
        package var expanded: String?
    }

    /// A cache step in the file.
    package struct Step: Hashable, Sendable {
        /// Which step it is.
        package var kind: CacheStep.Kind
        /// Where it stands: `job test`, `command restore-deps`, `orb tools, command deps`.
        package var owner: String
        /// Its line, from 1.
        package var line: Int
        /// Its keys in order.
        package var keys: [Key]
        /// What a save stores.
        package var paths: [String]
    }

    /// Something to change in the file.
    package struct Finding: Hashable, Sendable {
        /// Where it is: `job test`.
        package var owner: String
        /// The line, from 1.
        package var line: Int
        /// What it is and what to do about it.
        package var finding: LintFinding
    }

    /// The cache steps in the order of the file.
    package private(set) var steps: [Step] = []
    /// The findings in the order of lines.
    package private(set) var findings: [Finding] = []

    /// The worst finding's severity; `nil` if there is none.
    package var worst: LintFinding.Severity? { self.findings.map(\.finding.severity).max() }

    /// Lints the text of a config.
    ///
    /// - Throws: ``YAMLError`` if the text is not YAML or has neither jobs nor commands nor orbs.
    package init(_ text: String, in context: ExpansionContext) throws(YAMLError) {
        let root = try YAMLParser.parse(text)
        guard root["jobs"] != nil || root["commands"] != nil || root["orbs"] != nil else {
            throw YAMLError(
                line: 1,
                "there are no jobs in this text; give a CircleCI config such as .circleci/config.yml"
            )
        }
        var finder = ConfigSteps()
        finder.visit(root, prefix: "")
        var saves: [Located] = []
        var restores: [Located] = []
        for found in finder.found {
            let step: CacheStep
            do {
                step = try CacheStep(found.kind, fields: found.fields, line: found.line)
            } catch {
                self.add(.init(.error, "invalid-step", error.message), owner: found.owner, line: error.line)
                continue
            }
            let keys = self.add(step, owner: found.owner, context)
            if step.kind == .save { saves += keys } else { restores += keys }
        }
        self.checkTogether(saves: saves, restores: restores)
        self.findings = Self.ordered(self.findings)
    }

    private struct Located {
        var template: KeyTemplate
        var owner: String
        var line: Int
        var paths: [String]
    }

    private mutating func add(_ finding: LintFinding, owner: String, line: Int) {
        self.findings.append(Finding(owner: owner, line: line, finding: finding))
    }

    private mutating func add(_ step: CacheStep, owner: String, _ context: ExpansionContext) -> [Located] {
        var located: [Located] = []
        var keys: [Key] = []
        for key in step.keys {
            do {
                let template = try KeyTemplate(key.template)
                located.append(Located(template: template, owner: owner, line: key.line, paths: step.paths))
                keys.append(
                    Key(template: key.template, line: key.line, expanded: try? template.expand(in: context).text)
                )
                for finding in TemplateLint.check(template) + TemplateLint.check(template, in: context) {
                    self.add(finding, owner: owner, line: key.line)
                }
            } catch {
                keys.append(Key(template: key.template, line: key.line, expanded: nil))
                let message = error.description + (error.hint.map { "; \($0)" } ?? "")
                self.add(.init(.error, "invalid-template", message), owner: owner, line: key.line)
            }
        }
        if step.kind == .restore {
            let line = located.first?.line ?? step.line
            for finding in TemplateLint.checkRestore(located.map(\.template)) {
                self.add(finding, owner: owner, line: Self.line(of: finding, among: located) ?? line)
            }
        }
        self.steps.append(Step(kind: step.kind, owner: owner, line: step.line, keys: keys, paths: step.paths))
        return located
    }

    /// The line of the key that a finding starts its sentence with.
    private static func line(of finding: LintFinding, among keys: [Located]) -> Int? {
        let named = keys.filter { finding.message.contains("'\($0.template.text)'") }
        return finding.rule == "shadowed-key"
            ? named.first { finding.message.hasPrefix("'\($0.template.text)'") }?.line : named.first?.line
    }

    private mutating func checkTogether(saves: [Located], restores: [Located]) {
        let templates = restores.map(\.template)
        for save in saves {
            for finding in TemplateLint.checkSave(save.template, restoredBy: templates) {
                self.add(finding, owner: save.owner, line: save.line)
            }
        }
        for result in KeySetLint.check(saves: saves.map(\.template), restores: templates) {
            let key =
                switch result.subject {
                case .save(let index): saves[index]
                case .restore(let index): restores[index]
                }
            self.add(result.finding, owner: key.owner, line: key.line)
        }
        for (index, save) in saves.enumerated() {
            let earlier = saves[..<index].first { other in
                other.template.text == save.template.text && Set(other.paths) != Set(save.paths)
            }
            guard let earlier else { continue }
            let message =
                "'\(save.template)' is saved with other paths on line \(earlier.line), and the first save wins; "
                + "give the two saves different keys"
            self.add(.init(.warning, "same-key-other-paths", message), owner: save.owner, line: save.line)
        }
    }

    private static func ordered(_ findings: [Finding]) -> [Finding] {
        var seen: Set<Finding> = []
        return
            findings
            .filter { seen.insert($0).inserted }
            .enumerated()
            .sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
            .map(\.element)
    }
}

/// Finds the cache steps of a CircleCI config, wherever steps can stand.
struct ConfigSteps {
    struct Found {
        var kind: CacheStep.Kind
        var owner: String
        var line: Int
        var fields: YAMLNode
    }

    private(set) var found: [Found] = []

    /// Visits a config or an inline orb: jobs, commands, orbs in it, and the steps that workflows add to jobs.
    mutating func visit(_ root: YAMLNode, prefix: String) {
        for (section, word) in [("commands", "command"), ("jobs", "job")] {
            for pair in root[section]?.pairs ?? [] {
                self.visitSteps(pair.value["steps"], owner: "\(prefix)\(word) \(pair.key)")
                self.visitParameters(pair.value["parameters"], owner: "\(prefix)\(word) \(pair.key)")
            }
        }
        for pair in root["orbs"]?.pairs ?? [] where pair.value.pairs != nil {
            self.visit(pair.value, prefix: "\(prefix)orb \(pair.key), ")
        }
        for workflow in root["workflows"]?.pairs ?? [] {
            for call in workflow.value["jobs"]?.items?.flatMap({ $0.pairs ?? [] }) ?? [] {
                let owner = "\(prefix)workflow \(workflow.key), job \(call.key)"
                for name in ["pre-steps", "post-steps"] { self.visitSteps(call.value[name], owner: owner) }
            }
        }
    }

    /// Parameters of type `steps` can have steps as their default.
    private mutating func visitParameters(_ parameters: YAMLNode?, owner: String) {
        for pair in parameters?.pairs ?? [] where pair.value["type"]?.text == "steps" {
            self.visitSteps(pair.value["default"], owner: owner)
        }
    }

    private mutating func visitSteps(_ steps: YAMLNode?, owner: String) {
        for item in steps?.items ?? [] {
            for pair in item.pairs ?? [] {
                if let kind = CacheStep.Kind(rawValue: pair.key) {
                    self.found.append(Found(kind: kind, owner: owner, line: pair.line, fields: pair.value))
                } else {
                    // `when`, `unless`, `with_tool_cache`, and commands that take steps.
                    for inner in pair.value.pairs ?? [] where inner.key.hasSuffix("steps") {
                        self.visitSteps(inner.value, owner: owner)
                    }
                }
            }
        }
    }
}

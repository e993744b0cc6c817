import CacheModel
import KeyTemplates
import Testing

struct KeyTemplateTests {
    @Test(arguments: [
        ("deps1-{{ .Branch }}-x", "deps1-main-x"),
        ("{{.Branch}}{{arch}}", "mainarch1-linux-amd64-6_85"),
        ("{{\t.BuildNum\n}}-{{ .Revision }}-{{ .CheckoutKey }}", "42-c0ffee-key"),
        ("{{ epoch }}", "1700000000"),
        ("{{ .Environment.CACHE_VERSION }}", "7"),
        ("a {{- .Branch -}} b", "amainb"),
        ("a {{- epoch }}", "a1700000000"),
        ("a {{- epoch -}} b", "a1700000000b"),
        ("a } }} b {", "a } }} b {"),
        ("", ""),
    ])
    func `actions expand to their values, with any white space around them`(template: String, key: String) throws {
        let folder = TemporaryFolder()
        let context = folder.context(environment: ["CACHE_VERSION": "7"])
        let expanded = try KeyTemplate(template).expand(in: context)
        #expect(expanded.text == key)
        #expect(expanded.warnings == [])
    }

    @Test func `parts record what was written and what it became`() throws {
        let folder = TemporaryFolder()
        folder.write("requirements.txt", "django\n")
        let template = #"deps1-{{ .Branch }}-{{  checksum   "requirements.txt"}}"#
        let expanded = try KeyTemplate(template).expand(in: folder.context())
        #expect(expanded.parts.map(\.source) == ["deps1-", ".Branch", "-", #"checksum "requirements.txt""#])
        #expect(expanded.parts.map(\.isLiteral) == [true, false, true, false])
        #expect(expanded.parts.map(\.value).joined() == expanded.text)
        #expect(expanded.files.map(\.path) == ["requirements.txt"])
        #expect(expanded.files.map(\.text) == ["django\n"])
    }

    @Test(arguments: [#"hashFiles('it"s', 'a\b')"#, #"hashFiles "it\"s" "a\\b""#])
    func `the usual spelling of an action is the same action`(action: String) throws {
        let template = try KeyTemplate("{{ \(action) }}")
        let source = try #require(template.segments.first?.source)
        #expect(try KeyTemplate("{{ \(source) }}").actions == template.actions)
        #expect(template.actions == [.hashFiles([#"it"s"#, #"a\b"#])])
    }

    @Test(arguments: [
        ("v1-{{ parameters.key }}", #"template: cacheKey:1: function "parameters" not defined"#, 6),
        ("a\n{{ nope }}", #"template: cacheKey:2: function "nope" not defined"#, 5),
        ("x{{ .Branch", "template: cacheKey:1: unclosed action", 11),
        ("{{", "template: cacheKey:1: unclosed action", 2),
        ("{{ }}", "template: cacheKey:1: missing value for command", 3),
        (#"{{ checksum "a }}"#, "template: cacheKey:1: unterminated quoted string", 12),
        ("{{ checksum `a }}", "template: cacheKey:1: unterminated raw quoted string", 12),
        ("{{ .Branch # }}", "template: cacheKey:1: unrecognized character in action: U+0023 '#'", 11),
        ("{{ .Branch | x }}", #"template: cacheKey:1: unexpected "|" in operand"#, 11),
        (
            "v1-{{ checksum }}",
            #"template: cacheKey:1:6: executing "cacheKey" at <checksum>: wrong number of args for checksum: want 1 got 0"#,
            6
        ),
        (
            "{{ .Tag }}",
            #"template: cacheKey:1:3: executing "cacheKey" at <.Tag>: can't evaluate field Tag in type cacheKey"#, 3
        ),
    ])
    func `errors are worded as Go words them and carry the offset`(template: String, message: String, offset: Int) {
        do {
            _ = try KeyTemplate(template)
            Issue.record("'\(template)' was parsed")
        } catch {
            #expect(error.description == "error computing cache key: " + message)
            #expect(error.offset == offset)
        }
    }

    @Test func `a config parameter written as an action is explained`() {
        #expect {
            try KeyTemplate("{{ parameters.key }}")
        } throws: { error in
            (error as? KeyTemplateError)?.hint?.contains("CircleCI's config compiler") ?? false
        }
    }

    @Test func `a parameter that nobody resolved stays as it is, with a warning`() throws {
        let folder = TemporaryFolder()
        let template = try KeyTemplate("v1-<< parameters.app >>-{{ .Branch }}")
        #expect(template.unexpandedParameters == ["<< parameters.app >>"])
        let expanded = try template.expand(in: folder.context())
        #expect(expanded.text == "v1-<< parameters.app >>-main")
        #expect(expanded.warnings.count == 1)
        #expect(expanded.warnings[0].contains("<< parameters.app >>"))
    }

    @Test func `a missing file is an error with the path that was opened`() throws {
        let folder = TemporaryFolder()
        let template = try KeyTemplate(#"deps-v1-{{ checksum "pyproject.toml" }}"#)
        do {
            _ = try template.expand(in: folder.context())
            Issue.record("the key was expanded")
        } catch {
            #expect(
                error.description
                    == "error computing cache key: template: cacheKey:1:11: executing \"cacheKey\" at "
                    + "<checksum \"pyproject.toml\">: error calling checksum: open \(folder.path)/pyproject.toml: "
                    + "no such file or directory"
            )
            #expect(error.kind == .unreadableFile("\(folder.path)/pyproject.toml"))
        }
    }

    @Test func `a folder and a pipe are refused instead of hashed`() throws {
        let context = TemporaryFolder().context()
        #expect(throws: KeyTemplateError.self) { try KeyTemplate(#"{{ checksum "/" }}"#).expand(in: context) }
        #expect(throws: KeyTemplateError.self) { try KeyTemplate(#"{{ checksum "/dev/null" }}"#).expand(in: context) }
    }

    @Test(arguments: ["{{ .Branch }}", "{{ .Environment.CACHE_VERSION }}", "{{ .CheckoutKey }}"])
    func `an action without a value warns and says what to set`(action: String) throws {
        let folder = TemporaryFolder()
        var context = folder.context(branch: "")
        context.checkoutKey = nil
        let expanded = try KeyTemplate("v1-\(action)-x").expand(in: context)
        #expect(expanded.text == "v1--x")
        #expect(expanded.warnings.count == 1)
        #expect(expanded.warnings[0].contains("; set "))
    }

    @Test func `a key of 900 bytes is accepted and one of 901 is not`() throws {
        let folder = TemporaryFolder()
        let context = folder.context(environment: ["X": String(repeating: "x", count: 897)])
        #expect(try KeyTemplate("v1-{{ .Environment.X }}").expand(in: context).cacheKey().text.utf8.count == 900)
        let long = try KeyTemplate("v10-{{ .Environment.X }}").expand(in: context)
        #expect {
            try long.cacheKey()
        } throws: { error in
            "\(error)".contains("901 bytes, more than the 900 allowed")
        }
    }

    @Test func `a control character in a value is blamed on its action`() throws {
        let folder = TemporaryFolder()
        let context = folder.context(environment: ["X": "a\nb"])
        let expanded = try KeyTemplate("v1-{{ .Environment.X }}").expand(in: context)
        #expect {
            try expanded.cacheKey()
        } throws: { error in
            "\(error)".contains("'.Environment.X'")
        }
    }

    @Test func `any bytes are parsed or refused without a crash`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("{}\"`'.- \n\\checksumBranch<>*|(,)é".unicodeScalars)
        for _ in 0..<5_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0..<24, using: &generator) {
                text.append(alphabet[Int.random(in: alphabet.indices, using: &generator)])
            }
            let template = try? KeyTemplate(String(text))
            #expect(template == nil || template?.text == String(text))
        }
    }
}

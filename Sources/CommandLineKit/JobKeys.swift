package import CacheModel
internal import KeyTemplates

extension Settings {
    /// Expands a template into a key, telling warnings and errors the way CircleCI's agent does.
    ///
    /// - Returns: `nil` if there is no key, which is a miss on restoring and no save on saving.
    package func key(_ template: String, log: JobLog) -> (key: CacheKey, provenance: Provenance)? {
        do {
            let expanded = try KeyTemplate(template).expand(in: self.context)
            for warning in expanded.warnings { log.complain("Warning: \(warning)") }
            return (try expanded.cacheKey(), self.provenance(of: expanded))
        } catch let error as KeyTemplateError {
            log.complain("\(error)")
            if let hint = error.hint { log.complain("Hint: \(hint)") }
        } catch {
            log.complain("error computing cache key: \(error)")
        }
        return nil
    }
}

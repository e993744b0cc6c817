/// The version of all of Tarn's programs.
package enum ProgramVersion {
    package static let text = "0.1.0"
}

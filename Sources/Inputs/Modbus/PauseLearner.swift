// Headgate
// SPDX-License-Identifier: Apache-2.0

/// Finds out how long a unit wants to be left alone before each request: some ignore what follows too soon. Pure.
///
/// A request that is not answered is asked again after a long pause. Where that helps again and again, ever longer pauses
/// are tried until hardly any request is missed; where none helps, the misses have another cause.
struct PauseLearner {
    /// What is tried, in microseconds, beside what the map says.
    private static let steps: [Int64] = [5_000, 10_000, 20_000, 50_000, 100_000, 200_000]
    private static let longest: Int64 = 200_000
    /// So often a long pause has to have helped, of at most six times as many requests.
    private static let proofs = 3
    /// A pause is right when two of so many requests are not missed.
    private static let sample = 50

    /// What comes before each request, in microseconds.
    private(set) var pause: Int64
    private let least: Int64
    private var asked = 0
    private var missed = 0
    private var helped = 0
    /// The requests that were missed last, until it is known of each whether a long pause helps.
    private var suspects: [ReadRequest] = []
    /// Whether the unit answered what it was asked last.
    private var wasAnswered = false
    private var isTrying = false
    /// No pause has helped: the unit misses requests for another reason.
    private var isHopeless = false

    /// - Parameters:
    ///   - least: what the map says.
    ///   - learned: in an earlier run.
    init(least: Int64, learned: Int64? = nil) {
        self.least = least
        pause = max(least, min(learned ?? 0, Self.longest))
    }

    /// What has been learnt; nil where that is nothing beyond the map.
    var learned: Int64? { !isTrying && pause > least ? pause : nil }

    /// What is to come before a request.
    func pause(before request: ReadRequest) -> Int64 {
        suspects.contains(request) ? max(pause, Self.longest) : pause
    }

    /// Notes how a request went that came `gap` microseconds after whatever was said on the link before.
    mutating func note(_ request: ReadRequest, missed isMissed: Bool, gap: Int64) {
        guard !isHopeless, pause < Self.longest || isTrying else { return }
        defer { wasAnswered = !isMissed }
        let isTight = gap < max(Self.longest, 2 * pause)
        if let place = suspects.firstIndex(of: request) {
            suspects.remove(at: place)
            if isMissed { forget() } else { helped += 1 }
        } else if isMissed {
            // Who answers nothing at all is not in a hurry but gone.
            guard isTight, wasAnswered else { return }
            missed += 1
            if suspects.count < Self.sample { suspects.append(request) }
        }
        if isTight || !isTrying { asked += 1 }
        if isTrying { judge() } else if helped >= Self.proofs { begin() } else if asked > 6 * Self.proofs { forget() }
    }

    private mutating func begin() {
        isTrying = true
        lengthen()
    }

    private mutating func judge() {
        if missed >= 2 { return lengthen() }
        guard asked >= Self.sample else { return }
        isTrying = false
        forget()
    }

    private mutating func lengthen() {
        forget()
        suspects = []
        if let next = Self.steps.first(where: { $0 > pause }) { return pause = next }
        pause = least
        isTrying = false
        isHopeless = true
    }

    private mutating func forget() {
        (asked, missed, helped) = (0, 0, 0)
    }
}

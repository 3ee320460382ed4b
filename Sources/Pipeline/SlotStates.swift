// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The state that a stage keeps of the few series that it is asked for.
struct SlotStates<State> {
    /// The place of each slot in `states`, or -1.
    private var places: [Int32] = []
    private var states: [State] = []

    var isEmpty: Bool { states.isEmpty }

    /// - Parameters:
    ///   - state: nil where the stage is not asked for it, or no more.
    ///   - isSame: whether what there is goes on: a device that is found again is no other.
    mutating func set(_ slot: Int, _ state: State?, isSame: (State, State) -> Bool = { _, _ in false }) {
        let missing = slot - places.count + 1
        if missing > 0 { places.append(contentsOf: repeatElement(-1, count: missing)) }
        guard let state else { return places[slot] = -1 }
        if places[slot] >= 0 {
            if !isSame(states[Int(places[slot])], state) { states[Int(places[slot])] = state }
            return
        }
        places[slot] = Int32(states.count)
        states.append(state)
    }

    /// Does something with the state of a slot; nothing where there is none.
    @inline(__always)
    mutating func with<Result>(_ slot: Int, _ body: (inout State) -> Result) -> Result? {
        guard places.indices.contains(slot), places[slot] >= 0 else { return nil }
        return body(&states[Int(places[slot])])
    }

    /// Does something with each state.
    mutating func forEach(_ body: (inout State) -> Void) {
        for place in states.indices { body(&states[place]) }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// A value for each lane.
public struct PerLane<Value> {
    private var critical: Value
    private var normal: Value
    private var bulk: Value

    public init(critical: Value, normal: Value, bulk: Value) {
        (self.critical, self.normal, self.bulk) = (critical, normal, bulk)
    }

    public init(repeating value: Value) {
        self.init(critical: value, normal: value, bulk: value)
    }

    public static func each<Failure>(_ value: (Lane) throws(Failure) -> Value) throws(Failure) -> PerLane {
        PerLane(critical: try value(.critical), normal: try value(.normal), bulk: try value(.bulk))
    }

    public subscript(lane: Lane) -> Value {
        get {
            switch lane {
            case .critical: critical
            case .normal: normal
            case .bulk: bulk
            }
        }
        _modify {
            switch lane {
            case .critical: yield &critical
            case .normal: yield &normal
            case .bulk: yield &bulk
            }
        }
    }

    public func map<Other>(_ transform: (Value) -> Other) -> PerLane<Other> {
        PerLane<Other>(critical: transform(critical), normal: transform(normal), bulk: transform(bulk))
    }

    /// In the order of the lanes.
    public var values: [Value] { [critical, normal, bulk] }
}

extension PerLane: Sendable where Value: Sendable {}
extension PerLane: Equatable where Value: Equatable {}

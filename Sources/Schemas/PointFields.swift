// Headgate
// SPDX-License-Identifier: Apache-2.0

import DeviceMaps
import Events

extension DeviceMap {
    /// The fields of its record: of each point whose type is known beforehand.
    /// - Parameter units: by the unit that something is in, another that an output tells it in.
    public func fields(_ units: [String: UnitChange] = [:]) -> [PointField] {
        points.compactMap { point in
            let change = units[point.sentUnit]
            guard let form = point.form else { return nil }
            let isConverted = change != nil || point.report != nil
            let told = isConverted && form != .boolean && form != .text ? .number : form
            return PointField(point: point.name, unit: change?.unit ?? point.sentUnit, form: told)
        }
    }

    /// Whether its events have a record of their own: those of devices that say themselves what they have, have not.
    public var hasRecord: Bool {
        switch form {
        case .modbus, .mqtt, .computed: !points.isEmpty
        case .sunSpec, .sparkplug: false
        }
    }
}

extension Point {
    /// What its good values are; nil where a message may bring anything.
    public var form: PointField.Form? {
        if !conversion.labels.isEmpty { return .text }
        switch source {
        case .register(let register):
            guard register.scaleFactor == nil else { return .number }
            return scaled(register.layout.form)
        case .derived(let derived): return derived.program.isBoolean ? .boolean : .number
        case .message(let message): return form(of: message.payload)
        }
    }

    private func form(of payload: MessageSource.Payload) -> PointField.Form? {
        if !conversion.values.isEmpty { return formOfValues }
        switch payload {
        case .json(_, .boolean): return .boolean
        case .json(_, .integer): return scaled(.integer)
        case .json(_, .number), .json(_, .measured), .number, .samples, .rawSamples: return .number
        case .json(_, .string), .text: return .text
        case .json(_, .any): return nil
        case .registers(_, let layout, _): return scaled(layout.form)
        }
    }

    private func scaled(_ form: PointField.Form) -> PointField.Form {
        conversion.scales && form != .boolean && form != .text ? .number : form
    }

    private var formOfValues: PointField.Form? {
        let values = conversion.values.values
        if values.allSatisfy({ if case .boolean = $0 { true } else { false } }) { return .boolean }
        return values.allSatisfy { $0.asNumber != nil } ? .number : nil
    }
}

extension RegisterLayout {
    fileprivate var form: PointField.Form {
        switch type {
        case .bool: .boolean
        case .string: .text
        case _ where bits?.count == 1: .boolean
        case .float32: .single
        case .float64: .number
        case .int16, .uint16, .int32, .uint32, .int64, .uint64, .bcd16, .bcd32: .integer
        }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Modbus

extension Reason {
    init(_ error: ModbusError) {
        switch error.kind {
        case .timeout: self = .timeout
        case .garbled: self = .garbledAnswer
        case .otherUnit: self = .otherUnit
        case .disconnected: self = .disconnected
        case .setup: self = .linkSetup
        case .exception:
            self =
                switch error.exceptionCode {
                case 1: .illegalFunction
                case 2: .illegalAddress
                case 3: .illegalValue
                case 4: .deviceFailure
                case 6: .deviceBusy
                case 10: .gatewayPath
                case 11: .gatewayTarget
                default: .exception
                }
        }
    }
}

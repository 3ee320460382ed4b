// Headgate
// SPDX-License-Identifier: Apache-2.0

import Events
import Modbus

extension Reason {
    init(_ error: ModbusError) {
        self =
            switch error.cause {
            case .unknownHost: .unknownHost
            case .connectionRefused: .connectionRefused
            case .connectTimeout: .connectTimeout
            case .hostUnreachable: .hostUnreachable
            case .notConnected: .notConnected
            case .disconnected: .disconnected
            case .noSuchDevice: .noSuchDevice
            case .permissionDenied: .permissionDenied
            case .noDescriptors: .noFileDescriptors
            case .setup: .linkSetup
            case .timeout: .timeout
            case .garbledAnswer: .garbledAnswer
            case .otherUnit: .otherUnit
            case .illegalFunction: .illegalFunction
            case .illegalAddress: .illegalAddress
            case .illegalValue: .illegalValue
            case .deviceFailure: .deviceFailure
            case .acknowledge: .acknowledge
            case .deviceBusy: .deviceBusy
            case .negativeAcknowledge: .negativeAcknowledge
            case .memoryParity: .memoryParity
            case .gatewayPath: .gatewayPath
            case .gatewayTarget: .gatewayTarget
            case .exception: .exception
            }
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Agent
import DeviceMaps
import MQTT
import Simulator

extension Configuration {
    /// The devices of this configuration, to be simulated.
    func plant() throws -> Plant {
        var plant = Plant(lines: [], brokers: [])
        for link in links {
            let devices = devices.filter { $0.link == link.name }
            switch link.way {
            case .modbus(let endpoint, _):
                let units = devices.compactMap { device -> Plant.ModbusDevice? in
                    guard case .unit(let unit) = device.address else { return nil }
                    return Plant.ModbusDevice(name: device.name, unit: unit, map: device.map)
                }
                plant.lines.append(Plant.ModbusLine(endpoint: endpoint, devices: units))
            case .mqtt(let broker, _, _):
                var settings = try broker.revealed()
                settings.clientID += "-simulator"
                settings.sessionExpiry = nil
                let publishers = devices.compactMap { device -> Plant.MQTTDevice? in
                    guard case .topic(let topic) = device.address, case .mqtt(let form) = device.map.form else {
                        return nil
                    }
                    return Plant.MQTTDevice(name: device.name, topic: topic, map: device.map, form: form)
                }
                plant.brokers.append(Plant.Broker(settings: settings, devices: publishers))
            }
        }
        return plant
    }
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The body of a refused request to the admin API.
struct APIError: Codable {
    var code: String
    var message: String
}

// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where paths lead, by whatever names.
enum FilePath {
    /// The path without links, `.` and `..`, as far as it is there.
    static func resolved(_ path: String) -> String {
        var missing: [Substring] = []
        var known = path[...]
        while true {
            if let real = realpath(known.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : String(known), nil) {
                defer { free(real) }
                return normal(String(cString: real) + "/" + missing.reversed().joined(separator: "/"))
            }
            guard !known.isEmpty else { return normal(path) }
            let end = known.lastIndex(of: "/")
            missing.append(end.map { known[known.index(after: $0)...] } ?? known)
            known = end.map { known[..<$0] } ?? ""
        }
    }

    private static func normal(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    static func isInside(_ path: String, _ folder: String) -> Bool {
        let (path, folder) = (resolved(path), resolved(folder))
        return path == folder || path.hasPrefix(folder == "/" ? folder : folder + "/")
    }
}

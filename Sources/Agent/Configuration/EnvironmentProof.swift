// Headgate
// SPDX-License-Identifier: Apache-2.0

import Codes
import Glibc
import Modbus
import YAMLText

/// What a configuration needs of the system that the gateway is to run on: `check` looks at it, without `--no-environment`.
extension YAMLValue {
    /// The path of a file of certificates or of a key.
    func pemFile(_ resolve: (String) -> String) -> String? {
        guard let path = string().map(resolve) else { return nil }
        guard provesEnvironment else { return path }
        do {
            if !(try TextFile.read(path)).contains("-----BEGIN ") {
                problem(
                    .notAPEMFile, "names \(path), which is not a PEM file",
                    fix: "convert it: openssl x509 -in FILE -out FILE.pem")
            }
        } catch {
            problem(
                .unreadableFile, "cannot be read: \(error)",
                fix: "create the file, or use check --no-environment on another machine")
        }
        return path
    }

    func prove(_ secret: Secret) {
        guard provesEnvironment else { return }
        do {
            _ = try secret.reveal()
        } catch {
            problem(
                .unreadableFile, "cannot be read: \(error)",
                fix: "create the file, or use check --no-environment on another machine")
        }
    }

    /// The folder of a file that is to be written has to be there.
    func proveFolder(of path: String) {
        let folder = TextFile.folder(of: path)
        guard provesEnvironment, let reason = Self.reasonNotWritable(folder) else { return }
        problem(
            .folderNotUsable, "needs the folder \(folder): \(reason)",
            fix: "create it, or make the user of the gateway its owner")
    }

    /// A folder that the gateway makes if it is not there.
    func proveMakeable(_ folder: String) {
        guard provesEnvironment, !folder.isEmpty else { return }
        var nearest = folder[...]
        while !nearest.isEmpty, !TextFile.exists(String(nearest)) {
            nearest = nearest.lastIndex(of: "/").map { nearest[..<$0] } ?? ""
        }
        let existing = nearest.isEmpty ? (folder.hasPrefix("/") ? "/" : ".") : String(nearest)
        guard let reason = Self.reasonNotWritable(existing) else { return }
        problem(
            .folderNotUsable, "cannot be created or written: \(existing): \(reason)",
            fix: "create it, and make the user of the gateway its owner")
    }

    private static func reasonNotWritable(_ folder: String) -> String? {
        var status = stat()
        guard stat(folder, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "it is not a folder" }
        return access(folder, W_OK | X_OK) == 0 ? nil : String(cString: strerror(errno))
    }
}

extension SerialLine {
    /// Why the line cannot be opened now; nil if nothing speaks against it. An adapter may be connected later, so this is no
    /// mistake. The line is not opened: that would set its speed and its control signals.
    var noteOfDevice: (Code, String)? {
        var status = stat()
        guard stat(device, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            return (
                .serialLineMissing,
                "\(device): \(reason); connect the adapter, or look for its name in /dev/serial/by-id"
            )
        }
        // The character devices of major number 1 are those of memory: /dev/null, /dev/zero.
        guard status.st_mode & S_IFMT == S_IFCHR, status.st_rdev >> 8 != 1 else {
            return (.serialLineMissing, "\(device) is not a serial line; look for its name in /dev/serial/by-id")
        }
        guard access(device, R_OK | W_OK) != 0 else { return nil }
        return (
            .serialLineMissing,
            "\(device): \(String(cString: strerror(errno))); add the user of the gateway to the group dialout"
        )
    }
}

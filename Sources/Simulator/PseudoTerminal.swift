// Headgate
// SPDX-License-Identifier: Apache-2.0

import Glibc

enum PseudoTerminal {
    /// TIOCSPTLCK and TIOCGPTN (ioctl_tty(2)), macros that do not import.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430

    /// A pair of terminals, one of them reachable under `path` as a serial line would be.
    static func open(at path: String) throws(SimulatorError) -> (master: Int32, terminal: Int32) {
        let master = Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var locked: Int32 = 0
        var number: UInt32 = 0
        guard master >= 0, ioctl(master, setLock, &locked) == 0, ioctl(master, getNumber, &number) == 0 else {
            throw SimulatorError("\(path): no pseudo-terminal to be had: \(String(cString: strerror(errno)))")
        }
        let name = "/dev/pts/\(number)"
        let terminal = Glibc.open(name, O_RDWR | O_NOCTTY)
        var settings = termios()
        tcgetattr(terminal, &settings)
        cfmakeraw(&settings)
        tcsetattr(terminal, TCSANOW, &settings)
        var existing = stat()
        if lstat(path, &existing) == 0 {
            guard existing.st_mode & S_IFMT == S_IFLNK else {
                throw SimulatorError("\(path) is a real device: simulate with a configuration that names another path")
            }
            unlink(path)
        }
        guard symlink(name, path) == 0 else {
            throw SimulatorError(
                "\(path): \(String(cString: strerror(errno))); give the link a path that may be written, like /tmp/bus-a"
            )
        }
        return (master, terminal)
    }
}

// What the Glibc module of Swift leaves out.
#include <malloc.h>
#include <sys/timex.h>
#include <sys/prctl.h>

// prctl(2) takes what it is told, which Swift cannot call.
static inline void name_thread(const char *name) { prctl(PR_SET_NAME, name); }

// Where cores are piped to a program no limit counts (core(5)).
static inline void forbid_cores(void) { prctl(PR_SET_DUMPABLE, 0); }

// The speed of a serial line as a number, which glibc's termios cannot say (termios2 of the kernel, ioctl_tty(2)). The
// layout and the numbers are those of the generic ABI, of x86, ARM and RISC-V.
#include <errno.h>
#include <sys/ioctl.h>

struct headgate_termios2 {
    unsigned int iflag, oflag, cflag, lflag;
    unsigned char line, cc[19];
    unsigned int ispeed, ospeed;
};

#define HEADGATE_TCGETS2 _IOR('T', 0x2A, struct headgate_termios2)
#define HEADGATE_TCSETS2 _IOW('T', 0x2B, struct headgate_termios2)
#define HEADGATE_CBAUD 0010017
#define HEADGATE_BOTHER 0010000

// Returns the speed that the line has then, which the adapter may have made another; 0 where it has none.
static inline unsigned int set_line_speed(int descriptor, unsigned int speed) {
    struct headgate_termios2 line;
    if (ioctl(descriptor, HEADGATE_TCGETS2, &line) != 0) return 0;
    line.cflag = (line.cflag & ~HEADGATE_CBAUD & ~(HEADGATE_CBAUD << 16)) | HEADGATE_BOTHER;
    line.ispeed = line.ospeed = speed;
    if (ioctl(descriptor, HEADGATE_TCSETS2, &line) != 0) return 0;
    if (ioctl(descriptor, HEADGATE_TCGETS2, &line) != 0) return 0;
    return line.ospeed;
}

// What the Glibc module of Swift leaves out.
#include <malloc.h>
#include <sys/timex.h>
#include <sys/prctl.h>

// prctl(2) takes what it is told, which Swift cannot call.
static inline void name_thread(const char *name) { prctl(PR_SET_NAME, name); }

// Where cores are piped to a program no limit counts (core(5)).
static inline void forbid_cores(void) { prctl(PR_SET_DUMPABLE, 0); }

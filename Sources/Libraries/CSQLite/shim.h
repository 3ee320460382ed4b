#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast and does not import: SQLite copies the bytes before the call returns.
static inline int headgate_bind_blob(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(statement, at, bytes, count, SQLITE_TRANSIENT);
}
static inline int headgate_bind_text(sqlite3_stmt *statement, int at, const char *text, sqlite3_uint64 count) {
    return sqlite3_bind_text64(statement, at, text, count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

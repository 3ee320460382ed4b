#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast and does not import: SQLite copies the bytes before the call returns.
static inline int headgate_bind_blob(sqlite3_stmt *statement, int at, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(statement, at, bytes, count, SQLITE_TRANSIENT);
}
static inline int headgate_bind_text(sqlite3_stmt *statement, int at, const char *text, sqlite3_uint64 count) {
    return sqlite3_bind_text64(statement, at, text, count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

// A cast too.
static const int headgate_ioerr_short_read = SQLITE_IOERR_SHORT_READ;

static inline int headgate_file_errno(sqlite3 *database, int which) {
    sqlite3_file *file = 0;
    int error = 0;
    if (sqlite3_file_control(database, "main", which, &file) != SQLITE_OK || file == 0 || file->pMethods == 0) return 0;
    if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) != SQLITE_OK) return 0;
    return error;
}

// errno of the last call that failed on the database or its log. sqlite3_system_errno knows it only of some.
static inline int headgate_last_errno(sqlite3 *database) {
    int error = headgate_file_errno(database, SQLITE_FCNTL_JOURNAL_POINTER);
    return error != 0 ? error : headgate_file_errno(database, SQLITE_FCNTL_FILE_POINTER);
}

// sqlite3_db_config takes a C variable list, which does not import.
static inline void headgate_no_checkpoint_on_close(sqlite3 *database) {
    sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

// Settings of SQLite that only a variadic function takes, which Swift cannot import.
#ifndef TARN_CSQLITESETTINGS_H
#define TARN_CSQLITESETTINGS_H

/// Forbids a connection what could damage its file: writing to the schema or to shadow tables, a journal that is off.
/// Gives 0, or SQLite's error code.
int tarn_sqlite_set_defensive(void *connection);

#endif

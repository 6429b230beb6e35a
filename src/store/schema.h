/* The database's schema as a list of migrations; see schema.c. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

/* Migration N takes version N to N + 1; NULL-terminated. The version is SQLite's user_version. */
extern const char *const schema_migrations[];

#endif

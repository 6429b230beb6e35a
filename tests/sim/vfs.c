/* The disk in memory; see vfs.h.
 *
 * A file keeps the writes since its last sync as a list; a sync plays the list into the durable image. So a
 * sync costs what was written, not what the file holds. Locks are none: the store opens exclusively. Sectors
 * are as SQLite assumes on Linux: a write damages nothing beside it ("powersafe overwrite"), but may
 * itself be torn at any multiple of 512 bytes. */
#include "vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { FILES_MAX = 16, NAME_SIZE = 128, TORN = 512, SECTOR = 4096, STATEMENT_STEPS = 10 };

struct image {
	unsigned char *data;
	size_t len, cap;
};

/* A write, or a truncation (data NULL, `at` is the new length). */
struct change {
	size_t at, len;
	unsigned char *data;
};

struct file {
	char name[NAME_SIZE]; /* "": a free place */
	struct image written, durable;
	struct change *changes;
	size_t n_changes, cap_changes;
};

static struct {
	struct rng *rng;
	struct file files[FILES_MAX];
	enum disk_fault fault;
	int fault_after, faults_met;
	int die_after;
	bool dead;
	sqlite3 *db; /* the connection that was opened last */
} disk = {.die_after = -1};

struct handle {
	sqlite3_file base;
	struct file *file;
};

static void image_put(struct image *image, size_t at, const void *data, size_t len)
{
	size_t end = at + len;
	if (end > image->cap) {
		size_t cap = image->cap ? image->cap : 65536;
		while (cap < end)
			cap *= 2;
		image->data = xreallocarray(image->data, cap, 1);
		image->cap = cap;
	}
	if (at > image->len)
		memset(image->data + image->len, 0, at - image->len);
	memcpy(image->data + at, data, len);
	if (end > image->len)
		image->len = end;
}

static void image_cut(struct image *image, size_t len)
{
	if (len < image->len)
		image->len = len;
}

static void apply(struct image *image, const struct change *c, size_t len)
{
	if (c->data)
		image_put(image, c->at, c->data, len);
	else
		image_cut(image, c->at);
}

static void forget_changes(struct file *f)
{
	for (size_t i = 0; i < f->n_changes; i++)
		free(f->changes[i].data);
	f->n_changes = 0;
}

static void note_change(struct file *f, size_t at, const void *data, size_t len)
{
	ARRAY_GROW(f->changes, f->n_changes, f->cap_changes);
	unsigned char *copy = data ? xmalloc(len) : NULL;
	if (copy)
		memcpy(copy, data, len);
	f->changes[f->n_changes++] = (struct change){.at = at, .len = len, .data = copy};
}

static void file_free(struct file *f)
{
	forget_changes(f);
	free(f->changes);
	free(f->written.data);
	free(f->durable.data);
	*f = (struct file){0};
}

static struct file *file_find(const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (disk.files[i].name[0] && strcmp(disk.files[i].name, name) == 0)
			return &disk.files[i];
	return NULL;
}

static struct file *file_make(const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (disk.files[i].name[0])
			continue;
		(void)snprintf(disk.files[i].name, NAME_SIZE, "%s", name);
		return &disk.files[i];
	}
	(void)fprintf(stderr, "sim: too many files on the disk\n");
	abort();
}

/* Whether the process is dead by now; counts one more change of the disk. */
static bool dying(void)
{
	if (!disk.dead && disk.die_after >= 0 && disk.die_after-- == 0)
		disk.dead = true;
	return disk.dead;
}

static bool fails(enum disk_fault fault)
{
	if (disk.fault != fault || disk.fault_after-- > 0)
		return false;
	disk.fault_after = 0;
	disk.faults_met++;
	return true;
}

static int sim_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int sim_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	const struct image *image = &((struct handle *)file)->file->written;
	if (disk.dead || fails(DISK_READ))
		return SQLITE_IOERR_READ;
	size_t have = (size_t)at < image->len ? image->len - (size_t)at : 0;
	if (have > (size_t)n)
		have = (size_t)n;
	if (have)
		memcpy(to, image->data + at, have);
	memset((char *)to + have, 0, (size_t)n - have);
	return have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int sim_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct file *f = ((struct handle *)file)->file;
	if (dying() || fails(DISK_WRITE))
		return SQLITE_IOERR_WRITE;
	if ((size_t)at + (size_t)n > f->written.len && fails(DISK_FULL))
		return SQLITE_FULL;
	image_put(&f->written, (size_t)at, from, (size_t)n);
	note_change(f, (size_t)at, from, (size_t)n);
	return SQLITE_OK;
}

static int sim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct file *f = ((struct handle *)file)->file;
	if (dying())
		return SQLITE_IOERR_TRUNCATE;
	image_cut(&f->written, (size_t)size);
	note_change(f, (size_t)size, NULL, 0);
	return SQLITE_OK;
}

static int sim_sync(sqlite3_file *file, int flags)
{
	struct file *f = ((struct handle *)file)->file;
	(void)flags;
	if (dying() || fails(DISK_SYNC))
		return SQLITE_IOERR_FSYNC;
	for (size_t i = 0; i < f->n_changes; i++)
		apply(&f->durable, &f->changes[i], f->changes[i].len);
	forget_changes(f);
	return SQLITE_OK;
}

static int sim_size(sqlite3_file *file, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)((struct handle *)file)->file->written.len;
	return SQLITE_OK;
}

static int sim_lock(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;
}

static int sim_check_lock(sqlite3_file *file, int *held)
{
	(void)file;
	*held = 0;
	return SQLITE_OK;
}

static int sim_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int sim_sector(sqlite3_file *file)
{
	(void)file;
	return SECTOR;
}

static int sim_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = sim_close,
	.xRead = sim_read,
	.xWrite = sim_write,
	.xTruncate = sim_truncate,
	.xSync = sim_sync,
	.xFileSize = sim_size,
	.xLock = sim_lock,
	.xUnlock = sim_lock,
	.xCheckReservedLock = sim_check_lock,
	.xFileControl = sim_control,
	.xSectorSize = sim_sector,
	.xDeviceCharacteristics = sim_characteristics,
};

static int sim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	static unsigned nameless;
	char made[NAME_SIZE];
	(void)vfs;
	if (!name)
		(void)snprintf(made, sizeof(made), "temporary-%u", nameless++);
	struct file *f = file_find(name ? name : made);
	file->pMethods = NULL;
	if (!f && (disk.dead || !(flags & SQLITE_OPEN_CREATE)))
		return SQLITE_CANTOPEN;
	((struct handle *)file)->file = f ? f : file_make(name ? name : made);
	file->pMethods = &methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int sim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	(void)sync;
	struct file *f = file_find(name);
	if (dying())
		return SQLITE_IOERR_DELETE;
	if (!f)
		return SQLITE_IOERR_DELETE_NOENT;
	file_free(f);
	return SQLITE_OK;
}

static int sim_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	(void)vfs;
	(void)flags;
	const struct file *f = file_find(name);
	*ret = f && f->written.len > 0;
	return SQLITE_OK;
}

static int sim_pathname(sqlite3_vfs *vfs, const char *name, int n, char *ret)
{
	(void)vfs;
	(void)snprintf(ret, (size_t)n, "%s", name);
	return SQLITE_OK;
}

static int sim_randomness(sqlite3_vfs *vfs, int n, char *ret)
{
	(void)vfs;
	for (int i = 0; i < n; i++)
		ret[i] = (char)rng_next(disk.rng);
	return n;
}

static int sim_sleep(sqlite3_vfs *vfs, int micros)
{
	(void)vfs;
	return micros;
}

static int sim_time(sqlite3_vfs *vfs, double *ret)
{
	(void)vfs;
	*ret = 2460000.5; /* the core takes its time from os_env */
	return SQLITE_OK;
}

static int sim_last_error(sqlite3_vfs *vfs, int n, char *ret)
{
	(void)vfs;
	(void)n;
	(void)ret;
	return 0;
}

static sqlite3_vfs sim_vfs = {
	.iVersion = 1,
	.szOsFile = sizeof(struct handle),
	.mxPathname = NAME_SIZE - 1,
	.zName = "sim",
	.xOpen = sim_open,
	.xDelete = sim_delete,
	.xAccess = sim_access,
	.xFullPathname = sim_pathname,
	.xRandomness = sim_randomness,
	.xSleep = sim_sleep,
	.xCurrentTime = sim_time,
	.xGetLastError = sim_last_error,
};

void disk_free(void)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		file_free(&disk.files[i]);
}

/* SQLite calls it for each connection that is opened. */
static int note_connection(sqlite3 *db, char **ret_message, const struct sqlite3_api_routines *api)
{
	(void)ret_message;
	(void)api;
	disk.db = db;
	return SQLITE_OK;
}

void disk_init(struct rng *r)
{
	static bool registered;
	disk_free();
	disk.rng = r;
	disk.fault = DISK_OK;
	disk.die_after = -1;
	disk.dead = false;
	disk.db = NULL;
	if (!registered && (sqlite3_vfs_register(&sim_vfs, 1) != SQLITE_OK ||
			    sqlite3_auto_extension((void (*)(void))note_connection) != SQLITE_OK))
		abort();
	registered = true;
	sqlite3_randomness(0, NULL); /* SQLite's generator is seeded again from ours */
}

static int interrupt_statement(void *data)
{
	(void)data;
	return fails(DISK_STATEMENT);
}

void disk_fail(enum disk_fault fault, int after)
{
	if (disk.db)
		sqlite3_progress_handler(disk.db, STATEMENT_STEPS,
					 fault == DISK_STATEMENT ? interrupt_statement : NULL, NULL);
	disk.fault = fault;
	disk.fault_after = after;
	disk.faults_met = 0;
}

int disk_faults_met(void)
{
	return disk.faults_met;
}

void disk_die_after(int n)
{
	disk.die_after = n;
}

bool disk_is_dead(void)
{
	return disk.dead;
}

void disk_killed(void)
{
	disk.dead = false;
	disk.die_after = -1;
}

static void lose_power(struct file *f)
{
	for (size_t i = 0; i < f->n_changes; i++) {
		const struct change *c = &f->changes[i];
		size_t kept = c->len;
		if (rng_chance(disk.rng, 40))
			continue;
		if (c->data && rng_chance(disk.rng, 25))
			kept = rng_below(disk.rng, c->len / TORN + 1) * TORN;
		apply(&f->durable, c, kept);
	}
	forget_changes(f);
	f->written.len = 0;
	image_put(&f->written, 0, f->durable.len ? f->durable.data : (const unsigned char *)"",
		  f->durable.len);
}

void disk_power_lost(void)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (disk.files[i].name[0])
			lose_power(&disk.files[i]);
	disk_killed();
}

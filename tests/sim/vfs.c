// tests/sim/vfs.c -- SQLite's files on the simulated disk.
//
// As SQLite's own for unix: the folder of a new journal or log is flushed with its first flush.
// There is one connection to a file, so locks always succeed; the shared memory of the write-ahead
// log is the connection's, and built anew by the next one, as the first connection does.

#include "tests/sim/vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"

enum { REGIONS = 16 };

typedef struct file {
    sqlite3_file base;
    sim_node *node;
    char *path;
    int lock;
    bool sync_folder, delete_on_close;
    void *regions[REGIONS];
} file;

static int code_of(int error, int code)
{
    sim_disk_gate_after();
    if (sim_here->in_daemon && sim_here->dead)
        return code;
    if (error)
        sim_trace("    fails: %s", strerror(error));
    return error == ENOSPC ? SQLITE_FULL : error ? code : SQLITE_OK;
}

static int gate(const char *call, const file *f, sim_effect effect)
{
    return sim_disk_gate(call, strrchr(f->path, '/') + 1, effect);
}

static int x_close(sqlite3_file *base)
{
    file *f = (file *)base;

    if (f->delete_on_close && !(sim_here->in_daemon && sim_here->dead))
        sim_disk_remove(f->path);
    for (int i = 0; i < REGIONS; i++)
        free(f->regions[i]);
    free(f->path);
    return SQLITE_OK;
}

static int x_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
    file *f = (file *)base;
    int rc = code_of(gate("db read", f, SIM_READS), SQLITE_IOERR_READ);
    int64_t n;

    if (rc != SQLITE_OK)
        return rc;
    n = sim_disk_read(f->node, offset, data, size);
    if (n == size)
        return SQLITE_OK;
    memset((char *)data + n, 0, (size_t)(size - n));
    return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
    file *f = (file *)base;
    int error = gate("db write", f, offset + size > f->node->size ? SIM_GROWS : SIM_CHANGES);

    if (!error) {
        sim_disk_write(f->node, offset, data, size);
        sim_here->disk->db_changes++;
    }
    return code_of(error, SQLITE_IOERR_WRITE);
}

static int x_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    file *f = (file *)base;
    int error = gate("db truncate", f, SIM_CHANGES);

    if (!error)
        sim_disk_truncate(f->node, size);
    return code_of(error, SQLITE_IOERR_TRUNCATE);
}

static void sync_folder(const char *path)
{
    char *folder = sim_format("%s", path);
    sim_node *node;

    *strrchr(folder, '/') = '\0';
    if (sim_disk_find(folder, &node) == 0)
        sim_disk_sync(node);
}

// is_lazy: the planted fault, once there is something to lose.
static bool is_lazy(void)
{
    return sim_here->plant == SIM_PLANT_ACK_SUBMIT && sim_here->oracle->count_acked > 0;
}

static int x_sync(sqlite3_file *base, int flags)
{
    file *f = (file *)base;
    int error = gate("db fsync", f, SIM_CHANGES);

    (void)flags;
    if (!error)
        sim_pass(sim_range(0, sim_here->plan.sync_us * 1000));
    if (!error && !is_lazy()) {
        sim_disk_sync(f->node);
        if (f->sync_folder)
            sync_folder(f->path);
        f->sync_folder = false;
    }
    return code_of(error, SQLITE_IOERR_FSYNC);
}

static int x_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = ((file *)base)->node->size;
    return SQLITE_OK;
}

static int x_lock(sqlite3_file *base, int lock)
{
    ((file *)base)->lock = lock;
    return SQLITE_OK;
}

static int x_reserved(sqlite3_file *base, int *reserved)
{
    *reserved = ((file *)base)->lock >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int x_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int x_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **memory)
{
    file *f = (file *)base;

    if (region >= REGIONS)
        return SQLITE_IOERR_SHMMAP;
    if (!f->regions[region] && extend)
        f->regions[region] = calloc((size_t)size, 1);
    *memory = f->regions[region];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    (void)base, (void)offset, (void)n, (void)flags;
    return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int x_shm_unmap(sqlite3_file *base, int delete)
{
    file *f = (file *)base;

    (void)delete;
    for (int i = 0; i < REGIONS; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_lock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_traits,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

// ---- the file system

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out)
{
    file *f = (file *)base;
    bool is_log = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    int error;

    (void)vfs;
    memset(f, 0, sizeof *f);
    if (!path)
        return SQLITE_CANTOPEN; // no temporary files are expected
    error = sim_disk_find(path, &f->node);
    if (sim_disk_gate("db open", path, error && flags & SQLITE_OPEN_CREATE ? SIM_GROWS : SIM_READS))
        return SQLITE_CANTOPEN;
    if (sim_disk_refuses(SIM_CHANGES) == EROFS && flags & SQLITE_OPEN_READWRITE) // as unix does
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    if (error == ENOENT && flags & SQLITE_OPEN_CREATE)
        error = sim_disk_make(path, false, &f->node);
    f->sync_folder = is_log && flags & SQLITE_OPEN_CREATE; // was it there or not
    if (code_of(error, SQLITE_CANTOPEN) != SQLITE_OK)
        return SQLITE_CANTOPEN;
    f->path = strdup(path);
    f->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    f->base.pMethods = &methods;
    if (out)
        *out = flags;
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    int error = sim_disk_gate("db delete", path, SIM_CHANGES);

    (void)vfs;
    if (!error)
        error = sim_disk_remove(path);
    if (!error && sync)
        sync_folder(path);
    return error == ENOENT ? SQLITE_IOERR_DELETE_NOENT : code_of(error, SQLITE_IOERR_DELETE);
}

static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *found)
{
    sim_node *node;
    int error = sim_disk_gate("db access", path, SIM_READS);

    (void)vfs;
    *found = !error && sim_disk_find(path, &node) == 0;
    if (*found && flags == SQLITE_ACCESS_EXISTS && !node->folder && !node->size)
        *found = 0; // as SQLite's own: an empty journal is none
    return code_of(error, SQLITE_IOERR_ACCESS);
}

static int x_full(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    sqlite3_snprintf(size, out, "%s", path);
    return SQLITE_OK;
}

static int x_random(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    for (int i = 0; i < size; i++)
        out[i] = (char)sim_draw();
    return size;
}

static int x_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    sim_pass((int64_t)us * 1000);
    return us;
}

static int x_time(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
    (void)vfs;
    *ms = INT64_C(24405875) * 8640000 + sim_here->wall_ms + sim_here->now / SIM_MS;
    return SQLITE_OK;
}

void sim_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(file),
        .mxPathname = 512,
        .zName = "sim",
        .xOpen = x_open,
        .xDelete = x_delete,
        .xAccess = x_access,
        .xFullPathname = x_full,
        .xRandomness = x_random,
        .xSleep = x_sleep,
        .xCurrentTimeInt64 = x_time,
    };

    sqlite3_vfs_register(&vfs, 1);
}

// tests/sim/kept.c -- acknowledged commits, looked up after every event that may have harmed one.
//
// The newest commit of a job's rows is read as akssld reads it, through its own store, with no
// fault in the way, when something was written into the database; the files that it names are
// looked at when anything on the disk has changed.  What a loss of power would leave of them is
// look.c's.

#include <inttypes.h>
#include <string.h>

#include "daemon/daemon.h"
#include "proto/format/digest.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"

// A commit's files as they were found whole; of a version that has not changed they still are.
typedef struct sim_kept {
    ak_commit commit;
    bool known;
    char folder[64];
    struct {
        const sim_node *node;
        uint64_t version;
    } files[AK_COMMIT_MAX_FILES];
} sim_kept;

static void check_file(sim_kept *kept, int which, sim_node *folder)
{
    const ak_commit_file *file = &kept->commit.files[which];
    const sim_entry *entry = sim_disk_entry(folder, file->name);
    const sim_node *node = entry ? entry->node : NULL;
    char digest[AK_DIGEST_TEXT] = "";

    if (node && (node->rotten ||
                 (kept->files[which].node == node && kept->files[which].version == node->version)))
        return;
    if (node)
        ak_digest_memory(node->data, (size_t)node->size, digest);
    if (strcmp(digest, file->digest) != 0)
        sim_broken("'%s/%s' is %s", kept->folder, file->name,
                   node ? "no more what was committed" : "gone, and its commit is in the database");
    kept->files[which].node = node;
    kept->files[which].version = node->version;
}

// A commit that is given up goes aside before its rows do.
static void check_files(sim_account *a)
{
    sim_kept *kept = a->kept;
    int64_t step = kept->commit.step;
    sim_node *folder;

    if (!kept->known || a->begun_again || sim_oracle_rotten(a->id, step, "aside-step"))
        return;
    if (sim_disk_find(kept->folder, &folder))
        sim_broken("'%s' is gone, and its commit is in the database", kept->folder);
    for (int i = 0; i < kept->commit.file_count; i++)
        check_file(kept, i, folder);
}

static void read_rows(sim_account *a)
{
    ak_store *store = sim_here->d->store;
    sim_kept *kept = a->kept;
    int64_t before = kept->known ? kept->commit.step : -1, step;
    bool was = sim_here->in_daemon;
    akssl_status rc;

    sim_here->in_daemon = false; // no fault, and none of its calls
    rc = ak_store_find_commit(store, a->id, &kept->commit);
    sim_here->in_daemon = was;
    kept->known = rc == AKSSL_OK;
    step = kept->known ? kept->commit.step : -1;
    if (step != before)
        memset(kept->files, 0, sizeof kept->files);
    snprintf(kept->folder, sizeof kept->folder, "/state/jobs/%" PRId64 "/commits/step-%" PRId64,
             a->id, step);
    if (step < a->committed)
        sim_oracle_forgive(a);
    if (step < a->committed)
        sim_broken("job %" PRId64 ": the commit of step %" PRId64
                   " was acknowledged, and now the database's newest is of step %" PRId64,
                   a->id, a->committed, step);
}

void sim_oracle_kept(void)
{
    sim_oracle *oracle = sim_here->oracle;
    const sim_disk *disk = sim_here->disk;
    bool rows = oracle->seen_rows != disk->db_changes;

    if (oracle->seen == disk->changes)
        return;
    for (sim_account *a = oracle->accounts; a; a = a->next) {
        bool first = !a->kept && a->committed >= 0;

        if (first)
            a->kept = sim_alloc(sizeof *a->kept);
        if (a->kept && (rows || first || a->committed > a->kept->commit.step))
            read_rows(a);
        if (a->kept)
            check_files(a);
    }
    oracle->seen = disk->changes;
    oracle->seen_rows = disk->db_changes;
}

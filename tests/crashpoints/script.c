#include "crashpoints/script.h"

#include "lib/fake_threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_SIZE = 2048, RANDOM_STEPS = 24 };

bool script_may_fail;

const struct script *script_named(const char *name)
{
    const struct script *script;
    for (size_t i = 0; (script = script_at(i)) != NULL; i++)
        if (strcmp(script->name, name) == 0) return script;
    return NULL;
}

/* ---- Steps ---- */

/* A process that cannot go on starts again; the disk has room then. */
static void start_again(struct life *life)
{
    if (life->journal != NULL || life->snapshots != NULL) life_kill(life);
    fake_disk_set_capacity(life->disk, 0);
    int error = life_open(life);
    if (error != 0 && script_may_fail) error = life_open(life); /* the fault may come in here */
    if (error != 0) violation("it does not start again: %s", life->errmsg.text);
}

static void tell(struct life *life, const char *step, int error)
{
    if (error == 0) return;
    if (!script_may_fail)
        violation("step `%s`: %s: %s", step, error_text(error), life->errmsg.text);
    start_again(life);
}

static int snapshot_whole(struct life *life, bool all)
{
    int error = life_snapshot_begin(life, all);
    if (error == ERROR_EXISTS) return 0; /* nothing new */
    if (error != 0) return error;
    life_snapshot_finish(life);
    return life_snapshot_wait(life);
}

/* A byte that was durable: behind the head, within the first records. */
static const char *damage_target(const struct life *life, const char *what)
{
    const char *path;
    const char *found = NULL;
    const char *prefix = strcmp(what, "journal") == 0    ? "/data/journal/segment-"
                         : strcmp(what, "manifest") == 0 ? "/data/snapshots/manifest-"
                                                         : "/data/snapshots/blocks-";
    for (size_t i = 0; (path = fake_disk_file(life->disk, i)) != NULL; i++)
        if (strncmp(path, prefix, strlen(prefix)) == 0 && (found == NULL || what[0] != 'j'))
            found = path;
    return found;
}

static void damage(struct life *life, const char *what)
{
    uint8_t byte;
    const char *path = damage_target(life, what);
    uint64_t offset = what[0] == 'j' ? 4096 + 100 : 70;
    if (path == NULL || fake_disk_peek(life->disk, path, offset, &byte, 1) != 1) return;
    byte ^= 0x10;
    fake_disk_poke(life->disk, path, offset, span_of(&byte, 1));
    life->book->damaged = true;
}

/* For steps that a process takes while it runs. */
static int work(struct life *life, const char *verb, unsigned a, unsigned b, const char *word)
{
    if (strcmp(verb, "append") == 0) return life_append(life, a, b);
    if (strcmp(verb, "commit") == 0) return life_commit(life);
    if (strcmp(verb, "snapshot") == 0) return snapshot_whole(life, strcmp(word, "all") == 0);
    if (strcmp(verb, "trim") == 0) return life_trim(life);
    if (strcmp(verb, "begin") == 0) {
        int error = life_snapshot_begin(life, false);
        return error == ERROR_EXISTS ? 0 : error;
    }
    if (strcmp(verb, "wait") == 0) return life->book->finishing == 0 ? 0 : life_snapshot_wait(life);
    if (strcmp(verb, "finish") == 0)
        life_snapshot_finish(life);
    else if (strcmp(verb, "group") == 0)
        journal_commit(life->journal);
    else if (strcmp(verb, "close") == 0)
        life_close(life);
    else if (strcmp(verb, "kill") == 0)
        life_kill(life);
    else
        violation("no step is called `%s`", verb);
    return 0;
}

static bool outside(struct life *life, const char *verb, unsigned a, const char *word)
{
    if (strcmp(verb, "sleep") == 0)
        fake_threads_sleep_us((int64_t)a * 1000);
    else if (strcmp(verb, "room") == 0)
        fake_disk_set_capacity(life->disk, 0);
    else if (strcmp(verb, "full") == 0)
        fake_disk_set_capacity(life->disk, fake_disk_used_bytes(life->disk) + (uint64_t)a * 4096);
    else if (strcmp(verb, "damage") == 0)
        damage(life, word);
    else
        return false;
    return true;
}

static void repair(struct life *life)
{
    int error = life_repair(life, true);
    if (error != 0 && script_may_fail) error = life_repair(life, true);
    if (error != 0) violation("repair: %s", life->errmsg.text);
}

static void step(struct life *life, const char *text)
{
    char verb[16] = "";
    char word[16] = "";
    unsigned a = 0;
    unsigned b = 0;
    if (sscanf(text, " %15s %u %u", verb, &a, &b) < 2) (void)sscanf(text, " %15s %15s", verb, word);
    if (outside(life, verb, a, word)) return;
    if (strcmp(verb, "repair") == 0) {
        repair(life);
    } else if (strcmp(verb, "open") == 0) {
        tell(life, text, life->journal != NULL ? 0 : life_open(life));
    } else {
        if (life->journal == NULL) return; /* a fault ended it early */
        bool full = strcmp(verb, "snapshot") == 0;
        int error = work(life, verb, a, b, word);
        /* A snapshot that finds no room is given up, and all else goes on. */
        if (error != 0 && full && journal_failed(life->journal, NULL) == 0) error = 0;
        tell(life, text, error);
    }
}

/* ---- Random steps ---- */

static void add_random_step(struct prng *prng, char *steps, size_t size)
{
    static const char *const choices[] = {
        "append 2 60;",    "append 9 900;",
        "append 20 300;",  "append 1 4000;",
        "commit;",         "commit;",
        "group;",          "snapshot;",
        "snapshot all;",   "snapshot; trim;",
        "trim;",           "sleep 150;",
        "sleep 1;",        "close; open;",
        "kill; open;",     "begin; append 3 500; group; finish; wait;",
        "group; sleep 0;", "append 9 900; commit;"};
    size_t used = strlen(steps);
    size_t chosen = (size_t)prng_below(prng, sizeof choices / sizeof *choices);
    snprintf(steps + used, size - used, "%s", choices[chosen]);
}

static void make_steps(const struct script *script, uint64_t seed, char steps[STEPS_SIZE])
{
    struct prng prng = {seed ^ 0x5c1};
    snprintf(steps, STEPS_SIZE, "%s",
             script->steps == NULL ? "open; append 5 300; commit;" : script->steps);
    if (script->steps != NULL) return;
    for (int i = 0; i < RANDOM_STEPS; i++) add_random_step(&prng, steps, STEPS_SIZE);
}

void script_run(const struct script *script, struct life *life, uint64_t seed)
{
    char steps[STEPS_SIZE];
    char *rest = steps;
    make_steps(script, seed, steps);
    for (char *text; (text = strsep(&rest, ";")) != NULL;)
        if (text[strspn(text, " ")] != '\0') step(life, text);
    if (life->journal != NULL) life_kill(life);
}
